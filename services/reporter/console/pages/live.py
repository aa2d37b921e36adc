"""The newest posts as they are scored, veiled."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.live import Live, live
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role

SHOWN, AT_ONCE = 50, 200
KNOWN = ("min", "type", "since")


def build_router(parts: Parts) -> APIRouter:
    """Return the page and the rows that come to it."""
    router = parts.router()
    reviewer = parts.entrance(Role.REVIEWER)

    async def found(request: Request, member: Member, after: datetime | None, limit: int) -> Live:
        least, flagged, ignored = _filters(request)
        async with parts.store.read() as connection:
            rows = await parts.store.newest_posts(connection, after=after, least=least, flagged=flagged, limit=limit)
        return live(rows, member.preferences.veil, parts.settings.severity_high, least, flagged, ignored)

    @router.get("/live", summary="Newest posts")
    async def live_page(request: Request, member: Annotated[Member, Depends(reviewer)]) -> Response:
        """Show the newest posts; more come by themselves where scripts run."""
        position = await parts.position()
        context = await found(request, member, None, SHOWN)
        return parts.pages.render(request, member, "live.html", context, Around(position))

    @router.get("/live/rows", summary="Posts scored since")
    async def live_rows(
        request: Request,
        member: Annotated[Member, Depends(reviewer)],
        since: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        """Show posts scored after a moment."""
        after = None
        with suppress(ValueError):
            after = datetime.fromisoformat(since)
        context = await found(request, member, after if after and after.tzinfo else None, AT_ONCE)
        return parts.pages.render(request, member, "_live_rows.html", context)

    return router


def _filters(request: Request) -> tuple[float, bool, tuple[str, ...]]:
    ignored = [name for name in request.query_params if name not in KNOWN]
    least, kind = 0.0, request.query_params.get("type", "")
    try:
        least = float(request.query_params.get("min") or 0)
    except ValueError:
        ignored.append("min")
    if not 0 <= least <= 1:
        least = 0.0
        ignored.append("min")
    if kind not in ("", "flagged"):
        ignored.append("type")
    return least, kind == "flagged", tuple(ignored)
