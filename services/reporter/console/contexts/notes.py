"""Notes on a post, as somebody reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST = 2000
"""Code points of a note."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person left for colleagues. `mine`: the reader wrote it, and may change or remove it."""

    id: str
    by: str
    at: datetime
    edited_at: datetime | None
    text: str
    mine: bool


def notes(rows: Sequence[Any], names: Mapping[str, str], reader: str) -> tuple[Note, ...]:
    """Return notes in their order. `names`: of people by id; `reader`: the id of who reads them."""
    return tuple(
        Note(row.id, names.get(row.person_id, ""), row.at, row.edited_at, row.text, mine=row.person_id == reader)
        for row in rows
    )


def readable(typed: str) -> str:
    """Return a note as it is kept: lines as they were typed, nothing around them and no NUL."""
    return typed.replace("\x00", "").replace("\r\n", "\n").strip()
