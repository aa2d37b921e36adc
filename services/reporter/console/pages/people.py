"""Who may sign in: everybody, and one person with what administrators may change."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter.console.contexts.people import One, links, people, person
from services.reporter.console.contexts.people import People as Everybody
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.clock import utcnow
from shared.errors import not_found

PersonId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


async def show_people(parts: Parts, request: Request, member: Member, **more: Any) -> Response:
    """Return the page of everybody; `more`: what was just made."""
    now = utcnow()
    async with parts.store.read() as connection:
        rows = await parts.store.list_people(connection)
        signed_in = await parts.store.signed_in(connection, now)
        open_ = await parts.store.open_invitations(connection, now)
    context = replace(Everybody(people(rows, signed_in), links(open_)), **more)
    return parts.pages.render(request, member, "people.html", context)


async def show_person(
    parts: Parts, request: Request, member: Member, person_id: str, status: int = 200, **more: Any
) -> Response:
    """Return the page of one person; `more`: what was just done, or why it was not."""
    async with parts.store.read() as connection:
        row = await parts.store.person(connection, person_id)
        signed_in = await parts.store.signed_in(connection, utcnow())
    if row is None:
        raise not_found("person")
    context = replace(One(person(row, signed_in), row.id == member.id), **more)
    return parts.pages.render(request, member, "people_one.html", context, Around(status=status))


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of people."""
    router = parts.router()
    Admin = Annotated[Member, Depends(parts.entrance(Role.ADMIN))]  # noqa: N806 - a type

    @router.get("/admin/people", summary="People")
    async def everybody(request: Request, member: Admin) -> Response:
        """List everybody and the links that still work."""
        return await show_people(parts, request, member)

    @router.get("/admin/people/{person_id}", summary="One person")
    async def one(
        request: Request,
        member: Admin,
        person_id: PersonId,
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        """Show one person and what may be changed."""
        return await show_person(parts, request, member, person_id, done=done)

    return router
