"""Administrators start, stop and repeat training runs, and give dead letters another life or throw them away."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from redis.exceptions import RedisError

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.bus.letters import drop, letters, one_letter, redrive
from shared.errors import Problem, Unavailable
from shared.streams import FLOW, name_of

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")]
CONFLICT = 409


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of the pages of pipelines."""
    router = parts.router()
    admin = parts.acting(Role.ADMIN)

    @router.post("/pipelines/letters", summary="Redrive or drop dead letters")
    async def settle_letters(
        request: Request,
        command: Annotated[Command, Depends(admin)],
        act: Annotated[Literal["redrive", "drop"], Form()],
        stream: Annotated[str, Form(max_length=60)] = "",
        group: Annotated[str, Form(max_length=60)] = "",
        entry: Annotated[str, Form(pattern=r"^(\d{1,19}-\d{1,19})?$")] = "",
    ) -> Response:
        """Try one letter of a group again, or all of them, or throw it or them away."""
        if name_of(stream) not in FLOW or group not in FLOW[name_of(stream)].heard_by:
            raise Problem(422, "unknown_group", "There is no such group.", field="group")

        async def work() -> Answer:
            redis = parts.platform.redis
            try:
                if entry:
                    found = await one_letter(redis, stream, group, entry)
                    picked = [found] if found else []
                else:
                    picked = await letters(redis, stream, group, parts.platform.shards)
                done = await (redrive if act == "redrive" else drop)(redis, picked)
            except RedisError as error:
                raise Unavailable("broker") from error
            said = "redriven" if act == "redrive" else "dropped"
            return Answer(f"/pipelines?said={said}#letters", {"letters": done})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/pipelines/runs", summary="Train once")
    async def run_once(
        request: Request,
        command: Annotated[Command, Depends(admin)],
        kind: Annotated[Literal["refit", "replay", "population", "topics"], Form()] = "refit",
        tune: Annotated[bool, Form()] = False,
    ) -> Response:
        """Ask the trainer for a run; while one of its kind is active, that one is shown."""

        async def work() -> Answer:
            body = {"kind": kind, "tune": tune and kind == "refit"}
            try:
                made = await parts.services.ask("trainer", "POST", "/v1/runs", command.member.token, json=body)
            except Problem as problem:
                return Answer(_instead(problem, "/pipelines"))
            return Answer(f"/pipelines/runs/{made['run_id']}?said=asked", {"run_id": made["run_id"]})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/pipelines/runs/{run_id}/cancel", summary="Stop a training run")
    async def cancel_run(request: Request, command: Annotated[Command, Depends(admin)], run_id: RunId) -> Response:
        """End a run without a model."""

        async def work() -> Answer:
            try:
                await parts.services.ask("trainer", "POST", f"/v1/runs/{run_id}/cancel", command.member.token)
            except Problem as problem:
                return Answer(_instead(problem, f"/pipelines/runs/{run_id}"))
            return Answer(f"/pipelines/runs/{run_id}?said=cancelled")

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/pipelines/runs/{run_id}/retry", summary="Go on from a step")
    async def retry_run(
        request: Request,
        command: Annotated[Command, Depends(admin)],
        run_id: RunId,
        step: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        """Queue a run again from a step on."""

        async def work() -> Answer:
            path, body = f"/v1/runs/{run_id}/retry", {"from": step}
            try:
                await parts.services.ask("trainer", "POST", path, command.member.token, json=body)
            except Problem as problem:
                return Answer(_instead(problem, f"/pipelines/runs/{run_id}"))
            return Answer(f"/pipelines/runs/{run_id}?said=retried")

        return answered(request, await parts.commands.once(request, command, work))

    return router


def _instead(problem: Problem, page: str) -> str:
    """Return where a refusal that is no mistake of the form's leads; raises every other one again."""
    if problem.status != CONFLICT:
        raise problem
    return f"{page}?said={'in_progress' if problem.reason == 'run_in_progress' else 'refused'}"
