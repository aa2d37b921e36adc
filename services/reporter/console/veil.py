"""What of a post's text a page may hold before somebody asks for it. Pure.

Invariant: with `spans` no masked word and with `whole` no word at all is in what comes out. Without places from the
scorer, or with places that do not fit the text, the level is `whole`: a mask at the wrong place veils nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Veil(StrEnum):
    """How much of a flagged post is veiled."""

    SPANS = "spans"
    WHOLE = "whole"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a veiled text: words as they stand, or how many words are masked."""

    text: str = ""
    masked: int = 0


@dataclass(frozen=True, slots=True)
class Veiled:
    """A text as a page may hold it; `level` is what was done, `category` what the masks hide, if that may be said."""

    level: Veil
    parts: tuple[Part, ...]
    category: str | None = None
    words: int = 0

    @property
    def masks(self) -> int:
        """Return how many places are masked."""
        return sum(1 for each in self.parts if each.masked)


STRICTER = (Veil.OFF, Veil.SPANS, Veil.WHOLE)


def strictest(levels: Iterable[Veil]) -> Veil | None:
    """Return the level that veils most, None if there is none."""
    return max(levels, key=STRICTER.index, default=None)


def veil(text: str, marked: Mapping[str, Any] | None, level: Veil, *, blind: bool = False, opened: int = 0) -> Veiled:
    """Return a text veiled. `blind`: masks do not say which category they hide. `opened`: so many masks are lifted."""
    words = _words(text)
    if level is Veil.OFF:
        return Veiled(Veil.OFF, (Part(text),), words=words)
    places = _places(text, marked) if level is Veil.SPANS else []
    if not places or marked is None:
        return Veiled(Veil.WHOLE, (Part(masked=words),), words=words)
    parts, at = [], 0
    for nth, (begin, end) in enumerate(places):
        mask = Part(text[begin:end]) if nth < opened else Part(masked=max(1, _words(text[begin:end])))
        parts += [Part(text[at:begin]), mask]
        at = end
    parts = [part for part in [*parts, Part(text[at:])] if part.masked or part.text]
    return Veiled(Veil.SPANS, tuple(parts), None if blind else marked["category"], words)


def _places(text: str, marked: Mapping[str, Any] | None) -> list[tuple[int, int]]:
    """Return the places in order, joined where they touch; none if one is outside the text."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(_pairs(marked["places"] if marked else ())):
        if not 0 <= begin < end <= len(text):
            return []
        if found and begin <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _pairs(places: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    return [(int(place[0]), int(place[1])) for place in places]


def _words(text: str) -> int:
    return len(re.findall(r"\S+", text))
