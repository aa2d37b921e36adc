"""People give filters a name, for themselves or for all who review, and take it away again."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.actions.reviewing import QueryOf
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.contexts.views import LONGEST, slug_of
from services.reporter.console.contexts.views import PATH as VIEWS
from services.reporter.console.guard import Command
from services.reporter.console.pages.views import Slug
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.queue import filters_in
from shared.clock import utcnow
from shared.errors import Problem, not_found

MOST = 50
"""Views of one person."""


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of saved views."""
    router = parts.router()

    @router.post("/views", summary="Save a view")
    async def save(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        name: Annotated[str, Form(max_length=LONGEST)] = "",
        team: Annotated[bool, Form()] = False,
        query: QueryOf = "",
    ) -> Response:
        """Keep the filters of an address under a name and lead to them."""
        said = " ".join(name.replace("\x00", "").split())
        if not said:
            raise Problem(422, "missing", "Give the view a name.", field="name")

        async def work() -> Answer:
            row = {
                "slug": slug_of(said, secrets.token_hex(3)),
                "name": said,
                "query": filters_in(query).query(),
                "person_id": command.member.id,
                "team": team,
                "created_at": utcnow(),
            }
            async with parts.store.begin() as connection:
                if await parts.store.count_views(connection, command.member.id) >= MOST:
                    raise Problem(422, "too_many", f"Nobody has more than {MOST} views.", field="name")
                if not await parts.store.add_view(connection, row):
                    raise Problem(503, "taken", "Try again.")
            slug = str(row["slug"])
            return Answer(VIEWS + slug, {"slug": slug}, object=slug, after={"team": team})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/views/{slug}/remove", summary="Remove a view")
    async def remove(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        slug: Slug,
        query: QueryOf = "",
    ) -> Response:
        """Forget an own view; a lead also one of the team's."""

        async def work() -> Answer:
            async with parts.store.begin() as connection:
                row = await parts.store.view(connection, slug)
                mine = row is not None and row.person_id == command.member.id
                if row is None or not (mine or row.team):
                    raise not_found("view")
                if not mine and not command.member.may(Role.LEAD):
                    raise Problem(403, "not_yours", "Only who saved a view, or a lead, removes it.")
                await parts.store.drop_view(connection, slug)
            return Answer(PATH + filters_in(query).query())

        return answered(request, await parts.commands.once(request, command, work))

    return router
