"""The overview: what was scored, flagged, decided."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.overview import Overview, bars
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.overview import add_up


def build_router(parts: Parts) -> APIRouter:
    """Return the overview."""
    router = parts.router()

    @router.get("/analysis", summary="Overview")
    async def overview(request: Request, member: Annotated[Member, Depends(parts.entrance(Role.VIEWER))]) -> Response:
        """Show totals."""
        async with parts.store.read() as connection:
            total, scored = await parts.store.deleted(connection)
            counts = add_up(await parts.store.tallies(connection), deleted=total, deleted_scored=scored)
        context = Overview(
            scored=counts.scored,
            flagged=counts.flagged,
            share=counts.flagged / counts.scored if counts.scored else 0.0,
            waiting=counts.needs_review,
            cleared=counts.cleared,
            corrected=counts.corrected,
            bars=bars(counts.by_category, counts.flagged),
        )
        return parts.pages.render(request, member, "overview.html", context)

    return router
