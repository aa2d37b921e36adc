"""Errors people and programs can act on: problem+json (RFC 9457) at the door, `Unavailable` inside.

Invariant: nothing in an error repeats what the caller sent, because that may be a post's text or a secret.
"""

import traceback
from pathlib import PurePath
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

log = structlog.get_logger("ombud.http")

PROBLEM_JSON = "application/problem+json"
REFUSAL: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A refusal with a reason.",
        "content": {
            PROBLEM_JSON: {
                "schema": {
                    "title": "Problem",
                    "type": "object",
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "reason": {"type": "string", "description": "A stable word for programs."},
                        "detail": {"type": "string", "description": "A sentence for people."},
                        "field": {"type": "string", "description": "Path of the part of the request it is about."},
                    },
                    "required": ["type", "title", "status", "reason", "detail"],
                }
            }
        },
    }
}
"""What every route may answer besides, as the API's documentation shows it."""


class Unavailable(Exception):
    """Something we depend on is down: nobody's fault, so wait and try again without counting an attempt."""


class Problem(HTTPException):
    """A refusal with a reason.

    `reason` is a stable word for programs (`text_too_long`), `detail` a sentence for people, `field` the
    part of the request it is about, written as a path (`posts.3.text`). The framework lets an HTTPException pass
    where it would turn any other error into its own, such as one while a body is read.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.status = status
        self.reason = reason
        self.field = field
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """Return the problem+json document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.reason.replace("_", " "),
            "status": self.status,
            "reason": self.reason,
            "detail": self.detail,
        }
        if self.field is not None:
            document["field"] = self.field
        return document | self.extra


def unavailable() -> Problem:
    """Return the refusal for what cannot be done while a part is down."""
    return Problem(503, "unavailable", "A part this depends on is down.", headers={"Retry-After": "2"})


def body_too_large(limit: int) -> Problem:
    """Return the refusal for a body of more than `limit` bytes."""
    return Problem(413, "body_too_large", f"The body may have {limit} bytes.")


def not_found(what: str) -> Problem:
    """Return the refusal for a `what` that is not there."""
    return Problem(404, "not_found", f"There is no such {what}.")


def faults(error: ValidationError | RequestValidationError) -> list[dict[str, str]]:
    """Return each fault as field, reason and detail, without the offending input."""
    rows = []
    for fault in error.errors():
        where = [str(part) for part in fault["loc"] if part not in ("body", "header", "path", "query")]
        where = [part for part in where if "[" not in part]  # which of several types it is not, as `list[str]`
        detail = str(fault["msg"]).removeprefix("Value error, ")
        rows.append({"field": ".".join(where), "reason": str(fault["type"]), "detail": detail})
    return rows


def describe(error: BaseException) -> str:
    """Return an error's class and where it was raised; never its message, which may quote a post."""
    if isinstance(error, ValidationError):
        first = faults(error)[0]
        return f"ValidationError: {first['field'] or 'event'}: {first['reason']}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def problem_of(error: RequestValidationError | HTTPException, request: Request) -> Problem:
    """Return a refusal, ours or the framework's, as the problem it is."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        known = {404: "not_found", 405: "method_not_allowed"}
        if "json" in request.headers.get("Content-Type", ""):
            known[400] = "malformed_json"  # not UTF-8, or nested too deeply
        reason = known.get(error.status_code, "refused")
        return Problem(error.status_code, reason, str(error.detail), headers=dict(error.headers or {}))
    rows = faults(error)
    if rows[0]["reason"] == "json_invalid":
        return Problem(400, "malformed_json", "The body is not valid JSON.", errors=[])
    return Problem(422, rows[0]["reason"], rows[0]["detail"], field=rows[0]["field"], errors=rows)


def respond(problem: Problem) -> JSONResponse:
    """Return the HTTP answer of a problem."""
    return JSONResponse(
        jsonable_encoder(problem.body()),
        status_code=problem.status,
        headers=dict(problem.headers or {}),
        media_type=PROBLEM_JSON,
    )


def install(app: FastAPI) -> None:
    """Make every refusal of `app`, ours or the framework's, a problem+json."""

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(HTTPException)
    async def on_refusal(request: Request, error: RequestValidationError | HTTPException) -> JSONResponse:
        return respond(problem_of(error, request))

    @app.exception_handler(Unavailable)
    async def on_unavailable(request: Request, error: Unavailable) -> JSONResponse:
        return respond(unavailable())

    @app.exception_handler(Exception)
    async def on_error(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", error=describe(error), route=request.scope.get("path"))
        return respond(Problem(500, "internal_error", "This is our fault; it has been logged."))
