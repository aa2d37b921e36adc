"""Perspective's `comments:suggestscore`, and the discovery document from which Google's clients learn about it.

Invariant: the key in the query reaches no log, span, event or answer.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from services.ingest import discovery
from services.ingest.api.bodies import as_json, read_body
from services.ingest.coral import traces
from services.ingest.door import Door, Trail, spoken
from services.ingest.keeping import Keeping
from services.ingest.language import detect
from services.ingest.perspective import Refusal, Suggestion, corrected, suggestion, tenant_of
from shared.auth import Principal, Requirement
from shared.clock import utcnow
from shared.errors import Problem, Unavailable, not_found
from shared.ids import digest, stable_id
from shared.runtime import Platform
from shared.vocabulary import Scope

WORDS_KEPT_S = 90 * 86_400
"""How long a suggestion is known as a repetition."""
STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT"}
STATUSES |= {422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
ERROR: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "A refusal in Google's envelope.",
        "content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}},
    }
    for status in (400, 403, 429, 503)
}


class SuggestionHeard(BaseModel):
    """The answer, as Perspective gives it."""

    detectedLanguages: list[str]  # noqa: N815 - Google's names
    requestedLanguages: list[str]  # noqa: N815
    clientToken: str | None = None  # noqa: N815


def google_error(
    status: int, message: str, *details: dict[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a refusal in Google's envelope."""
    code = 400 if STATUSES.get(status) == "INVALID_ARGUMENT" else status
    error: dict[str, Any] = {"code": code, "message": message, "status": STATUSES.get(status, "UNKNOWN")}
    if details:
        error["details"] = list(details)
    return JSONResponse({"error": error}, code, headers=headers)


def _info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "ombud"}


def _invalid(kind: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.commentanalyzer.v1alpha1.Error", "errorType": kind}


class GoogleRoute(APIRoute):
    """A route whose every refusal has the shape that Google's clients read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with our refusals translated."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except Refusal as refusal:
                return google_error(400, refusal.message, _invalid(refusal.kind))
            except Problem as problem:
                return _translated(problem)
            except Unavailable:
                return google_error(503, "The service is currently unavailable.", headers={"Retry-After": "2"})
            except RequestValidationError:
                return google_error(400, "Invalid request.", _invalid("INVALID_REQUEST"))

        return translated


def _translated(problem: Problem) -> JSONResponse:
    if problem.reason == "unknown_key":
        return google_error(400, "API key not valid. Please pass a valid API key.", _info("API_KEY_INVALID"))
    if problem.status == 401:
        return google_error(403, "Method doesn't allow unregistered callers. Please use an API key.")
    details = {429: _info("RATE_LIMIT_EXCEEDED"), 403: _info("MISSING_SCOPE")}.get(problem.status)
    bad = details or (_invalid("INVALID_REQUEST") if STATUSES.get(problem.status) == "INVALID_ARGUMENT" else None)
    return google_error(problem.status, problem.detail, *([bad] if bad else []), headers=problem.headers)


class KeyInQuery(Requirement):
    """Lets a request pass with a key as Google's clients send it: `key=` in the query, or a header."""

    async def __call__(  # type: ignore[override]  # the framework reads these parameters
        self,
        request: Request,
        key: Annotated[str | None, Query(description="An Ombud API key.")] = None,
        header: Annotated[str | None, Header(alias="X-Goog-Api-Key")] = None,
    ) -> Principal:
        """Return who asks. Raises Problem 401 and 403."""
        return await self.admit(request, key or header)

    async def check(self, request: Request) -> Principal:
        """Do the same before the framework does it."""
        return await self(request, request.query_params.get("key"), request.headers.get("X-Goog-Api-Key"))


def build_router(platform: Platform, door: Door, keeping: Keeping) -> APIRouter:
    """Return the routes of Perspective that ingest answers."""
    router = APIRouter(tags=["perspective"], route_class=GoogleRoute)
    may_review = KeyInQuery(platform.keys, Scope.REVIEW)

    @router.get(discovery.PATH, summary="Discovery document for Google's clients", responses={404: ERROR[400]})
    async def discover(request: Request, version: str = discovery.VERSION) -> dict[str, Any]:
        """Say which methods there are and where, in Google's discovery format; its address is our own."""
        if version != discovery.VERSION:
            raise not_found("version")
        return discovery.document(platform.settings.public_url or str(request.base_url))

    @router.post(
        f"/{discovery.VERSION}/comments:suggestscore",
        summary="Say what the score of a comment should be",
        response_model_exclude_none=True,
        responses=ERROR,
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    )
    async def suggest_score(request: Request, principal: Principal = Depends(may_review)) -> SuggestionHeard:
        """Take a suggestion for a correction: 0 says a category is absent, 1 that it is there (weak), the rest nothing.

        The same word about the same comment (communityId, clientToken) counts once until another one follows it.
        """
        raw = as_json(await read_body(request, platform.settings.max_body_bytes))
        said = suggestion(raw, platform.settings.max_text_bytes)
        detected = detect(said.text)
        await hear(said, detected, principal, Trail.of(request))
        return SuggestionHeard(
            detectedLanguages=[detected] if detected else [],
            requestedLanguages=list(said.languages),
            clientToken=said.token,
        )

    async def hear(said: Suggestion, detected: str | None, principal: Principal, trail: Trail) -> None:
        # 1. the last word about this comment: one that says the same again is a repetition
        about = f"{said.community}|{said.token or digest(said.text.encode())}"
        (last,) = await door.recall("suggestions", [about])
        number, _, word = (last or "0|").partition("|")
        if word == said.word:
            return
        # 2. its post, if it came by the moderation phase
        tenant = tenant_of(said.community)
        post_id = await keeping.post_of(traces(tenant, said.parent, said.text)) if tenant else None
        # 3. say it, then remember it: a crash in between says the same id again
        count = int(number) + 1
        correction_id = stable_id("suggestion", about, count, said.word)
        data = corrected(
            said,
            correction_id=correction_id,
            post_id=post_id,
            language=detected or (said.languages[0].lower() if said.languages else None),  # Coral calls Dutch en
            reviewer=principal.id,
            now=utcnow(),
        )
        await door.admit([spoken(data, correction_id, trail)])
        await door.note("suggestions", {about: f"{count}|{said.word}"}, WORDS_KEPT_S)

    return router
