"""HTTP: the receipt of a correction: which models learned it, which holds it now, and what that did to its score."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from services.trainer.lifecycle import Stage
from services.trainer.receipts import LearnedLayer, Taught, receipt
from services.trainer.store import Store
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.vocabulary import FeedbackType, Scope, Standing, Verdict

Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]


class EffectAnswer(BaseModel):
    """What a model made of a corrected text: probability by category spoken about, before it learned and after."""

    version: str
    layer: str
    stage: Stage
    before: dict[str, float]
    after: dict[str, float]
    learned_at: datetime


class CorrectionAnswer(BaseModel):
    """A correction and what became of it.

    `layer` is how it is in force: by an override alone, by a replay, or by a refit; none once it was taken back.
    `learned_by` learned it first, `held_by` is the champion if that one holds it; `first_run_id` is the first refit
    that saw it. `score` is what the newest model that learned it changed.
    """

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
    layer: LearnedLayer | None
    held_by: str | None
    score: EffectAnswer | None
    learned: list[EffectAnswer]


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the route of receipts."""
    router = APIRouter(prefix="/v1", tags=["trainer"], dependencies=[Depends(require(keys, Scope.READ))])

    @router.get("/corrections/{correction_id}", summary="What became of a correction")
    async def get_correction(correction_id: Id) -> CorrectionAnswer:
        """Return a correction, whether it was taken back, which models learned it, and its scores before and after."""
        row = await store.correction(correction_id)
        if row is None:
            raise not_found("correction")
        model = await store.model(row.learned_by) if row.learned_by else None
        rows = await store.receipts(correction_id)
        silent = row.retracted or row.retracts is not None or row.verdict == Verdict.UNSURE.value
        found = receipt([Taught(each.version, each.layer) for each in rows], await store.lineage(), silent=silent)
        learned = [EffectAnswer.model_validate(each, from_attributes=True) for each in rows]
        shown = [each for each in learned if each.version == found.learned_in] or learned
        return CorrectionAnswer.model_validate(
            {
                **row._mapping,
                "learned_by_promoted": None if model is None else model.promoted,
                "layer": found.layer,
                "held_by": found.held_by,
                "score": shown[-1] if shown else None,
                "learned": learned,
            }
        )

    return router
