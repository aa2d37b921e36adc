"""HTTP: ask for a run, watch its steps, stop it, or let it go on from one of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.trainer.lifecycle import Stage
from services.trainer.runs import RecipeName, RunKind, RunState, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.steps import StepStatus
from services.trainer.store import Store
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
JUDGING = ("evaluation", "gate", "promotion")
"""Steps that may be repeated for a model that was refused: they leave the model as it is."""


class RunRequest(BaseModel):
    """What a run may be asked for."""

    model_config = ConfigDict(extra="forbid")

    kind: RunKind = Field(RunKind.REFIT, description="What to make; `refit` is a full training.")
    recipe: RecipeName | None = Field(None, description="Recipe by name; none: the operator's.")
    tune: bool = Field(False, description="Look for better hyper-parameters first (refits only).")


class RetryRequest(BaseModel):
    """From which step a run goes on."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    step: str = Field(alias="from", max_length=40, description="Name of a step; what was done before it stays.")


class RunAccepted(BaseModel):
    """The run that was queued."""

    run_id: str


class LineAnswer(BaseModel):
    """One line of a step's log."""

    step: str
    at: datetime
    line: str


class StepAnswer(BaseModel):
    """One step of a run; `artifacts` names what it left by its SHA-256."""

    name: str
    status: StepStatus
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    artifacts: dict[str, str]


class RunAnswer(BaseModel):
    """One attempt to make something; `champion` is the model it was judged against."""

    run_id: str
    kind: RunKind
    trigger: Trigger
    recipe: str
    state: RunState
    attempt: int
    options: dict[str, Any] | None
    requested_by: str | None
    requested_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    champion: str | None
    examples: int | None
    corrections: int | None
    held_out: int | None
    metrics: dict[str, Any] | None
    champion_metrics: dict[str, Any] | None
    reasons: list[str] | None
    model_version: str | None
    error: str | None


class WholeRunAnswer(RunAnswer):
    """One run with its steps."""

    steps: list[StepAnswer]


def build_router(store: Store, settings: TrainerSettings, keys: KeyRing, kinds: Collection[RunKind]) -> APIRouter:
    """Return the routes of runs of the kinds that are there."""
    router = APIRouter(prefix="/v1", tags=["trainer"])
    reading = [Depends(require(keys, Scope.READ))]
    admin = require(keys, Scope.ADMIN)

    async def whole(run_id: str) -> WholeRunAnswer:
        row = await store.run(run_id)
        if row is None:
            raise not_found("run")
        steps = [_step(step) for step in await store.steps(run_id)]
        return WholeRunAnswer(**_run(row).model_dump(), steps=steps)

    @router.post("/runs", status_code=202, summary="Train a model now")
    async def request_run(
        principal: Annotated[Principal, Depends(admin)], body: RunRequest | None = None
    ) -> RunAccepted:
        """Queue a run; refused with 409 `run_in_progress` and its id while one of its kind and recipe is active."""
        asked = body or RunRequest()
        if asked.kind not in kinds:
            raise Problem(422, "kind_unavailable", f"Runs of kind {asked.kind.value} are not made here.", field="kind")
        run_id, mine = await store.queue_run(
            Trigger.COMMAND,
            asked.recipe or settings.recipe,
            utcnow(),
            by=principal.id,
            kind=asked.kind,
            options={"tune": True, "minutes": settings.tune_minutes} if asked.tune else {},
        )
        if run_id is None or not mine:
            raise Problem(409, "run_in_progress", "Another run is queued or running.", run_id=run_id)
        return RunAccepted(run_id=run_id)

    @router.post("/runs/{run_id}/cancel", dependencies=[Depends(admin)], summary="Stop a run")
    async def cancel_run(run_id: Id) -> WholeRunAnswer:
        """End a queued or running run without a model; refused with 409 `run_is_over` if it has ended."""
        cancelled = await store.cancel(run_id, "cancelled on request", utcnow())
        answer = await whole(run_id)
        if not cancelled:
            raise Problem(409, "run_is_over", "This run has ended already.")
        return answer

    @router.post("/runs/{run_id}/retry", status_code=202, dependencies=[Depends(admin)], summary="Go on from a step")
    async def retry_run(run_id: Id, body: RetryRequest) -> WholeRunAnswer:
        """Queue a run that has ended again, from a step on; what earlier steps left is used as it is.

        Refused with 409 while it is active (`run_is_active`), if another one holds its place (`run_in_progress`), if a
        step before has left nothing (`step_missing`), or if its model was not refused (`run_has_a_model`): a model that
        exists is judged again at most.
        """
        row = await store.run(run_id)
        if row is None:
            raise not_found("run")
        if row.slot is not None:
            raise Problem(409, "run_is_active", "This run has not ended.")
        model = await store.model(row.model_version) if row.model_version else None
        if model is not None and (model.stage != Stage.REFUSED.value or body.step not in JUDGING):
            raise Problem(409, "run_has_a_model", f"This run made {model.version}, which is {model.stage}.")
        try:
            taken = await store.retry(run_id, body.step)
        except ValueError as error:
            raise Problem(409, "step_missing", f"The run cannot go on there: {error}.", field="from") from None
        if taken is not None:
            raise Problem(409, "run_in_progress", "Another run is queued or running.", run_id=taken)
        return await whole(run_id)

    @router.get("/runs", dependencies=reading, summary="Runs, newest first")
    async def list_runs(limit: Limit = 50, kind: RunKind | None = None) -> list[RunAnswer]:
        """Return the newest runs, of one kind or all."""
        return [_run(row) for row in await store.latest_runs(limit, kind)]

    @router.get("/runs/{run_id}", dependencies=reading, summary="One run with its steps")
    async def get_run(run_id: Id) -> WholeRunAnswer:
        """Return a run: how far each step is, and once it is over its metrics and what the gate said."""
        return await whole(run_id)

    @router.get("/runs/{run_id}/log", dependencies=reading, summary="What the steps of a run say")
    async def get_run_log(run_id: Id) -> list[LineAnswer]:
        """Return the log lines of a run in the order of its steps; no line quotes a post."""
        if await store.run(run_id) is None:
            raise not_found("run")
        steps = await store.steps(run_id)
        return [LineAnswer(step=step.name, at=each.at, line=each.line) for step in steps for each in step.log]

    return router


def _run(row: Stored) -> RunAnswer:
    return RunAnswer.model_validate(row, from_attributes=True)


def _step(step: Any) -> StepAnswer:
    begun, ended = step.started_at, step.finished_at
    return StepAnswer(
        name=step.name,
        status=step.status,
        started_at=begun,
        finished_at=ended,
        seconds=round((ended - begun).total_seconds(), 3) if begun and ended else None,
        artifacts=dict(step.artifacts),
    )
