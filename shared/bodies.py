"""Who may send a body, and how large a one: a key is checked before the first byte of it is read.

Invariant: whoever has no key takes no memory, and no body that the framework parses is larger than allowed.
"""

from typing import Any

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.auth import Admission
from shared.errors import Problem, Unavailable, body_too_large, unavailable


class Bodies:
    """Stands inside the routes' own middleware, because only a route that was found knows which key it wants."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on with a body that refuses to be read by the wrong people and past its limit."""
        body = _Body(scope, receive, self._limit) if scope["type"] == "http" else None
        await self._app(scope, body.receive if body else receive, send)


class _Body:
    """The body of one request. A route that reads it itself sets its own limit."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._size = 0
        self._open = False

    async def receive(self) -> Message:
        """Return the next piece. Raises Problem 401 and 403 before the first, 413 where the body is too large."""
        if not self._open:
            await self._admit(Request(self._scope))
            self._open = True
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._parsed and self._size > self._limit:
            raise body_too_large(self._limit)
        return message

    @property
    def _parsed(self) -> bool:
        route = self._scope.get("route")
        return isinstance(route, APIRoute) and route.body_field is not None

    async def _admit(self, request: Request) -> None:
        route = self._scope.get("route")
        for dependency in route.dependant.dependencies if isinstance(route, APIRoute) else ():
            if isinstance(dependency.call, Admission):
                try:
                    await dependency.call.check(request)
                except Unavailable:  # the framework would take any other error for a body it cannot parse
                    raise unavailable() from None
        if self._parsed and int(request.headers.get("Content-Length", 0)) > self._limit:
            raise body_too_large(self._limit)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the raw body of a route that parses it itself, or checks a signature over these very bytes first.

    Raises Problem 413 as soon as it is known to be larger than `limit` bytes.
    """
    if int(request.headers.get("Content-Length", 0)) > limit:
        raise body_too_large(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise body_too_large(limit)
    return bytes(body)


async def kept_body(request: Request) -> bytes:
    """Return the raw body of a route whose body the framework would parse, and may still: it is kept for it.

    `Bodies` limits it. Raises Problem 401, 403 and 413.
    """
    return await request.body()


def as_json(body: bytes) -> Any:
    """Return what the body says. Raises Problem 400 with the place where it stops being JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", f"Not valid JSON (line {error.lineno}, column {error.colno}).") from None
