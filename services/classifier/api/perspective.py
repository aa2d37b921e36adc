"""Perspective's `comments:analyze`, and the discovery document from which Google's clients learn what there is.

Invariant: a text that is analyzed is stored nowhere, whatever `doNotStore` says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from services.classifier import discovery, profanity
from services.classifier.answering import Answer, Answering
from services.classifier.api.metering import Metered
from services.classifier.perspective import PROFANITY, AnalyzeIn, Attribute, attribute_scores, attributes, languages
from services.classifier.settings import ClassifierSettings
from services.classifier.spans import Span, carriers, sentences, utf16
from shared.bodies import as_json, read_body
from shared.errors import not_found
from shared.google import ERROR, GoogleRoute, KeyInQuery
from shared.language import detect
from shared.perspective import VERSION, read
from shared.runtime import Platform
from shared.vocabulary import Scope

EXAMPLE = {"comment": {"text": "Nice goal!"}, "requestedAttributes": {"TOXICITY": {}}, "languages": ["en"]}


class AttributeScore(BaseModel):
    """A probability."""

    value: float
    type: str


class SpanScore(BaseModel):
    """The score of a part of the text; its place in UTF-16 code units, end exclusive."""

    begin: int
    end: int
    score: AttributeScore


class AttributeScores(BaseModel):
    """The score of the whole text and of its parts."""

    spanScores: list[SpanScore]  # noqa: N815 - Google's names
    summaryScore: AttributeScore  # noqa: N815


class Analyzed(BaseModel):
    """The answer, as Perspective gives it."""

    attributeScores: dict[str, AttributeScores]  # noqa: N815
    languages: list[str]
    detectedLanguages: list[str]  # noqa: N815
    clientToken: str | None = None  # noqa: N815


async def _places(text: str, wanted: Sequence[Attribute], answer: Answer) -> dict[str, list[Span]]:
    """Return attribute key -> sentences, then the words that carried the score of its highest category."""
    scores, whole = answer.scores[0].scores, sentences(text)
    highest = {
        each.key: max((part for part in each.parts if part in scores), key=scores.__getitem__, default="")
        for each in wanted
    }
    explained = await answer.explain(text, [name for name in highest.values() if name])
    found = {}
    for each in wanted:
        because = explained.get(highest[each.key])
        words = [span for span, _ in profanity.hits(text)] if each.name == PROFANITY else []
        found[each.key] = [*whole, *(carriers(because.words) if because else words)]
    return found


def build_router(platform: Platform, settings: ClassifierSettings, answering: Answering, meter: Metered) -> APIRouter:
    """Return the routes of Perspective that the classifier answers."""
    router = APIRouter(tags=["perspective"], route_class=GoogleRoute)
    may_score, metered = Depends(KeyInQuery(platform.keys, Scope.SCORE)), Depends(meter)
    supported = frozenset(settings.perspective_languages.split(","))

    @router.get(discovery.PATH, summary="Discovery document for Google's clients", responses={404: ERROR[400]})
    async def discover(request: Request, version: str = VERSION) -> dict[str, Any]:
        """Say which methods there are and where, in Google's discovery format; its address is our own."""
        if version != VERSION:
            raise not_found("version")
        return discovery.document(platform.settings.public_url or str(request.base_url))

    @router.post(
        f"/{VERSION}/comments:analyze",
        summary="Score a comment as Perspective did",
        response_model_exclude_none=True,
        responses=ERROR,
        dependencies=[may_score, metered],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}},
            }
        },
    )
    async def analyze(request: Request) -> Analyzed:
        """Score a comment under Perspective's names; what has no meaning here is refused. Nothing is stored."""
        raw = as_json(await read_body(request, platform.settings.max_body_bytes))
        asked = read(AnalyzeIn, raw, platform.settings.max_text_bytes)
        loaded, text = answering.loaded(), asked.comment.text
        wanted = attributes(
            asked,
            known=loaded.model.categories,
            version=loaded.version,
            omit=settings.perspective_unsupported == "omit",
        )
        detected = detect(text)
        used = languages(asked, wanted, detected, supported=supported, assumed=settings.perspective_assumes)
        answer = await answering.one(text)
        spans = await _scored_parts(text, wanted, answer) if asked.spanAnnotations else {}
        scores = attribute_scores(text, wanted, answer.scores[0].scores, spans, utf16(text))
        return Analyzed(
            attributeScores={key: AttributeScores.model_validate(each) for key, each in scores.items()},
            languages=used,
            detectedLanguages=[detected] if detected else [],
            clientToken=asked.clientToken,
        )

    async def _scored_parts(
        text: str, wanted: Sequence[Attribute], answer: Answer
    ) -> dict[str, list[tuple[Span, Mapping[str, float]]]]:
        places = await _places(text, wanted, answer)
        parts = sorted({span for found in places.values() for span in found})
        scores = (await answering.many([text[slice(*span)] for span in parts])).scores if parts else ()
        by_place = {span: score.scores for span, score in zip(parts, scores, strict=True)}
        return {key: [(span, by_place[span]) for span in found] for key, found in places.items()}

    return router
