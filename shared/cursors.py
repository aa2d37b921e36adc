"""Places in a list as opaque words: what `next` of a page says, and what the next request brings back.

Invariant: a cursor is checked before it is believed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

from shared.errors import Problem

LARGEST = 2**63 - 1
"""No database of ours counts further."""


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
    if not fits or not all(type(value) is kind and _is_sane(value) for value, kind in zip(place, kinds, strict=True)):
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor")
    return list(place)


def _is_sane(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" not in value
    return not isinstance(value, int) or abs(value) <= LARGEST
