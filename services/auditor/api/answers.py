"""How audits answer: the same question over the same data gives the same bytes, under the same ETag.

Invariant: a cursor is checked before it is believed, and an answer's tag follows from its bytes alone.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from shared.errors import Problem
from shared.ids import digest

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing changed since the answer of this ETag."}}


def tagged(request: Request, answer: BaseModel) -> Response:
    """Return an answer with its ETag, or 304 to whoever has it already. It is nobody else's to keep."""
    data = answer.model_dump_json().encode()
    headers = {"ETag": f'"{digest(data)[:32]}"', "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="application/json", headers=headers)


def cursor_of(*place: object) -> str:
    """Return a place in a list as an opaque word."""
    return urlsafe_b64encode(orjson.dumps(place)).decode()


def place_of(cursor: str | None, *kinds: type) -> list[Any] | None:
    """Return the place a cursor names, one value of each of `kinds`. Raises Problem 422 for one that is not ours."""
    if cursor is None:
        return None
    try:
        place = orjson.loads(urlsafe_b64decode(cursor.encode()))
    except ValueError:
        place = None
    fits = isinstance(place, list) and len(place) == len(kinds)
    if not fits or any(type(value) is not kind for value, kind in zip(place, kinds, strict=True)):
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor")
    if any(isinstance(value, str) and "\x00" in value for value in place):
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor")
    return list(place)
