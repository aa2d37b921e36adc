"""What stands on the page of one post: the post, why it was flagged, the queue beside it, what was said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.contexts.notes import Note
from services.reporter.console.contexts.original import Original
from services.reporter.console.contexts.reviewing import Card, Colleague, Handed, Held, Last
from services.reporter.console.contexts.skipping import Skips
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES


@dataclass(frozen=True, slots=True)
class Bar:
    """A category's score against its threshold, both 0 to 100 long; `over`: it flags."""

    category: str
    score: float
    length: float
    threshold: float
    over: bool


@dataclass(frozen=True, slots=True)
class InQueue:
    """A post of the queue: where it opens, whether it is open; its score, unless it is decided blind."""

    id: str
    overall: float | None
    here: bool
    held: Held | None
    link: str
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Word:
    """Something a person said of the post. `mine`: the reader said it and may take it back."""

    id: str
    verdict: str
    by: str
    at: datetime
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    retracted_at: datetime | None
    retracted_by: str | None
    mine: bool


@dataclass(frozen=True, slots=True)
class Recent:
    """One of the reader's last verdicts."""

    id: str
    post_id: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Boxes:
    """One of the twelve boxes of expected categories, ticked as the scorer flagged."""

    category: str
    ticked: bool


@dataclass(frozen=True, slots=True)
class PostPage:
    """A post in its queue. `deleted_at`: there is no text any more. `conflict`: somebody spoke meanwhile.

    `reviews`: the reader may decide. `catch_up`: where the same page is once our tables heard of the last verdict.
    """

    card: Card
    query: str
    revealed: bool
    opened: int
    bars: tuple[Bar, ...]
    boxes: tuple[Boxes, ...]
    queue: tuple[InQueue, ...]
    handed: tuple[Handed, ...]
    colleagues: tuple[Colleague, ...]
    done: int
    total: int
    waiting: int
    next: str | None
    previous: str | None
    words: tuple[Word, ...]
    notes: tuple[Note, ...]
    original: Original | None
    recent: tuple[Recent, ...]
    account_posts: int
    account_flagged: int
    alike: tuple[Card, ...]
    reveals_today: int
    deleted_at: datetime | None
    model: str | None
    last: Last
    reviews: bool
    skips: Skips
    catch_up: str
    conflict: str = ""
    failed: str = ""


def bars(own: Mapping[str, float] | None, thresholds: Mapping[str, float] | None) -> tuple[Bar, ...]:
    """Return the scores against their thresholds, the highest first."""
    rows = []
    for name in CATEGORIES:
        value = (own or {}).get(name)
        if value is not None:
            limit = threshold_of(name, thresholds or {})
            rows.append(Bar(name, value, 100 * value, 100 * limit, value >= limit))
    return tuple(sorted(rows, key=lambda each: (-each.score, CATEGORIES.index(each.category))))


def boxes(flagged: Sequence[str]) -> tuple[Boxes, ...]:
    """Return the twelve boxes."""
    return tuple(Boxes(name, name in flagged) for name in CATEGORIES)


def words(rows: Sequence[Any], names: Mapping[str, str], reader: str) -> tuple[Word, ...]:
    """Return what people said, oldest first. `names`: person by id; who speaks through a key has none."""

    def who(principal: str | None) -> str:
        return names.get((principal or "").removeprefix("user:"), "")

    return tuple(
        Word(
            row.correction_id,
            row.verdict or "",
            who(row.reviewer),
            row.corrected_at,
            tuple(row.expected or ()),
            tuple(row.actual or ()),
            row.retracted_at if row.retracted else None,
            who(row.retracted_by) if row.retracted else None,
            row.reviewer == reader and not row.retracted,
        )
        for row in rows
    )
