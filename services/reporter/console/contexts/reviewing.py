"""A post as reviewers see it, in a list or alone: veiled text, severity, categories, who holds it, what was said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.members import Preferences
from services.reporter.console.severity import Severity, severity
from services.reporter.console.veil import Veil, Veiled, strictest, veil
from services.reporter.readmodel import categories_of
from shared.ids import digest
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

BLIND_ONE_IN = 10
"""One of so many posts is decided without its scores: agreeing with the scorer is not the same as following it."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who decides a post right now: `name` empty for the reader, and how many seconds are left."""

    name: str
    left_s: int


@dataclass(frozen=True, slots=True)
class Handed:
    """A post that a colleague handed to the reader: who did, where it opens, for how many more seconds it waits."""

    post_id: str
    by: str
    left_s: int
    link: str


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who may decide posts."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Card:
    """A flagged post. `severity` is high, medium or low; `verdict` is the word that stands, if one does."""

    id: str
    author: str | None
    platform: str | None
    written_at: datetime
    language: str | None
    severity: Severity
    overall: float
    categories: tuple[str, ...]
    veiled: Veiled
    verdict: str | None
    version: int
    alike: int
    held: Held | None
    blind: bool = False


def hides_scores(person_id: str, row: Any) -> bool:
    """Return whether somebody decides this post blind, until a word stands: the same posts at each look."""
    if row.correction_verdict is not None:
        return False
    return int(digest(f"blind check|{person_id}|{row.post_id}".encode())[:8], 16) % BLIND_ONE_IN == 0


def flagged_categories(row: Any) -> tuple[str, ...]:
    """Return the categories that the scorer flagged by itself, the highest first."""
    own = row.own_scores or {}
    return tuple(sorted(categories_of(row.own_mask), key=lambda name: -own.get(name, 0.0)))


def level_of(preferences: Preferences, row: Any) -> Veil:
    """Return how much of a post is veiled for somebody: the strictest of its categories, else as for all."""
    own = [preferences.veil_of[name] for name in categories_of(row.own_mask) if name in preferences.veil_of]
    return strictest(own) or preferences.veil


def card(
    row: Any,
    level: Veil,
    *,
    high: float,
    held: Held | None = None,
    alike: int = 1,
    blind: bool = False,
    opened: int = 0,
) -> Card:
    """Return a post as its row in the tables says it; `high` is the overall score from which it is High."""
    return Card(
        id=row.post_id,
        author=row.author,
        platform=row.platform,
        written_at=row.written_at,
        language=row.language,
        severity=severity(row.own_overall or 0.0, row.threshold, high),
        overall=row.own_overall or 0.0,
        categories=flagged_categories(row),
        veiled=veil(row.text or "", row.marked, level, blind=blind, opened=opened),
        verdict=row.correction_verdict,
        version=row.review_version,
        alike=alike - 1,
        held=held,
        blind=blind,
    )


@dataclass(frozen=True, slots=True)
class Last:
    """What the reader did last: the verdict, `saving` before our tables heard of it, or nothing; and how to undo it.

    `alike` other posts say the same and wait.
    """

    verdict: str = ""
    post_id: str = ""
    undo: str | None = None
    alike: int = 0


def last(correction_id: str, word: Any, reader: str, alike: int = 0) -> Last:
    """Return what the reader said last; `word` is its row, None if it was not heard yet."""
    if not correction_id:
        return Last()
    if word is None or word.post_id is None:
        return Last("saving")
    if word.reviewer != reader or word.retracted:
        return Last()
    return Last(word.verdict, word.post_id, word.correction_id, alike)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a verdict says to ingest: kind of error and categories, in the order of the vocabulary."""

    feedback_type: FeedbackType
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    spoke_about: tuple[str, ...] | str


def spoken(verdict: Verdict, actual: Iterable[str], ticked: Iterable[str] | None) -> Spoken:
    """Return what a verdict says of a post whose `actual` categories the scorer flagged.

    `ticked` are the boxes that were left ticked, None if nobody looked at them: then a wrong score means that none of
    the flagged categories is true, and nothing is said of the others.
    """
    flagged = _ordered(actual)
    if verdict is not Verdict.INCORRECT:
        return Spoken(FeedbackType.OTHER, flagged if verdict is Verdict.CORRECT else (), flagged, flagged)
    if ticked is None:
        return Spoken(FeedbackType.FALSE_POSITIVE, (), flagged, flagged)
    expected = _ordered(ticked)
    if set(flagged) - set(expected):
        kind = FeedbackType.FALSE_POSITIVE
    else:
        kind = FeedbackType.FALSE_NEGATIVE if set(expected) - set(flagged) else FeedbackType.OTHER
    return Spoken(kind, expected, flagged, "all")


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(each for each in CATEGORIES if each in wanted)


def command(
    said: Spoken, verdict: Verdict, post_id: str, seen_version: int | None, hold_s: int, batch: str | None = None
) -> dict[str, Any]:
    """Return what ingest is told."""
    told: dict[str, Any] = {
        "post_id": post_id,
        "verdict": verdict.value,
        "feedback_type": said.feedback_type.value,
        "expected_categories": list(said.expected),
        "actual_categories": list(said.actual),
        "spoke_about": said.spoke_about if isinstance(said.spoke_about, str) else list(said.spoke_about),
        "hold_s": hold_s,
    }
    more: Mapping[str, Any] = {"seen_version": seen_version, "batch_id": batch}
    return told | {name: value for name, value in more.items() if value is not None}
