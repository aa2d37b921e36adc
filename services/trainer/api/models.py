"""HTTP: models and their lives. A person may promote, roll back, retire; an auditor may refuse."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.trainer.lifecycle import Layer, Stage, refusal
from services.trainer.store import Store
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

Version = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Reason = Annotated[str, Field(min_length=3, max_length=500, pattern=NO_NUL)]


class PromoteRequest(BaseModel):
    """A person's word that a model is to score from now on."""

    model_config = ConfigDict(extra="forbid")

    despite_gate: bool = Field(False, description="Also if it was refused; then a reason is needed.")
    reason: Reason | None = Field(None, description="Why; it stays in the model's history.")


class RollbackRequest(BaseModel):
    """To which model to go back."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(None, max_length=64, pattern=NO_NUL, description="None: the champion before this one.")
    reason: Reason | None = Field(None, description="Why; it stays in the model's history.")


class ReasonRequest(BaseModel):
    """Why a model is refused or retired."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class StageAnswer(BaseModel):
    """A step of a model's life: where it stood from then on, by whose word, and why."""

    stage: Stage
    layer: Layer | None
    by: str | None
    reasons: list[str]
    at: datetime


class ModelAnswer(BaseModel):
    """One trained model. `parent` is what a replay went on from, `root` the refit it all began with."""

    version: str
    run_id: str
    recipe: str
    artifact: str
    data_hash: str
    examples: int
    corrections: int
    metrics: dict[str, Any]
    stage: Stage
    layer: Layer
    promoted: bool
    replaces: str | None
    parent: str | None
    root: str | None
    reasons: list[str]
    checks: list[dict[str, Any]] | None
    trained_at: datetime
    promoted_at: datetime | None


class WholeModelAnswer(ModelAnswer):
    """One model with its history, oldest first."""

    history: list[StageAnswer]


def build_router(store: Store, artifacts: ArtifactStore, keys: KeyRing) -> APIRouter:
    """Return the routes of models."""
    router = APIRouter(prefix="/v1", tags=["trainer"])
    reading = [Depends(require(keys, Scope.READ))]
    admin, auditing = require(keys, Scope.ADMIN), require(keys, Scope.AUDIT)

    async def known(version: str) -> Stored:
        row = await store.model(version)
        if row is None:
            raise not_found("model")
        return row

    async def whole(version: str) -> WholeModelAnswer:
        history = [StageAnswer.model_validate(row, from_attributes=True) for row in await store.history(version)]
        return WholeModelAnswer(**_model(await known(version)).model_dump(), history=history)

    def loadable(model: Stored) -> None:
        if not artifacts.has(model.artifact):
            raise Problem(409, "artifact_gone", f"The artifact of {model.version} was removed; train again instead.")

    async def back_to(version: str | None, reason: str, by: str) -> str:
        """Put an earlier champion in force again."""
        champion = await store.champion()
        earlier = await store.earlier_champion() if version is None else await known(version)
        if champion is None or earlier is None:
            raise Problem(409, "no_earlier_champion", "There is no model to go back to.")
        if earlier.version == champion.version or not earlier.promoted:
            raise Problem(409, "never_in_force", f"{earlier.version} is no earlier champion.")
        if earlier.stage == Stage.REFUSED.value:
            raise Problem(409, "model_refused", f"{earlier.version} was refused.", reasons=earlier.reasons)
        loadable(earlier)
        moved = await store.put_in_force(
            earlier.version, Layer.ROLLBACK, [reason], utcnow(), by=by, expected=champion.version
        )
        if not moved:
            raise Problem(409, "champion_changed", "Another model was promoted at the same moment: look again.")
        return str(earlier.version)

    @router.get("/models", dependencies=reading, summary="Models, newest first")
    async def list_models(limit: Limit = 50) -> list[ModelAnswer]:
        """Return the newest models, promoted or not."""
        return [_model(row) for row in await store.latest_models(limit)]

    @router.post("/models/rollback", summary="Back to the champion before")
    async def roll_back(
        principal: Annotated[Principal, Depends(admin)], body: RollbackRequest | None = None
    ) -> WholeModelAnswer:
        """Put the champion before this one in force again, or a named earlier one; it is announced like a promotion.

        Corrections that a model learned meanwhile wait for a refit and its gate; newer ones are replayed.
        """
        asked = body or RollbackRequest()
        return await whole(await back_to(asked.version, asked.reason or "rolled back by hand", principal.id))

    @router.get("/models/{version}", dependencies=reading, summary="One model with its history")
    async def get_model(version: Version) -> WholeModelAnswer:
        """Return a model, the gate's checks, and every step of its life."""
        return await whole(version)

    @router.post("/models/{version}/promote", summary="Put a model in force")
    async def promote_model(
        principal: Annotated[Principal, Depends(admin)], version: Version, body: PromoteRequest | None = None
    ) -> WholeModelAnswer:
        """Make a model the champion by hand.

        Refused with 409 and the reasons if the gate or an auditor refused it (`model_refused`), unless the request says
        `despite_gate` and why; and if it is the champion already.
        """
        asked = body or PromoteRequest()
        row, champion = await known(version), await store.champion()
        against = refusal(Stage(row.stage), despite_gate=asked.despite_gate)
        if against is not None:
            raise Problem(409, "model_refused", f"{version} cannot be promoted: {against}.", reasons=row.reasons)
        if asked.despite_gate and asked.reason is None:
            raise Problem(422, "reason_missing", "Say why it is promoted despite the gate.", field="reason")
        loadable(row)
        reasons = [asked.reason or "promoted by hand", *(["despite the gate"] if asked.despite_gate else [])]
        expected = champion.version if champion else None
        if not await store.put_in_force(version, Layer.REFIT, reasons, utcnow(), by=principal.id, expected=expected):
            raise Problem(409, "champion_changed", "Another model was promoted at the same moment: look again.")
        return await whole(version)

    @router.post("/models/{version}/refuse", summary="Refuse a model")
    async def refuse_model(
        principal: Annotated[Principal, Depends(auditing)], version: Version, body: ReasonRequest
    ) -> WholeModelAnswer:
        """Refuse a model: a candidate or shadow is not promoted; a champion makes room for the one before.

        Refused with 409 `no_earlier_champion` if it is the champion and there is none to go back to.
        """
        await known(version)
        champion = await store.champion()
        if champion is not None and champion.version == version:
            await back_to(None, f"{version} was refused: {body.reason}", principal.id)
        if not await store.put_away(version, Stage.REFUSED, body.reason, utcnow(), by=principal.id):
            raise Problem(409, "champion_changed", "It was promoted at the same moment: look again.")
        return await whole(version)

    @router.post("/models/{version}/retire", summary="Retire a model")
    async def retire_model(
        principal: Annotated[Principal, Depends(admin)], version: Version, body: ReasonRequest
    ) -> WholeModelAnswer:
        """Take a model out of what may be rolled back to by itself; refused with 409 `model_in_force`."""
        await known(version)
        if not await store.put_away(version, Stage.RETIRED, body.reason, utcnow(), by=principal.id):
            raise Problem(409, "model_in_force", "The champion cannot be retired: promote another one, or roll back.")
        return await whole(version)

    return router


def _model(row: Stored) -> ModelAnswer:
    return ModelAnswer.model_validate(row, from_attributes=True)
