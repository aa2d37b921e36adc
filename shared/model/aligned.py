"""The normalised text with the place in the raw text that each of its signs came from. Pure.

Invariant: the text is exactly what shared.model.text.normalise says; a property test compares them.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.model.text import COMPOSED, DISGUISED, ENTITY, RUN, SPACED, STEPS, UNICODE_STEPS, WHITE

Place = tuple[int, int]
"""Begin and end in the raw text, in code points."""

DISGUISES = re.compile(r"[013457@$]")
"""Without one of these no word is disguised."""
OTHER_WHITE = re.compile(r"\s{2,}|[^\S ]")
"""White space that is not one space already: most of what WHITE finds is."""

UNMOVED: list[Place] = [(at, at + 1) for at in range(2_048)]
"""The places of a text nothing has changed yet, for as many signs as nearly every post has."""

KEEPS_PLACES = (RUN, DISGUISED)
"""Steps whose result has a sign for each of the first signs they found."""


@dataclass(frozen=True)
class Aligned:
    """A normalised text; `places` has one place per sign of `text`."""

    text: str
    places: list[Place]


def align(raw: str) -> Aligned:
    """Return the normalised form of a raw text and where its signs came from."""
    now = Aligned(raw, [*UNMOVED[: len(raw)], *((at, at + 1) for at in range(len(UNMOVED), len(raw)))])
    if "&" in raw:
        now = _changed(now, ENTITY, html.unescape)
    if not now.text.isascii():
        for pattern, change in UNICODE_STEPS:
            now = _changed(now, pattern, change)
    now = _lower(now)
    for pattern, change in STEPS:
        if pattern is not DISGUISED or DISGUISES.search(now.text):
            now = _changed(now, OTHER_WHITE if pattern is WHITE else pattern, change)
    begin = len(now.text) - len(now.text.lstrip(" "))
    end = len(now.text.rstrip(" "))
    return Aligned(now.text[begin:end], now.places[begin:end])


def _changed(now: Aligned, pattern: re.Pattern[str], change: Callable[[str], str]) -> Aligned:
    found = [(match.span(), match.group(), change(match.group())) for match in pattern.finditer(now.text)]
    found = [each for each in found if each[1] != each[2]]  # most words change nothing
    if not found:
        return now
    text: list[str] = []
    places: list[Place] = []
    done = 0
    for (begin, end), old, new in found:
        text += now.text[done:begin], new
        places += now.places[done:begin]
        places += _places(now.places[begin:end], old, new, pattern)
        done = end
    text.append(now.text[done:])
    places += now.places[done:]
    return Aligned("".join(text), places)


def _places(old: list[Place], found: str, new: str, pattern: re.Pattern[str]) -> list[Place]:
    """Return the places of what replaced `found`: sign by sign where that is known, else all of it."""
    if pattern in KEEPS_PLACES:
        kept = old[: len(new)]
        if len(new) < len(found):  # a run: its second sign stands for all the others
            kept[-1] = (kept[-1][0], old[-1][1])
        return kept
    if pattern is SPACED:
        return old[::2]
    if pattern is COMPOSED and len(new) == len(found):
        return old
    whole = (old[0][0], old[-1][1])
    if pattern is COMPOSED:
        parts = [COMPOSED.sub(lambda match: _compose(match.group()), sign) for sign in found]
        if "".join(parts) == new:
            return [place for place, part in zip(old, parts, strict=True) for _ in part]
    return [whole] * len(new)


def _compose(found: str) -> str:
    return UNICODE_STEPS[0][1](found)


def _lower(now: Aligned) -> Aligned:
    if now.text.isascii():
        return Aligned(now.text.lower(), now.places)
    places = [place for sign, place in zip(now.text, now.places, strict=True) for _ in sign.lower()]
    return Aligned(now.text.lower(), places)
