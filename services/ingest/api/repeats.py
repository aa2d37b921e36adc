"""A request that comes again under the same Idempotency-Key gets the answer it got the first time.

Source: IETF draft-ietf-httpapi-idempotency-key-header. Invariant: an answer is kept after what it tells of is
durable; a crash in between repeats the request, and its events have the same ids.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

import structlog
from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from services.ingest.settings import IngestSettings
from services.ingest.store import Asked, Store
from shared.bodies import read_body
from shared.clock import utcnow
from shared.errors import PROBLEM_JSON, Problem, Unavailable, describe, problem_of, respond
from shared.ids import digest

log = structlog.get_logger("ombud.ingest")

HEADER, LONGEST = "Idempotency-Key", 256
PASSING = {429, 503}
"""Refusals that say nothing of the request itself; nor does any error of ours."""

Handle = Callable[[Request], Awaitable[Response]]


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(alias=HEADER, min_length=1, max_length=LONGEST, description="The same key and body count once."),
    ] = None,
) -> str | None:
    """Return the request's Idempotency-Key. A route that depends on this one takes it; see `repeatable`."""
    return key


def repeatable(store: Store, settings: IngestSettings) -> type[APIRoute]:
    """Return the class of routes that answer a repeated request from what is kept."""

    class Repeatable(APIRoute):
        """A route that, where it takes an Idempotency-Key, answers the same request once."""

        def get_route_handler(self) -> Any:
            """Return what handles a request of this route."""
            handle = super().get_route_handler()
            if not any(each.call is idempotency_key for each in self.dependant.dependencies):
                return handle

            async def once(request: Request) -> Response:
                key = request.headers.get(HEADER)
                if key is None or not 1 <= len(key) <= LONGEST:
                    return await handle(request)
                return await _once(key, request, handle, store, settings)

            return once

    return Repeatable


async def _once(key: str, request: Request, handle: Handle, store: Store, settings: IngestSettings) -> Response:
    body = await read_body(request, settings.max_body_bytes)  # the key was checked before, see shared.bodies
    fingerprint = digest(b"\n".join([request.method.encode(), request.url.path.encode(), body]))
    asked, now = Asked(request.state.principal.id, digest(key.encode()), fingerprint), utcnow()
    known = await store.begin_request(
        asked,
        now,
        expired=now - timedelta(seconds=settings.idempotency_keep_s),
        abandoned=now - timedelta(seconds=settings.idempotency_takeover_s),
    )
    if known is not None:
        return _again(known.fingerprint == fingerprint, known.status, known.body)
    try:
        answer = await handle(Request(request.scope, _given(body)))
    except (RequestValidationError, HTTPException) as refusal:
        answer = respond(problem_of(refusal, request))
    except Exception:
        with suppress(Unavailable):
            await store.forget_request(asked, now)
        raise
    try:
        if answer.status_code >= 500 or answer.status_code in PASSING:
            await store.forget_request(asked, now)
        else:
            await store.answer_request(asked, now, answer.status_code, bytes(answer.body))
    except Unavailable as error:  # what the answer tells of is durable, and a repetition changes nothing
        log.warning("answer not kept for its Idempotency-Key", error=describe(error))
    return answer


def _again(same: bool, status: int | None, body: bytes | None) -> Response:
    """Return the answer to a request whose key is known."""
    if not same:
        raise Problem(422, "idempotency_key_reused", "This key came with another request before.", field=HEADER)
    if status is None:
        raise Problem(
            409, "request_in_flight", "The same request is being answered.", field=HEADER, headers={"Retry-After": "1"}
        )
    kind = PROBLEM_JSON if status >= 400 else "application/json"
    return Response(body, status, {"Idempotency-Replayed": "true"}, kind)


def _given(body: bytes) -> Receive:
    """Return a body that was read already as the framework reads it."""
    pieces: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return pieces.pop() if pieces else {"type": "http.disconnect"}

    return receive
