"""Scoring while you wait, in our own words: one text, a batch, the categories, and what the classifier has done."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.classifier.answering import Answering
from services.classifier.api.metering import Metered
from services.classifier.api.quick import QuickRoute
from services.classifier.categories import DESCRIPTIONS
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from shared.auth import require
from shared.errors import Problem, not_found
from shared.events import Provenance
from shared.ids import NO_NUL
from shared.runtime import Platform
from shared.vocabulary import CATEGORIES, Scope


class PredictIn(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid")

    inputs: Annotated[str, Field(min_length=1)]


class Prediction(BaseModel):
    """What /predict always answered (`received_text`, `prediction`), and the twelve scores."""

    received_text: str
    prediction: str = Field(description="`[1]` or `[0]`: is the category toxic at or over its threshold?")
    scores: dict[str, float]
    overall: float
    flagged: bool
    corrected: dict[str, Provenance] = Field({}, description="Categories whose value is a reviewer's word, and whose.")
    model: str
    data_hash: str | None


class PostToScore(BaseModel):
    """A text and what the caller calls it."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
    text: Annotated[str, Field(min_length=1)]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = Field(
        None, description="Taken and handed back; the local model reads every language alike."
    )
    platform: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)] | None = Field(
        None, description="With it, corrections of nearly the same text there count, too."
    )


class ScoreIn(BaseModel):
    """A batch of texts."""

    model_config = ConfigDict(extra="forbid")

    posts: Annotated[list[PostToScore], Field(min_length=1, max_length=2000)]


class PostScore(BaseModel):
    """The score of one text; a category that is not there is unknown."""

    id: str
    language: str | None
    scores: dict[str, float]
    overall: float
    flagged: bool
    corrected: dict[str, Provenance] = Field({}, description="Categories whose value is a reviewer's word, and whose.")
    residual: dict[str, float] = Field(
        {}, description="What the shared model says of the categories that the platform's corrections moved."
    )


class Scores(BaseModel):
    """The scores in the order of the posts, and what they were made and judged by."""

    model: str
    data_hash: str | None
    thresholds: dict[str, float]
    posts: list[PostScore]


class Category(BaseModel):
    """One of the twelve. `masked`: the live model knows nothing of it, so that it is absent from every score."""

    name: str
    description: str
    threshold: float | None
    masked: bool


class Categories(BaseModel):
    """All twelve, as the live model knows them."""

    model: str
    data_hash: str | None
    categories: list[Category]


class AnalysisRun(BaseModel):
    """One row of analysis_runs: live scoring by one model, rescoring after a promotion, or a run of the LLM."""

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
    who: str | None
    model_requested: str | None
    model_answered: str | None
    prompt_hash: str | None
    limit: int | None
    retried: int | None
    failed: int | None
    dead_lettered: int | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    price_in: float | None = Field(description="USD per million tokens.")
    price_out: float | None = Field(description="USD per million tokens.")
    batch_id: str | None


class Spending(BaseModel):
    """What calls to the LLM cost on one day (UTC), in USD."""

    day: date
    cost_usd: float


def check_text(text: str, limit: int, field: str) -> None:
    """Raise Problem 413 for a text of more than `limit` bytes of UTF-8 and 422 for one that says nothing."""
    if len(text.encode("utf-8", "surrogatepass")) > limit:
        raise Problem(413, "text_too_long", f"The text may have {limit} bytes.", field=field)
    if not text.strip():
        raise Problem(422, "text_empty", "The text must hold something besides white space.", field=field)


def build_router(
    platform: Platform, settings: ClassifierSettings, store: Store, answering: Answering, meter: Metered
) -> APIRouter:
    """Return the routes with our own shapes."""
    router = APIRouter(tags=["scoring"])
    may_score = Depends(require(platform.keys, Scope.SCORE))
    may_read = Depends(require(platform.keys, Scope.READ))
    may_count = Depends(require(platform.keys, Scope.FIGURES))
    limit, metered = platform.settings.max_text_bytes, Depends(meter)

    async def predict(wanted: PredictIn) -> Prediction:
        """Score a text with the live model; nothing is stored. 503 until a model was promoted."""
        check_text(wanted.inputs, limit, "inputs")
        answer = await answering.one(wanted.inputs)
        (score,) = answer.scores
        toxic = "toxic" in score.scores and score.scores["toxic"] >= answer.thresholds["toxic"]
        return Prediction(
            received_text=wanted.inputs,
            prediction=f"[{int(toxic)}]",
            scores=score.scores,
            overall=score.overall,
            flagged=score.flagged,
            corrected=dict(answer.corrected[0]),
            model=answer.version,
            data_hash=answer.data_hash,
        )

    router.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        summary="Score one text now",
        dependencies=[metered] if settings.open_predict else [may_score, metered],
        route_class_override=QuickRoute,
    )

    @router.post("/api/v1/score", summary="Score a batch of texts now", dependencies=[may_score, metered])
    async def score_batch(wanted: ScoreIn) -> Scores:
        """Score texts with the live model, all by one version; nothing is stored, and one bad text refuses them all."""
        if len(wanted.posts) > settings.posts_per_request:
            raise Problem(422, "too_long", f"Send at most {settings.posts_per_request} posts.", field="posts")
        for at, post in enumerate(wanted.posts):
            check_text(post.text, limit, f"posts.{at}.text")
        answer = await answering.many([post.text for post in wanted.posts], [post.platform for post in wanted.posts])
        return Scores(
            model=answer.version,
            data_hash=answer.data_hash,
            thresholds=dict(answer.thresholds),
            posts=[
                PostScore(
                    id=post.id,
                    language=post.language,
                    scores=score.scores,
                    overall=score.overall,
                    flagged=score.flagged,
                    corrected=dict(corrected),
                    residual=dict(residual),
                )
                for post, score, corrected, residual in zip(
                    wanted.posts, answer.scores, answer.corrected, answer.residuals, strict=True
                )
            ],
        )

    @router.get("/v1/categories", summary="List the categories", dependencies=[may_read])
    async def list_categories() -> Categories:
        """List what is scored, from where on it flags, and what the live model knows nothing of."""
        loaded = answering.loaded()
        thresholds = answering.thresholds(loaded)
        return Categories(
            model=loaded.version,
            data_hash=loaded.model.facts.get("data_hash"),
            categories=[
                Category(
                    name=name,
                    description=DESCRIPTIONS[name],
                    threshold=thresholds.get(name),
                    masked=name not in loaded.model.categories,
                )
                for name in CATEGORIES
            ],
        )

    @router.get("/v1/analysis-runs", summary="List analysis runs", dependencies=[may_count])
    async def list_analysis_runs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[AnalysisRun]:
        """List what was scored by which model, newest first."""
        return [AnalysisRun.model_validate(dict(row._mapping)) for row in await store.list_runs(limit)]

    @router.get("/v1/analysis-runs/{run_id}", summary="One analysis run", dependencies=[may_count])
    async def read_analysis_run(
        run_id: Annotated[str, Path(max_length=64, pattern=NO_NUL, description="Id of the run.")],
    ) -> AnalysisRun:
        """Answer with what one run scored, how it stands, and what it cost."""
        row = await store.run(run_id)
        if row is None:
            raise not_found("analysis run")
        return AnalysisRun.model_validate(dict(row._mapping))

    @router.get("/v1/spending", summary="What the LLM cost, by day", dependencies=[may_count])
    async def read_spending(
        first: Annotated[date, Query(description="First day (UTC).")],
        last: Annotated[date, Query(description="Last day (UTC), at most a year later.")],
    ) -> list[Spending]:
        """List the days on which something was paid, the oldest first; what is still set aside is not counted."""
        if not 0 <= (last - first).days <= 366:
            raise Problem(422, "bad_period", "The last day has to lie 0 to 366 days after the first.", field="last")
        return [Spending(day=row.day, cost_usd=row.spent_nano / 1e9) for row in await store.spent(first, last)]

    return router
