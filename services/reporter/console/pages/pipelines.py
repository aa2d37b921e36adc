"""Pipelines: how far every group is, dead letters, training runs with steps. For leads; administrators act here."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from redis.exceptions import RedisError

from services.reporter.console.contexts.pipelines import (
    Letter,
    OneTraining,
    Pipelines,
    letter_of,
    streams_of,
    training_of,
    whole_letter,
)
from services.reporter.console.members import Member
from services.reporter.console.pages.runs import asked, recent_runs
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around, wants_fragment
from services.reporter.console.roles import Role
from shared.bus.letters import newest_letters, one_letter
from shared.bus.metrics import GroupState, sweep
from shared.bus.shards import group_keys
from shared.errors import Unavailable, not_found
from shared.streams import FLOW, name_of

LETTERS, TRAININGS, SCORINGS = 50, 10, 5
REFUSED = "refused"
"""Stage of a model that the gate or a person refused."""
SAID = ("redriven", "dropped", "asked", "cancelled", "retried", "in_progress", "refused")
"""What a form may have led to; the words stand in the template."""
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the page, one dead letter, one training run."""
    router = parts.router()
    lead = parts.entrance(Role.LEAD)

    @router.get("/pipelines", summary="Pipelines")
    async def pipelines(request: Request, member: Annotated[Member, Depends(lead)]) -> Response:
        """Show streams, dead letters and runs; a script asks for the part that changes."""
        position = await parts.position()
        (states, letters), trainings, (scorings, _) = await asyncio.gather(
            _broker(parts),
            asked(parts, member, "trainer", "/v1/runs", limit=str(TRAININGS)),
            recent_runs(parts, member, SCORINGS),
        )
        context = Pipelines(
            streams=streams_of(states),
            letters=tuple(sorted(letters, key=lambda each: each.at, reverse=True)[:LETTERS]),
            trainings=None if trainings is None else tuple(map(training_of, trainings)),
            scorings=scorings,
            said=_said(request),
            acts=member.may(Role.ADMIN),
        )
        template = "_pipelines_now.html" if wants_fragment(request) else "pipelines.html"
        return parts.pages.render(request, member, template, context, Around(position))

    @router.get("/pipelines/letters/{stream}/{group}/{entry}", summary="One dead letter")
    async def one(
        request: Request,
        member: Annotated[Member, Depends(lead)],
        stream: Annotated[str, Path(max_length=60)],
        group: Annotated[str, Path(max_length=60)],
        entry: Annotated[str, Path(pattern=r"^\d{1,19}-\d{1,19}$")],
    ) -> Response:
        """Show one dead letter with its event, without a post's words."""
        if name_of(stream) not in FLOW or group not in FLOW[name_of(stream)].heard_by:
            raise not_found("dead letter")
        try:
            found = await one_letter(parts.platform.redis, stream, group, entry)
        except RedisError as error:
            raise Unavailable("broker") from error
        if found is None:
            raise not_found("dead letter")
        context = whole_letter(letter_of(stream, group, entry, found.content), found.content["event"])
        return parts.pages.render(request, member, "pipelines_letter.html", context)

    @router.get("/pipelines/runs/{run_id}", summary="One training run")
    async def one_run(request: Request, member: Annotated[Member, Depends(lead)], run_id: RunId) -> Response:
        """Show the steps of one training run and what each says."""
        position = await parts.position()
        ask, token = parts.services.ask, member.token
        run, log = await asyncio.gather(
            ask("trainer", "GET", f"/v1/runs/{run_id}", token), ask("trainer", "GET", f"/v1/runs/{run_id}/log", token)
        )
        version = run["model_version"]
        model = await asked(parts, member, "trainer", f"/v1/models/{version}") if version else None
        refused = model is not None and model["stage"] == REFUSED
        context = OneTraining(training_of(run, log, refused=refused), _said(request), member.may(Role.ADMIN))
        template = "_pipelines_steps.html" if wants_fragment(request) else "pipelines_run.html"
        return parts.pages.render(request, member, template, context, Around(position))

    return router


async def _broker(parts: Parts) -> tuple[list[GroupState], list[Letter]]:
    """Return how every group stands and the newest dead letters of each. Raises Unavailable."""
    redis, shards = parts.platform.redis, parts.platform.shards
    try:
        states = await sweep(redis, group_keys(shards), gauges=False)
        kept = [await newest_letters(redis, each.stream, each.group, LETTERS, shards) for each in states if each.dead]
    except RedisError as error:
        raise Unavailable("broker") from error
    return states, [letter_of(each.stream, each.group, each.entry, each.content) for some in kept for each in some]


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in SAID else ""
