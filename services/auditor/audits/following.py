"""What another version of the system changed for an audit: what is still there, fixed, or changed, with numbers.

The person is taken as they are today on both sides, so only the system's own changes count.
Invariant: posts that left, or came since, are counted apart and never as fixed or new. Source: audits.md section 11.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Corpus
from services.auditor.audits.decisions import OVER, UNDER, ErrorType, Side, types_of
from services.auditor.audits.disagreement import Figure, Set, figures
from services.auditor.audits.sums import sums
from shared.chance import mcnemar

CHANCE = 0.05
"""p over which as many errors came as went, as far as can be told."""


@dataclass(frozen=True, eq=False)
class Before:
    """How the system decided when an audit was looked at last: `flagged` (n,) for `posts`, and the shares it showed.

    `shown` holds (under, over) by topic, None for all posts.
    """

    posts: tuple[str, ...]
    flagged: NDArray[np.bool_]
    version: str
    shown: Mapping[int | None, tuple[Figure, Figure]]


class Became(StrEnum):
    """What became of errors."""

    NONE = "none"
    STILL_THERE = "still_there"
    FIXED = "fixed"
    FEWER = "changed_fewer"
    MORE = "changed_more"


@dataclass(frozen=True)
class Change:
    """One direction of errors on all posts (`topic` None) or a topic, before and now, over posts that are in both.

    `errors` there were, of which so many are `still` there and so many `fixed`; `new` ones came. `p` is McNemar's of
    fixed against new. `before` and `after` are the expected shares, `shown` is what the audit said at the time.
    """

    topic: int | None
    direction: ErrorType
    became: Became
    errors: int
    still: int
    fixed: int
    new: int
    p: float
    before: Figure
    after: Figure
    shown: Figure | None


@dataclass(frozen=True)
class Followed:
    """All changes from `version` on; `gone` posts left since, `added` ones came."""

    version: str
    changes: tuple[Change, ...]
    gone: int
    added: int


def followed(before: Before, side: Side, corpus: Corpus) -> Followed:
    """Return what changed: all posts first, then each topic by id, under before over."""
    places = [corpus.places.get(post, -1) for post in before.posts]
    at = np.array(places, np.int64)
    rows, flagged = at[at >= 0], before.flagged[at >= 0]
    order = np.argsort(rows)
    rows, flagged = rows[order], flagged[order]
    changes = _changes(before, side, rows, flagged, corpus.topics[rows]) if len(rows) else ()
    return Followed(before.version, changes, len(before.posts) - len(rows), len(corpus) - len(rows))


def _changes(
    before: Before, side: Side, rows: NDArray[np.int64], flagged: NDArray[np.bool_], topics: NDArray[np.int32]
) -> tuple[Change, ...]:
    then, now = _as_flagged(side, rows, flagged), _as_flagged(side, rows, side.system_toxic[rows])
    by = np.argsort(topics, kind="stable")
    by = by[topics[by] >= 0]
    starts = np.flatnonzero(np.diff(topics[by], prepend=-1))
    groups = [(np.arange(len(rows)), np.array([0]), [None]), (by, starts, topics[by][starts].tolist())]
    made: list[Change] = []
    for order, begin, names in groups:
        if len(order):
            made += _compared(before, then, now, order, begin, names)
    return tuple(made)


def _compared(
    before: Before,
    then: Side,
    now: Side,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    names: "list[int | None] | list[int]",
) -> list[Change]:
    earlier, later = (figures(sums(each, order, starts), Set.TOPIC) for each in (then, now))
    columns = []
    for code in (UNDER, OVER):
        was, is_now = then.types[order] == code, now.types[order] == code
        parts = (was & is_now, was & ~is_now, ~was & is_now)
        still, fixed, new = (np.add.reduceat(part.astype(np.int64), starts) for part in parts)
        columns.append((still.tolist(), fixed.tolist(), new.tolist(), mcnemar(fixed, new).tolist()))
    made = []
    for at, name in enumerate(names):
        for direction, (still, fixed, new, p) in zip((ErrorType.UNDER, ErrorType.OVER), columns, strict=True):
            counts = (still[at], fixed[at], new[at], p[at])
            figure_then, figure_now = getattr(earlier[at], direction), getattr(later[at], direction)
            shown = before.shown.get(name)
            said = None if shown is None else shown[0 if direction is ErrorType.UNDER else 1]
            became = _became(*counts)
            errors = counts[0] + counts[1]
            made.append(Change(name, direction, became, errors, *counts, figure_then, figure_now, said))
    return made


def _became(still: int, fixed: int, new: int, p: float) -> Became:
    """Return a word: fixed only if none is left, changed only if chance does not explain it."""
    if still + new == 0:
        return Became.FIXED if fixed else Became.NONE
    if p > CHANCE:
        return Became.STILL_THERE
    return Became.FEWER if fixed > new else Became.MORE


def _as_flagged(side: Side, rows: NDArray[np.int64], flagged: NDArray[np.bool_]) -> Side:
    """Return the person's side of posts as if the system decided them in another way."""
    other = side.system_toxic[rows] != flagged
    apart = side.p_disagree[rows]
    return replace(
        side,
        user=side.user[rows],
        system=side.system[rows],
        labelled=side.labelled[rows],
        user_toxic=side.user_toxic[rows],
        system_toxic=flagged,
        types=types_of(side.user_toxic[rows], flagged),
        p_disagree=np.where(other, np.float32(1.0) - apart, apart),
        spread=side.spread[rows],
        noise=side.noise[rows],
    )
