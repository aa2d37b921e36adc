"""The newest posts as they are scored, veiled."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.live import STEP_S, STEPS, Chosen, Live, Pace, live, pace, read_chosen
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.clock import monotonic, utcnow
from shared.ids import NO_NUL

SHOWN, AT_ONCE = 50, 200
WITHIN_S, LOOK_S = 0.3, 0.02
"""How long a post is waited for that an event told of, and how often we look."""


def build_router(parts: Parts) -> APIRouter:
    """Return the page and the rows that come to it."""
    router = parts.router()
    reviewer = parts.entrance(Role.REVIEWER)

    async def found(
        request: Request, member: Member, after: datetime | None, limit: int, at: Pace | None = None
    ) -> Live:
        chosen, ignored = read_chosen(request.query_params)
        async with parts.store.read() as connection:
            rows = await parts.store.newest_posts(
                connection,
                after=after,
                least=chosen.least,
                flagged=chosen.flagged,
                category=chosen.category,
                limit=limit,
            )
        return live(rows, member.preferences, parts.settings.severity_high, chosen, at, ignored)

    async def scored(post_id: str) -> bool:
        until = monotonic() + WITHIN_S
        while True:
            async with parts.store.read() as connection:
                if await parts.store.is_scored(connection, post_id):
                    return True
            if monotonic() > until:
                return False
            await asyncio.sleep(LOOK_S)

    async def measured() -> Pace:
        now = utcnow()
        async with parts.store.read() as connection:
            counts = await parts.store.scored_lately(connection, now - timedelta(seconds=STEP_S * (STEPS + 1)), STEP_S)
        return pace(counts, now, parts.waiting_s)

    @router.get("/live", summary="Newest posts")
    async def live_page(request: Request, member: Annotated[Member, Depends(reviewer)]) -> Response:
        """Show the newest posts; more come by themselves where scripts run."""
        position = await parts.position()
        context = await found(request, member, None, SHOWN, await measured())
        return parts.pages.render(request, member, "live.html", context, Around(position))

    @router.get("/live/rows", summary="Posts scored since")
    async def live_rows(
        request: Request,
        member: Annotated[Member, Depends(reviewer)],
        since: Annotated[str, Query(max_length=40)] = "",
        post: Annotated[str, Query(max_length=64, pattern=NO_NUL)] = "",
    ) -> Response:
        """Show posts scored after a moment. An event may be ahead of the tables: `post` is waited for, but not long."""
        there = bool(post) and await scored(post)
        after = None
        with suppress(ValueError):
            after = datetime.fromisoformat(since)
        context = await found(request, member, after if after and after.tzinfo else None, AT_ONCE)
        return parts.pages.render(request, member, "_live_rows.html", replace(context, there=there))

    @router.get("/live/pace", summary="How fast posts come")
    async def live_pace(request: Request, member: Annotated[Member, Depends(reviewer)]) -> Response:
        """Show how many posts were scored a second in the last minutes."""
        return parts.pages.render(request, member, "_live_pace.html", Live((), Chosen(), await measured()))

    return router
