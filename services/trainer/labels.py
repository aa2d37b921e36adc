"""What a correction teaches. Only the categories a person spoke about; every other one stays unknown, never 0."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from shared import corrections as rule
from shared.vocabulary import FeedbackType, Verdict


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction as training sees it, with what is known of its post by now.

    `post_revision` is the moment of the post's latest edit in milliseconds, 0 if it was never edited; `platform` is the
    post's, `weak` a guess at what a decision meant, `sampled` a post that was drawn by chance.
    """

    correction_id: str
    verdict: Verdict
    corrected_at: datetime
    post_id: str | None = None
    text: str | None = None
    language: str | None = None
    expected: tuple[str, ...] = ()
    actual: tuple[str, ...] = ()
    spoke_about: tuple[str, ...] = ()
    retracts: str | None = None
    post_text: str | None = None
    post_language: str | None = None
    post_revision: int = 0
    feedback_type: FeedbackType = FeedbackType.OTHER
    weak: bool = False
    sampled: bool = False
    reviewer: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one correction says: category -> 1 or 0; for sure, or as a guess (`weak`). And who said it, where and when.

    A community is the platform of the corrected post; what names no post has none.
    """

    correction_id: str
    text: str
    labels: dict[str, int]
    language: str | None = None
    weak: bool = False
    sampled: bool = False
    person: str | None = None
    community: str | None = None
    said_at: datetime | None = None


def labels_of(correction: Correction) -> dict[str, int]:
    """Return the labels a correction gives by itself (shared.corrections), empty if it teaches nothing."""
    if correction.retracts is not None:
        return {}
    return rule.labels_of(correction.verdict, correction.expected, correction.actual, correction.spoke_about)


def text_of(correction: Correction) -> str | None:
    """Return the text a correction is about: its own, or its post's unless that was edited afterwards."""
    if correction.text is not None:
        return correction.text
    edited_since = correction.post_revision > correction.corrected_at.timestamp() * 1000
    return None if edited_since else correction.post_text


def lessons(corrections: Iterable[Correction]) -> list[Lesson]:
    """Return what a set of corrections teaches together, oldest first, whatever order they arrived in.

    A correction that another one takes back teaches nothing; of two about the same post (or, without a post,
    the same text) and category the later one counts.
    """
    ordered = sorted(corrections, key=lambda each: (each.corrected_at, each.correction_id))
    taken_back = {each.retracts for each in ordered}
    said: dict[str, tuple[str, Lesson]] = {}
    last_word: dict[tuple[str, str], str] = {}
    for each in ordered:
        text, labels = text_of(each), labels_of(each)
        if text is None or not text.strip() or each.correction_id in taken_back:
            continue
        subject = f"post:{each.post_id}" if each.post_id else f"text:{text}"
        said[each.correction_id] = (subject, _lesson(each, text, labels))
        last_word |= {(subject, category): each.correction_id for category in labels}
    taught = []
    for name, (subject, lesson) in said.items():
        kept = {category: label for category, label in lesson.labels.items() if last_word[subject, category] == name}
        if kept:
            taught.append(replace(lesson, labels=kept))
    return taught


def _lesson(correction: Correction, text: str, labels: dict[str, int]) -> Lesson:
    return Lesson(
        correction.correction_id,
        text,
        labels,
        language=correction.language or correction.post_language,
        weak=correction.weak,
        sampled=correction.sampled,
        person=correction.reviewer,
        community=correction.platform,
        said_at=correction.corrected_at,
    )
