"""OpenAI's `POST /v1/moderations`, for clients that only change their base URL. Nothing is stored.

Invariant: every refusal has the envelope that OpenAI's clients read, and repeats nothing of the text.
"""

import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from services.classifier.answering import Answering
from services.classifier.api.metering import Metered
from services.classifier.moderations import Refused, result, texts_of
from shared.auth import require
from shared.bodies import as_json, read_body
from shared.errors import Problem, Unavailable, unavailable
from shared.runtime import Platform
from shared.vocabulary import Scope

MOST_TEXTS = 2_000
CODES = {401: "invalid_api_key", 403: "missing_scope", 413: "request_too_large", 429: "rate_limit_exceeded"}
KINDS = {403: "permission_error", 429: "requests", 503: "server_error"}
ERROR: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "A refusal in OpenAI's envelope.",
        "content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}},
    }
    for status in (400, 401, 403, 413, 429, 503)
}
EXAMPLE = {"input": ["Nice goal!", "What a pass."]}


class ModerationResult(BaseModel):
    """What is said of one input, under OpenAI's thirteen names."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    unsupported_categories: list[str]


class Moderations(BaseModel):
    """The answer, as OpenAI gives it; `model` is our own version, whatever was asked for."""

    id: str
    model: str
    results: list[ModerationResult]


def _refusal(
    status: int, message: str, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    kind = KINDS.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "param": param or None, "code": code}
    return JSONResponse({"error": error}, status, headers=dict(headers or {}))


class OpenAIRoute(APIRoute):
    """A route whose every refusal has the shape that OpenAI's clients read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with our refusals translated."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except Refused as refused:
                return _refusal(400, refused.message, refused.code, refused.param)
            except Problem as problem:
                return _of(problem)
            except Unavailable:
                return _of(unavailable())

        return translated


def _of(problem: Problem) -> JSONResponse:
    code = CODES.get(problem.status, problem.reason)
    return _refusal(problem.status, problem.detail, code, problem.field, problem.headers)


def build_router(platform: Platform, answering: Answering, meter: Metered) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["moderations"], route_class=OpenAIRoute)
    may_score, metered = Depends(require(platform.keys, Scope.SCORE)), Depends(meter)

    @router.post(
        "/v1/moderations",
        summary="Score texts as OpenAI's moderations do",
        responses=ERROR,
        dependencies=[may_score, metered],
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"type": "object", "required": ["input"]}, "example": EXAMPLE}
                },
            }
        },
    )
    async def moderate(request: Request) -> Moderations:
        """Score a text, up to 2,000 texts, or one input of several text parts. Nothing is stored."""
        raw = as_json(await read_body(request, platform.settings.max_body_bytes))
        inputs = texts_of(raw, most=MOST_TEXTS, max_text_bytes=platform.settings.max_text_bytes)
        texts = [text for each in inputs for text in each]
        answer = await (answering.one(texts[0]) if len(texts) == 1 else answering.many(texts))
        scores = iter(score.scores for score in answer.scores)
        found = [result([next(scores) for _ in each], answer.thresholds) for each in inputs]
        return Moderations(
            id=f"modr-{secrets.token_hex(12)}",
            model=answer.version,
            results=[ModerationResult.model_validate(each) for each in found],
        )

    return router
