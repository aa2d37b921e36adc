"""What stands on the settings of a person, and which keys they may choose."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.reporter.console.members import Preferences
from shared.vocabulary import CATEGORIES

KEYS: Mapping[str, str] = {
    "correct": "1",
    "incorrect": "2",
    "unsure": "3",
    "boxes": "e",
    "undo": "z",
    "next": "j",
    "previous": "k",
    "alike": "d",
    "hand-over": "h",
    "note": "n",
    "original": "o",
    "start": "r",
    "select": "x",
    "range": "X",
    "filters": "f",
    "search": "/",
    "save": "s",
    "copy": "c",
    "pause": "p",
    "break": "b",
    "add-evidence": "a",
    "keys": "?",
}
"""What can have another key -> the key it has."""
RESERVED = frozenset("g")
"""`g` begins the way to a page."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person prefers now, and whether it was just saved; `faults`: what cannot have the key that was typed.

    `skipped`: categories left out, each until when.
    """

    preferences: Preferences
    languages: tuple[str, ...]
    saved: bool
    keys: Mapping[str, str]
    skipped: Mapping[str, datetime]
    faults: tuple[str, ...] = ()
    categories: tuple[str, ...] = CATEGORIES


def all_keys(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the key of everything that can have another."""
    return {name: chosen.get(name, key) for name, key in KEYS.items()}


def read_keys(typed: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the keys that are other than ours, and what was given none that can be pressed, or one twice.

    Nothing typed gives ours back; names that are none of ours are left out.
    """
    keys = {name: typed.get(name, "").strip() or key for name, key in KEYS.items()}
    times = Counter(keys.values())
    faults = tuple(
        name
        for name, key in keys.items()
        if len(key) != 1 or not key.isprintable() or key in RESERVED or times[key] > 1
    )
    return {name: key for name, key in keys.items() if key != KEYS[name]}, faults
