"""The overview: what was scored, flagged, decided, and how that moves."""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.overview import Overview, category_bars, more_charts, numbers, toxicity_of
from services.reporter.console.contexts.period import Period, read_period
from services.reporter.console.members import Member
from services.reporter.console.pages.runs import asked, recent_runs
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.overview import add_up
from shared.clock import utcnow
from shared.vocabulary import Status

RUNS = 5
READY_S = 0.15
"""A chart that takes longer than this is fetched by the page later."""


def build_router(parts: Parts) -> APIRouter:
    """Return the overview and the part of it that changes in place."""
    router = parts.router()
    viewer = parts.entrance(Role.VIEWER)

    @router.get("/analysis", summary="Overview")
    async def overview(request: Request, member: Annotated[Member, Depends(viewer)]) -> Response:
        """Show numbers, the course of toxicity, and what is flagged."""
        position = await parts.position()
        period = read_period(request.query_params, utcnow().date(), models=True)
        context = await _overview(parts, request, member, period)
        around = Around(position, waiting=context.numbers.waiting)
        return parts.pages.render(request, member, "overview.html", context, around)

    @router.get("/analysis/numbers", summary="The numbers of the overview")
    async def overview_numbers(request: Request, member: Annotated[Member, Depends(viewer)]) -> Response:
        """Show the numbers alone."""
        period = read_period(request.query_params, utcnow().date(), models=True)
        context = await _overview(parts, request, member, period)
        return parts.pages.render(request, member, "_overview_numbers.html", context)

    return router


async def _overview(parts: Parts, request: Request, member: Member, period: Period) -> Overview:
    now, store = utcnow(), parts.store
    first, last = period.first.isoformat(), period.last.isoformat()
    (runs, _), spent = await asyncio.gather(
        recent_runs(parts, member, RUNS), asked(parts, member, "classifier", "/v1/spending", first=first, last=last)
    )
    async with store.read() as connection:
        rows = await store.days(connection, period.since, period.until, period.language, period.model)
        length = timedelta(days=period.days)
        before = await store.days(connection, period.since - length, period.since, period.language, period.model)
        counts = add_up(await store.tallies(connection))
        oldest = await store.oldest_waiting(connection, Status.NEEDS_REVIEW)
        reviews = await store.reviews_between(connection, period.since, period.until)
        languages = await store.languages_seen(connection)
        models = await store.models_seen(connection)
    days, chart = toxicity_of(rows, period)
    said = [row for row in reviews if period.language in (None, row.language)]
    cost = None if spent is None else sum(each["cost_usd"] for each in spent)
    found = numbers(days, before, waiting=counts.needs_review, oldest=oldest, now=now, reviews=said, cost=cost)
    language = parts.pages.language(request, member).code
    svg = await parts.charts.svg(chart.spec, language, READY_S) if found.scored else None
    charts = more_charts(rows, period) if found.scored else {}
    # what was drawn before is there at once; nobody waits for the rest, the page fetches it
    drawn = {key: await parts.charts.svg(each.spec, language, 0) for key, each in charts.items()}
    return Overview(
        period=period,
        languages=tuple(languages),
        models=tuple(models),
        ever=counts.scored > 0,
        numbers=found,
        bars=category_bars(rows),
        chart=chart,
        charts_on=parts.charts.there,
        svg=svg,
        charts=charts,
        drawn={key: each for key, each in drawn.items() if each},
        runs=runs,
    )
