"""How good scores are: people's verdicts beside them, what another threshold would do, what became of models."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.charts import Chart
from services.reporter.console.contexts import quality as page
from services.reporter.console.contexts.drawing import Sketch
from services.reporter.console.contexts.drift import Drift, chart_of, drift_of
from services.reporter.console.members import Member
from services.reporter.console.pages.drawing import drawn
from services.reporter.console.pages.runs import asked as asked_of
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role, may
from services.reporter.quality import Word
from services.reporter.store import Connection
from shared.clock import utcnow

READY_S = 0.15
NEWEST = 5_000
"""Posts, the newest, whose scores say how much a threshold would flag."""
MODELS = 12
THRESHOLDS = "/settings/thresholds"


def build_router(parts: Parts) -> APIRouter:
    """Return the page."""
    router = parts.router()

    @router.get("/quality", summary="Quality of scores")
    async def quality(request: Request, member: Annotated[Member, Depends(parts.entrance(Role.VIEWER))]) -> Response:
        """Show agreement, blind checks, calibration, thresholds, disagreements and models; no post's text."""
        position = await parts.position()
        drifting = asyncio.create_task(drift_now(parts, member))
        asked = page.read_asked(request.query_params, utcnow().date())
        store = parts.store
        async with store.read() as connection:
            words = await _words(parts, connection, asked)
            simulator = await _simulator(parts, connection, asked, words)
            rows = await store.newest_models(connection, MODELS)
            steps = await store.steps_of_models(connection, [row.version for row in rows])
            live = await store.live_model(connection)
            languages = await store.languages_seen(connection)
        context = page.quality(
            asked,
            words,
            simulator,
            page.models_of(rows, steps, live.version if live else None),
            languages=languages,
            charts_on=parts.charts.there,
            may_read=may(member.role, (Role.REVIEWER, Role.AUDITOR)),
            may_change=may(member.role, (Role.LEAD,)) and THRESHOLDS in parts.pages.there,
        )
        context = await _drawn(parts, context, parts.pages.language(request, member).code)
        context = replace(context, drift=await _drift(parts, request, member, await drifting))
        return parts.pages.render(request, member, "quality.html", context, Around(position))

    return router


async def drift_now(parts: Parts, member: Member) -> Drift | None:
    """Return how far posts have drifted; None if the trainer does not say."""
    said = await asked_of(parts, member, "trainer", "/v1/drift")
    return None if said is None else drift_of(said)


async def _drift(parts: Parts, request: Request, member: Member, found: Drift | None) -> Drift | None:
    chart = chart_of(found) if found else None
    if found is None or chart is None:
        return found
    return replace(found, drawn=(await drawn(parts, request, member, {"drift": Sketch(chart, "")}))["drift"])


async def chart(parts: Parts, asked_for: Mapping[str, str], key: str) -> Chart | None:
    """Return a chart of the page by its key; None if it has none of that name, or nothing to draw."""
    asked = page.read_asked(asked_for, utcnow().date())
    async with parts.store.read() as connection:
        words = await _words(parts, connection, asked)
        simulator = await _simulator(parts, connection, asked, words)
    found = {
        "thresholds": simulator.drawn if simulator else None,
        "calibration": page.calibrated(words, simulator.category)[1] if simulator else None,
        "reviewers": page.drawn_kappas(page.reviewed_twice(words)),
    }[key]
    return found.chart if found else None


KEYS = ("thresholds", "calibration", "reviewers")


async def _words(parts: Parts, connection: Connection, asked: page.Asked) -> list[Word]:
    period = asked.period
    return page.words_of(await parts.store.verdicts_between(connection, period.since, period.until, period.language))


async def _simulator(
    parts: Parts, connection: Connection, asked: page.Asked, words: list[Word]
) -> page.Simulator | None:
    newest = await parts.store.newest_scores(connection, NEWEST)
    return page.simulated(asked, words, newest, await parts.store.last_thresholds(connection))


async def _drawn(parts: Parts, context: page.Quality, language: str) -> page.Quality:
    """Return the page with the pictures that are ready; the others are fetched by the page later."""

    async def draw(wanted: page.Drawn | None) -> Any:
        return wanted and replace(wanted, svg=await parts.charts.svg(wanted.chart.spec, language, READY_S))

    simulator = context.simulator
    first, second, third = await asyncio.gather(
        draw(simulator.drawn if simulator else None), draw(context.calibration), draw(context.reviewers)
    )
    simulator = replace(simulator, drawn=first) if simulator else None
    return replace(context, simulator=simulator, calibration=second, reviewers=third)
