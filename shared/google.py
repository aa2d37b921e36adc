"""Doors as Google's clients know them: where the key stands, and the envelope of every refusal.

Invariant: the key in the query reaches no log, span, event or answer.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from shared.auth import Principal, Requirement
from shared.errors import Problem, Unavailable
from shared.perspective import Refusal

STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT"}
STATUSES |= {422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
ERROR: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "A refusal in Google's envelope.",
        "content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}},
    }
    for status in (400, 403, 429, 503)
}


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


def _invalid(kind: str, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.commentanalyzer.v1alpha1.Error",
        "errorType": kind,
        **(facts or {}),
    }


class GoogleRoute(APIRoute):
    """A route whose every refusal has the shape that Google's clients read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with our refusals translated."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except Refusal as refusal:
                return google_error(400, refusal.message, _invalid(refusal.kind, refusal.facts))
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
