"""HTTP: ask for a run, stop one, see runs and models, and what became of a correction."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.trainer.runs import RecipeName, RunState, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.vocabulary import FeedbackType, Scope, Standing, Verdict

Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]


class RunRequest(BaseModel):
    """What a run may be asked for."""

    model_config = ConfigDict(extra="forbid")

    recipe: RecipeName | None = Field(None, description="Recipe by name; none: the operator's.")


class RunAccepted(BaseModel):
    """The run that was queued."""

    run_id: str


class RunAnswer(BaseModel):
    """One training attempt."""

    run_id: str
    trigger: Trigger
    recipe: str
    state: RunState
    attempt: int
    requested_by: str | None
    requested_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    examples: int | None
    corrections: int | None
    held_out: int | None
    metrics: dict[str, Any] | None
    champion_metrics: dict[str, Any] | None
    reasons: list[str] | None
    model_version: str | None
    error: str | None


class ModelAnswer(BaseModel):
    """One trained model."""

    version: str
    run_id: str
    recipe: str
    artifact: str
    data_hash: str
    examples: int
    corrections: int
    metrics: dict[str, Any]
    promoted: bool
    replaces: str | None
    reasons: list[str]
    trained_at: datetime
    promoted_at: datetime | None


class CorrectionAnswer(BaseModel):
    """A correction and the first model that learned from it; `first_run_id` is the first run that saw it."""

    correction_id: str
    post_id: str | None
    text: str | None
    language: str | None
    verdict: Verdict
    feedback_type: FeedbackType
    expected: list[str]
    actual: list[str]
    spoke_about: list[str]
    reviewer: str | None
    standing: Standing
    retracts: str | None
    retracted: bool
    corrected_at: datetime
    first_run_id: str | None
    learned_by: str | None
    learned_by_promoted: bool | None


def build_router(store: Store, settings: TrainerSettings, keys: KeyRing) -> APIRouter:
    """Return the routes of the trainer."""
    router = APIRouter(prefix="/v1", tags=["trainer"])
    reading = [Depends(require(keys, Scope.READ))]
    admin = require(keys, Scope.ADMIN)

    @router.post("/runs", status_code=202, summary="Train a model now")
    async def request_run(
        principal: Annotated[Principal, Depends(admin)], body: RunRequest | None = None
    ) -> RunAccepted:
        """Queue a run; refused with 409 `run_in_progress` and its id while another one is queued or running."""
        recipe = (body.recipe if body else None) or settings.recipe
        run_id, mine = await store.queue_run(Trigger.COMMAND, recipe, utcnow(), by=principal.id)
        if run_id is None or not mine:
            raise Problem(409, "run_in_progress", "Another run is queued or running.", run_id=run_id)
        return RunAccepted(run_id=run_id)

    @router.post("/runs/{run_id}/cancel", dependencies=[Depends(admin)], summary="Stop a run")
    async def cancel_run(run_id: Id) -> RunAnswer:
        """End a queued or running run without a model; refused with 409 `run_is_over` if it has ended."""
        cancelled = await store.cancel(run_id, "cancelled on request", utcnow())
        row = await store.run(run_id)
        if row is None:
            raise not_found("run")
        if not cancelled:
            raise Problem(409, "run_is_over", "This run has ended already.")
        return _run(row)

    @router.get("/runs", dependencies=reading, summary="Runs, newest first")
    async def list_runs(limit: Limit = 50) -> list[RunAnswer]:
        """Return the newest runs."""
        return [_run(row) for row in await store.latest_runs(limit)]

    @router.get("/runs/{run_id}", dependencies=reading, summary="One run")
    async def get_run(run_id: Id) -> RunAnswer:
        """Return a run: how far it is, and once it is over its metrics and what the gate said."""
        row = await store.run(run_id)
        if row is None:
            raise not_found("run")
        return _run(row)

    @router.get("/models", dependencies=reading, summary="Models, newest first")
    async def list_models(limit: Limit = 50) -> list[ModelAnswer]:
        """Return the newest models, promoted or not."""
        return [ModelAnswer.model_validate(row, from_attributes=True) for row in await store.latest_models(limit)]

    @router.get("/corrections/{correction_id}", dependencies=reading, summary="What became of a correction")
    async def get_correction(correction_id: Id) -> CorrectionAnswer:
        """Return a correction, whether it was taken back, and which model learned from it first."""
        row = await store.correction(correction_id)
        if row is None:
            raise not_found("correction")
        model = await store.model(row.learned_by) if row.learned_by else None
        promoted = None if model is None else model.promoted
        return CorrectionAnswer.model_validate({**row._mapping, "learned_by_promoted": promoted})

    return router


def _run(row: Stored) -> RunAnswer:
    return RunAnswer.model_validate(row, from_attributes=True)
