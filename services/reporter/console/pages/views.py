"""A saved view leads to the one address of its filters."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import not_found

Slug = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,80}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the addresses of saved views."""
    router = parts.router()

    @router.get("/views/{slug}", summary="A saved view")
    async def view(member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER))], slug: Slug) -> Response:
        """Lead to the filters that were saved; somebody else's own view is not there."""
        async with parts.store.read() as connection:
            row = await parts.store.view(connection, slug)
        if row is None or not (row.team or row.person_id == member.id):
            raise not_found("view")
        return RedirectResponse(PATH + row.query, 303)

    return router
