"""Scoring runs: what each scored, cost and took, and what a new model would have flipped.

Runs are the classifier's and rounds the auditor's: they are asked in the visitor's name, with the scope `figures`.
"""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.contexts.runs import Run, Runs, charts_of_runs, runs_of
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around, wants_fragment
from services.reporter.console.roles import Role
from shared.errors import Problem, Unavailable

LISTED, ROUNDS = 100, 200
PATIENCE_S = 2.0
"""How long a page waits for another service that it can do without."""


def build_router(parts: Parts) -> APIRouter:
    """Return the list and one run."""
    router = parts.router()
    viewer = parts.entrance(Role.VIEWER)

    @router.get("/analysis/runs", summary="Scoring runs")
    async def runs(request: Request, member: Annotated[Member, Depends(viewer)]) -> Response:
        """Show the newest runs with their charts."""
        position = await parts.position()
        found, judged = await recent_runs(parts, member, LISTED)
        charts = charts_of_runs(found or ())
        language = parts.pages.language(request, member).code
        drawn = {key: await parts.charts.svg(each.spec, language, 0) for key, each in charts.items()}
        ready = {key: each for key, each in drawn.items() if each}
        context = Runs(found or (), found is not None, judged, charts, ready, parts.charts.there)
        template = "_runs_list.html" if wants_fragment(request) else "runs.html"
        return parts.pages.render(request, member, template, context, Around(position))

    @router.get("/analysis/runs/{run_id}", summary="One scoring run")
    async def one_run(
        request: Request,
        member: Annotated[Member, Depends(viewer)],
        run_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")],
    ) -> Response:
        """Show one run."""
        position = await parts.position()
        run, rounds = await asyncio.gather(
            parts.services.ask("classifier", "GET", f"/v1/analysis-runs/{run_id}", member.token),
            asked(parts, member, "auditor", "/v1/rounds", limit=str(ROUNDS)),
        )
        (context,) = runs_of([run], rounds["rounds"] if rounds else ())
        return parts.pages.render(request, member, "runs_one.html", context, Around(position))

    return router


async def recent_runs(parts: Parts, member: Member, limit: int) -> tuple[tuple[Run, ...] | None, bool]:
    """Return the newest runs, None if the classifier does not answer, and whether the auditor did."""
    runs, rounds = await asyncio.gather(
        asked(parts, member, "classifier", "/v1/analysis-runs", limit=str(limit)),
        asked(parts, member, "auditor", "/v1/rounds", limit=str(ROUNDS)),
    )
    if runs is None:
        return None, rounds is not None
    return runs_of(runs, rounds["rounds"] if rounds else ()), rounds is not None


async def asked(parts: Parts, member: Member, service: str, path: str, **params: str) -> Any:
    """Return what a service answers a visitor, None if it does not in time, or not this session."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await parts.services.ask(service, "GET", path, member.token, params=params)
    except (Unavailable, Problem, TimeoutError):
        return None
