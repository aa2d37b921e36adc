"""How much of the worst somebody reads in a row, and what they do not want to read today. Pure.

Only who reviews one post after the other is spared; lists show everything. Invariant: posts called High keep their
order among each other, and so do the others. What somebody decided last says from which of the two the next one comes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar

T = TypeVar("T")
IN_A_ROW = 3
"""Posts called High that come one after the other, if others wait, too."""
LATELY = timedelta(hours=1)
"""Verdicts older than this are no part of a row: somebody rested."""
SKIPPED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Part:
    """What of a queue is wanted: nothing flagged with a category of `skips`; with `under`, only lower overall scores.

    `least`: only overall scores from there on.
    """

    skips: tuple[str, ...] = ()
    under: float | None = None
    least: float | None = None


WHOLE = Part()


def row_of(newest_first: Iterable[bool]) -> int:
    """Return how many posts called High somebody decided last in a row; given is of each whether it was High."""
    return len(list(takewhile(bool, newest_first)))


def mixed(high: Sequence[T], others: Sequence[T], row: int, first: Callable[[T, T], bool]) -> list[T]:
    """Return both in the order in which they come: as `first` has it, but never more than three High in a row.

    `row` were decided in a row before. `first(one, other)`: whether a post called High comes before another one.
    """
    found: list[T] = []
    at = beside = 0
    while at < len(high) or beside < len(others):
        if at == len(high):
            rested = True
        elif beside == len(others):
            rested = False
        else:
            rested = row >= IN_A_ROW or not first(high[at], others[beside])
        if rested:
            found.append(others[beside])
            beside, row = beside + 1, 0
        else:
            found.append(high[at])
            at, row = at + 1, row + 1
    return found
