"""Reads a request's body with a limit. A signature is checked over these very bytes, before anything parses them."""

from typing import Any

import orjson
from fastapi import Request

from shared.errors import Problem, body_too_large


async def read_body(request: Request, limit: int) -> bytes:
    """Return the raw body. Raises Problem 413 as soon as it is known to be larger than `limit` bytes."""
    if int(request.headers.get("Content-Length", 0)) > limit:
        raise body_too_large(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise body_too_large(limit)
    return bytes(body)


def as_json(body: bytes) -> Any:
    """Return what the body says. Raises Problem 400 with the place where it stops being JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", f"Not valid JSON (line {error.lineno}, column {error.colno}).") from None
