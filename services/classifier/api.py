"""Scoring while you wait, and what the classifier has done."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.classifier.live_model import LiveModel
from services.classifier.scoring import scores_of
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from shared.auth import require
from shared.errors import Problem
from shared.runtime import Platform
from shared.vocabulary import Scope


class PredictIn(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid")

    inputs: Annotated[str, Field(min_length=1)]


class Prediction(BaseModel):
    """What /predict always answered (`received_text`, `prediction`), and the twelve scores."""

    received_text: str
    prediction: str = Field(description="`[1]` or `[0]`: is the category toxic at or over the threshold?")
    scores: dict[str, float]
    overall: float
    flagged: bool
    model: str
    data_hash: str | None


class AnalysisRun(BaseModel):
    """One row of analysis_runs: scoring of the live stream by one model version, or rescoring after a promotion."""

    id: str
    kind: str
    state: str
    model: str
    model_version: str
    started_at: datetime
    finished_at: datetime | None
    posts_total: int
    scored: int
    flagged: int
    cost_usd: float
    error: str | None


def build_router(platform: Platform, settings: ClassifierSettings, store: Store, live: LiveModel) -> APIRouter:
    """Return the classifier's routes."""
    router = APIRouter(tags=["scoring"])
    may_score = Depends(require(platform.keys, Scope.SCORE))
    may_read = Depends(require(platform.keys, Scope.READ))

    @router.post("/predict", summary="Score one text now", dependencies=[may_score])
    async def predict(wanted: PredictIn) -> Prediction:
        """Score a text with the live model; nothing is stored. 503 until a model was promoted."""
        limit = platform.settings.max_text_bytes
        if len(wanted.inputs.encode("utf-8", "surrogatepass")) > limit:
            raise Problem(413, "text_too_long", f"The text may have {limit} bytes.", field="inputs")
        if not wanted.inputs.strip():
            raise Problem(422, "text_empty", "The text must hold something besides white space.", field="inputs")
        loaded = live.get()
        (score,) = scores_of(await loaded.score([wanted.inputs]), settings.flag_threshold)
        toxic = score.scores.get("toxic", 0.0) >= settings.flag_threshold
        return Prediction(
            received_text=wanted.inputs,
            prediction=f"[{int(toxic)}]",
            scores=score.scores,
            overall=score.overall,
            flagged=score.flagged,
            model=loaded.version,
            data_hash=loaded.model.facts.get("data_hash"),
        )

    @router.get("/v1/analysis-runs", summary="List analysis runs", dependencies=[may_read])
    async def list_analysis_runs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[AnalysisRun]:
        """List what was scored by which model, newest first."""
        return [AnalysisRun.model_validate(dict(row._mapping)) for row in await store.list_runs(limit)]

    return router
