"""Trying a text out: its scores, where in it they come from, and which n-grams weigh. Nothing is stored."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.classifier.answering import Answer, Answering
from services.classifier.api.metering import Metered
from services.classifier.api.scoring import check_text
from services.classifier.spans import carriers, utf16
from shared.auth import require
from shared.events import Provenance
from shared.language import detect
from shared.runtime import Platform
from shared.vocabulary import CATEGORIES, Scope

NGRAMS = 10
"""Heaviest n-grams shown of a category."""


class TryIn(BaseModel):
    """A text, and of which categories to say what carried the score; none: of those that flag it, else the highest."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1)]
    explain: Annotated[list[Literal[CATEGORIES]], Field(max_length=len(CATEGORIES))] = []  # type: ignore[valid-type]


class Span(BaseModel):
    """A place in the text, end exclusive: in code points as Python counts, and in UTF-16 units as JavaScript does."""

    begin: int
    end: int
    utf16_begin: int
    utf16_end: int


class Word(Span):
    """A word and how much it adds to the logit of the score."""

    weight: float


class Ngram(BaseModel):
    """A piece of the text as the model sees it."""

    token: str
    weight: float


class Carried(BaseModel):
    """What carried the score of one category; empty where the live model cannot tell."""

    spans: list[Span]
    words: list[Word]
    ngrams: list[Ngram]


class Tried(BaseModel):
    """Scores of a text and what carried them."""

    scores: dict[str, float]
    overall: float
    flagged: bool
    flagged_categories: list[str]
    thresholds: dict[str, float]
    corrected: dict[str, Provenance] = Field({}, description="Categories whose value is a reviewer's word, and whose.")
    language: str | None = Field(description="As detected; null when the text cannot tell.")
    model: str
    data_hash: str | None
    explanations: dict[str, Carried]


async def _carried(text: str, answer: Answer, categories: list[str]) -> dict[str, Carried]:
    place = utf16(text)

    def where(begin: int, end: int) -> dict[str, int]:
        return {"begin": begin, "end": end, "utf16_begin": place(begin), "utf16_end": place(end)}

    found = await answer.explain(text, categories)
    return {
        category: Carried(
            spans=[Span(**where(begin, end)) for begin, end in carriers(found[category].words)],
            words=[Word(**where(begin, end), weight=weight) for begin, end, weight in found[category].words],
            ngrams=[Ngram(token=token, weight=weight) for token, weight in found[category].ngrams(NGRAMS)],
        )
        if category in found
        else Carried(spans=[], words=[], ngrams=[])
        for category in categories
    }


def build_router(platform: Platform, answering: Answering, meter: Metered) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["scoring"])
    may_score, metered = Depends(require(platform.keys, Scope.SCORE)), Depends(meter)

    @router.post("/try", summary="Score a text and say what carried it", dependencies=[may_score, metered])
    async def try_text(wanted: TryIn) -> Tried:
        """Score a text, say what carried the score, store nothing."""
        text = wanted.text
        check_text(text, platform.settings.max_text_bytes, "text")
        answer = await answering.one(text)
        (score,) = answer.scores
        over = [name for name, value in score.scores.items() if value >= answer.thresholds[name]]
        highest = sorted(score.scores, key=lambda name: -score.scores[name])[:1]
        return Tried(
            scores=score.scores,
            overall=score.overall,
            flagged=score.flagged,
            flagged_categories=over,
            thresholds=dict(answer.thresholds),
            corrected=dict(answer.corrected[0]),
            language=detect(text),
            model=answer.version,
            data_hash=answer.data_hash,
            explanations=await _carried(text, answer, wanted.explain or over or highest),
        )

    return router
