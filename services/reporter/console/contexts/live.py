"""What stands on the stream of newest posts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.severity import Severity, severity
from services.reporter.console.veil import Veil, Veiled, veil
from services.reporter.readmodel import categories_of


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
class Live:
    """The newest posts and what they are filtered by; `ignored` names what was not understood."""

    posts: tuple[LivePost, ...]
    least: float
    flagged: bool
    ignored: tuple[str, ...] = ()


def live_post(row: Any, level: Veil, high: float) -> LivePost:
    """Return a row of the posts as it stands in the stream."""
    return LivePost(
        row.post_id,
        row.scored_at,
        row.overall,
        severity(row.overall, row.threshold, high),
        bool(row.flagged),
        tuple(categories_of(row.flagged_mask)),
        row.language,
        veil(row.text or "", row.marked, level if row.flagged else Veil.OFF),
    )


def live(rows: Iterable[Any], level: Veil, high: float, least: float, flagged: bool, ignored: tuple[str, ...]) -> Live:
    """Return the page."""
    return Live(tuple(live_post(row, level, high) for row in rows), least, flagged, ignored)
