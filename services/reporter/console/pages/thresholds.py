"""Where a lead changes thresholds: what is in force, what is tried, how much each flags. They are the classifier's."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts import thresholds as page
from services.reporter.console.members import Member
from services.reporter.console.pages.quality import NEWEST
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.errors import Unavailable

PATH = "/settings/thresholds"


def build_router(parts: Parts) -> APIRouter:
    """Return the page."""
    router = parts.router()

    @router.get(PATH, summary="Thresholds")
    async def thresholds(request: Request, member: Annotated[Member, Depends(parts.entrance(Role.LEAD))]) -> Response:
        """Show thresholds, and what those in the address would flag."""
        return await show(parts, request, member, page.read_tried(request.query_params))

    return router


async def show(
    parts: Parts,
    request: Request,
    member: Member,
    tried: page.Tried,
    *,
    fault: str = "",
    typed: str = "",
    status: int = 200,
) -> Response:
    """Return the page; without the classifier with 503, what was typed kept."""
    try:
        said = await parts.services.ask("classifier", "GET", "/v1/thresholds", member.token)
    except Unavailable:
        said, fault, status = None, fault or "unavailable", 503
    async with parts.store.read() as connection:
        newest = await parts.store.newest_scores(connection, NEWEST)
        last = await parts.store.last_thresholds(connection)
    context = page.thresholds(said, tried, newest, last, fault=fault, typed=typed)
    return parts.pages.render(request, member, "thresholds.html", context, Around(status=status))
