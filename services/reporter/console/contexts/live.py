"""What stands on the stream of newest posts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from services.reporter.console.contexts.reviewing import level_of
from services.reporter.console.members import Preferences
from services.reporter.console.severity import Severity, severity
from services.reporter.console.veil import Veil, Veiled, veil
from services.reporter.readmodel import categories_of
from shared.vocabulary import CATEGORIES

KNOWN = ("min", "type", "category", "since", "post")
STEP_S, STEPS = 10, 60
"""Ten minutes in steps of ten seconds."""


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post in the stream: when it was scored, how bad, which categories, its text as far as the veil allows."""

    post_id: str
    at: datetime
    overall: float
    severity: Severity
    flagged: bool
    categories: tuple[str, ...]
    language: str | None
    text: Veiled


@dataclass(frozen=True, slots=True)
class Pace:
    """Posts scored a second over the last minute, how long the oldest waits to be shown, and ten minutes in steps.

    `steps`: height of each step, 0 to 100, the oldest first; `peak` is what 100 stands for, in posts a second.
    """

    per_s: float
    waiting_s: float
    steps: tuple[int, ...]
    peak: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the stream is narrowed to: lowest overall score, flagged only, a category that must be flagged."""

    least: float = 0.0
    flagged: bool = False
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """The newest posts and what they are filtered by; `ignored` names what was not understood.

    `there`: the post that was asked for is among those scored, shown or not.
    """

    posts: tuple[LivePost, ...]
    chosen: Chosen
    pace: Pace | None = None
    ignored: tuple[str, ...] = ()
    categories: tuple[str, ...] = CATEGORIES
    there: bool = False


def read_chosen(query: Mapping[str, str]) -> tuple[Chosen, tuple[str, ...]]:
    """Return what the address narrows the stream to, and the names in it that were not understood."""
    ignored = [name for name in query if name not in KNOWN]
    try:
        least = float(query.get("min") or 0)
    except ValueError:
        least = -1
    if not 0 <= least <= 1:
        least = 0.0
        ignored.append("min")
    kind, category = query.get("type", ""), query.get("category") or None
    if kind not in ("", "flagged"):
        ignored.append("type")
    if category is not None and category not in CATEGORIES:
        category = None
        ignored.append("category")
    return Chosen(least, kind == "flagged", category), tuple(ignored)


def pace(counts: Mapping[int, int], now: datetime, waiting_s: float) -> Pace:
    """Return how fast posts come, from the numbers of posts per step of STEP_S seconds (see `scored_lately`)."""
    last = int(now.timestamp()) // STEP_S - 1  # the last step that is over
    rates = [counts.get(step, 0) / STEP_S for step in range(last - STEPS + 1, last + 1)]
    peak = max(rates)
    heights = tuple(ceil(100 * rate / peak) if peak else 0 for rate in rates)
    minute = 60 // STEP_S
    return Pace(sum(rates[-minute:]) / minute, waiting_s, heights, peak)


def live_post(row: Any, preferences: Preferences, high: float) -> LivePost:
    """Return a row of the posts as it stands in the stream."""
    return LivePost(
        row.post_id,
        row.scored_at,
        row.overall,
        severity(row.overall, row.threshold, high),
        bool(row.flagged),
        tuple(categories_of(row.flagged_mask)),
        row.language,
        veil(row.text or "", row.marked, level_of(preferences, row) if row.flagged else Veil.OFF),
    )


def live(
    rows: Iterable[Any],
    preferences: Preferences,
    high: float,
    chosen: Chosen,
    pace: Pace | None = None,
    ignored: tuple[str, ...] = (),
) -> Live:
    """Return the page."""
    return Live(tuple(live_post(row, preferences, high) for row in rows), chosen, pace, ignored)
