"""What people said about scores, as correction lines for a harvest and as numbers. Pure.

Invariant: a line says of every category what the person said: one they did not speak about is in none of its lists.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.trainer.labels import Correction, labels_of, text_of
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict


@dataclass(frozen=True, slots=True)
class Line:
    """One line of corrections.jsonl, and the list of what the person spoke about."""

    text: str
    feedback_type: FeedbackType
    expected_categories: list[str]
    actual_categories: list[str]
    spoke_about: list[str]
    timestamp: str


@dataclass(frozen=True, slots=True)
class Position:
    """The last correction of a page: in the order of their moments, then of their ids."""

    at: datetime
    correction_id: str


@dataclass(slots=True)
class Mistakes:
    """How often people found that a category was given wrongly, and how often that it was missing."""

    false_positive: int = 0
    false_negative: int = 0


@dataclass(slots=True)
class Summary:
    """All corrections that stand, in numbers; `first` and `last` are their earliest and latest moment."""

    total: int = 0
    by_type: dict[FeedbackType, int] = field(default_factory=lambda: dict.fromkeys(FeedbackType, 0))
    by_category: dict[str, Mistakes] = field(default_factory=lambda: {name: Mistakes() for name in CATEGORIES})
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """Corrections that say the same: one of them, how many there are, and when they were made."""

    correction: Correction
    count: int
    first: datetime
    last: datetime


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a zone, or a mere date, counts as UTC. Raises ValueError past year 9999."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the year must lie between 1 and 9999") from None


def line_of(correction: Correction) -> Line | None:
    """Return a correction as a line; None if its text is gone or not known.

    Whoever says that a score was correct expects what it said.
    """
    text = text_of(correction)
    if text is None or not text.strip():
        return None
    right = correction.verdict is Verdict.CORRECT
    return Line(
        text=text,
        feedback_type=correction.feedback_type,
        expected_categories=sorted({*correction.expected, *(correction.actual if right else ())}),
        actual_categories=sorted(set(correction.actual)),
        spoke_about=sorted(labels_of(correction)),
        timestamp=correction.corrected_at.astimezone(UTC).isoformat(),
    )


def summarise(groups: Iterable[Alike]) -> Summary:
    """Return the numbers of corrections that stand.

    A category is a false positive where the model gave it and the person, who spoke about it, did not expect it; a
    false negative the other way round.
    """
    found = Summary()
    for alike in groups:
        correction = alike.correction
        found.total += alike.count
        found.by_type[correction.feedback_type] += alike.count
        found.first = min(found.first or alike.first, alike.first)
        found.last = max(found.last or alike.last, alike.last)
        labels = labels_of(correction) if correction.verdict is Verdict.INCORRECT else {}
        for category, label in labels.items():
            given = category in correction.actual
            found.by_category[category].false_positive += alike.count * (given and not label)
            found.by_category[category].false_negative += alike.count * (not given and bool(label))
    return found


def to_cursor(position: Position) -> str:
    """Return a position as what a caller gives back to read on from there."""
    return urlsafe_b64encode(f"{position.at.isoformat()}|{position.correction_id}".encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> Position:
    """Return the position that a cursor stands for. Raises ValueError if it is none of ours."""
    at, _, correction_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
    return Position(in_utc(datetime.fromisoformat(at)), correction_id)
