"""From correction lines to training lines, as the harvest tool's users know both. Pure.

Invariant: a line has labels for the categories somebody spoke about and for no other; what was taken back has none.
What is wrong with a line is said by number and field, never with what stands there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared import corrections as rule
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

SOURCE = "platform_feedback"
WEAK = 0.5
"""Weight of a guess in a training line (learning.md section 2)."""
LONGEST_TEXT = 1_000_000
ALL = "all"

_SAYABLE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
_LISTS = ("expected_categories", "actual_categories", "spoke_about")


@dataclass(frozen=True, slots=True)
class Said:
    """One correction line: what was expected, given and judged, and when; aware, None where it does not say.

    `weak` is a guess at what a decision meant.
    """

    text: str
    feedback_type: FeedbackType
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    labels: Mapping[str, int]
    at: datetime | None
    correction_id: str | None = None
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is left out (`reason`), or a name in it (`unknown_category`); `number` is its place from 1."""

    number: int
    field: str
    reason: str
    detail: str


@dataclass(slots=True)
class Found:
    """The lines of a source, and what is wrong with others."""

    said: list[Said] = field(default_factory=list)
    malformed: list[Fault] = field(default_factory=list)
    unknown: list[Fault] = field(default_factory=list)
    silent: int = 0
    too_old: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """The lines of a file after a harvest, and how it changed."""

    lines: tuple[Mapping[str, Any], ...]
    added: int = 0
    replaced: int = 0
    removed: int = 0


class BadValue(ValueError):
    """A field holds what it may not: its name and the reason."""

    def __init__(self, name: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = (name, reason, detail)


def hear(found: Found, number: int, value: Any, since: datetime | None) -> None:
    """Put what a line says into `found`; it counts if it was said from `since` on, or does not say when."""
    found.read += 1
    unknown: list[Fault] = []
    try:
        said = _said(number, value, unknown)
    except BadValue as error:
        found.malformed.append(Fault(number, *error.fault))
        return
    if since is not None and said.at is not None and said.at < since:
        found.too_old += 1
        return
    found.unknown += unknown
    if said.labels:
        found.said.append(said)
    else:
        found.silent += 1


def _said(number: int, value: Any, unknown: list[Fault]) -> Said:
    if not isinstance(value, dict):
        raise BadValue("", "no_object", "This is no JSON object.")
    text = value.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadValue("text", "no_text", "There is no text.")
    if len(text) > LONGEST_TEXT:
        raise BadValue("text", "text_too_long", f"A text may have {LONGEST_TEXT} characters.")
    kind = value.get("feedback_type") or FeedbackType.OTHER.value
    if kind not in list(FeedbackType):
        raise BadValue("feedback_type", "feedback_type", f"It is one of {', '.join(FeedbackType)}.")
    expected, actual, spoken = (_names(number, name, value.get(name), unknown) for name in _LISTS)
    identity = value.get("id") or None
    if not isinstance(identity, str | None):
        raise BadValue("id", "no_string", "An id is a string.")
    labels = rule.labels_of(Verdict.INCORRECT, expected, actual, spoken)
    at, weak = moment(value.get("timestamp")), value.get("weak") is True
    return Said(text, FeedbackType(kind), expected, actual, labels, at, identity, weak)


def _names(number: int, name: str, value: Any, unknown: list[Fault]) -> tuple[str, ...]:
    if value is None:
        return ()
    if name == "spoke_about" and value == ALL:
        return CATEGORIES
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadValue(name, "no_list", "This is no list of categories.")
    for each in sorted(set(value) - set(CATEGORIES)):
        said = f"`{each}`" if _SAYABLE.fullmatch(each) else "A name"
        unknown.append(Fault(number, name, "unknown_category", f"{said} is none of the twelve categories."))
    return tuple(sorted(set(value) & set(CATEGORIES)))


def moment(value: Any) -> datetime | None:
    """Return when something was said, in UTC; without a zone it counts as UTC. Raises BadValue."""
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadValue("timestamp", "timestamp", "This is no moment in ISO 8601.") from None


def training_lines(said: Iterable[Said], *, harvested_at: str, run_id: str) -> list[dict[str, Any]]:
    """Return one training line per text (by its key), in the order texts were first spoken about.

    Of several words about a category the newest counts, and what names no moment is older than what does.
    """
    ordered = sorted(said, key=lambda each: (each.at is not None, each.at or datetime.min.replace(tzinfo=UTC)))
    lines: dict[str, dict[str, Any]] = {}
    for each in ordered:
        key = key_of(each.text)
        new = _line(each, harvested_at, run_id)
        lines[key] = new if key not in lines else over(lines[key], new)
    return list(lines.values())


def _line(said: Said, harvested_at: str, run_id: str) -> dict[str, Any]:
    weights = {"weights": dict.fromkeys(said.labels, WEAK)} if said.weak else {}
    return {
        "text": said.text,
        "labels": dict(said.labels),
        "source": SOURCE,
        "feedback_type": said.feedback_type.value,
        "original_prediction": list(said.actual),
        "corrected_to": list(said.expected),
        "harvested_at": harvested_at,
        "corrected_at": None if said.at is None else said.at.isoformat(),
        "run_id": run_id,
        "corrections": [] if said.correction_id is None else [said.correction_id],
        **weights,
    }


def over(older: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newer of two lines about one text, with what only the older speaks about, or says for sure."""
    before, after = older.get("weights", {}), newer.get("weights", {})
    kept = [name for name in older["labels"] if name not in newer["labels"] or (name in after and name not in before)]
    labels = {**newer["labels"], **{name: older["labels"][name] for name in kept}}
    weights = {**after, **{name: before.get(name) for name in kept}}
    guesses = {name: weights[name] for name in CATEGORIES if weights.get(name) is not None}
    ids = dict.fromkeys([*older.get("corrections", ()), *newer.get("corrections", ())])
    ordered = {name: labels[name] for name in CATEGORIES if name in labels}
    facts = {name: value for name, value in newer.items() if name != "weights"}
    return {**facts, "labels": ordered, "corrections": list(ids), **({"weights": guesses} if guesses else {})}


def joined(kept: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], taken_back: set[str]) -> Joined:
    """Return the lines of a file that held `kept` after a harvest brought `new` and heard what was taken back.

    A text has one line. What an earlier harvest wrote stays as it is unless something newer was said of its text.
    """
    lines: dict[str, Mapping[str, Any]] = {}
    counts: Counter[str] = Counter()
    for line in kept:
        if taken_back.intersection(line.get("corrections", ())):
            counts["removed"] += 1
        else:
            key = key_of(line["text"])
            lines[key] = over(lines[key], line) if key in lines else line
    for line in new:
        key = key_of(line["text"])
        old = lines.get(key)
        if old is None:
            lines[key] = line
            counts["added"] += 1
        elif not _same(old, after := over(line, old) if _later(old, line) else over(old, line)):
            lines[key] = after
            counts["replaced"] += 1
    return Joined(tuple(lines.values()), counts["added"], counts["replaced"], counts["removed"])


def _later(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a line was said after another; moments are in UTC, so their texts compare."""
    return (one.get("corrected_at") or "") > (other.get("corrected_at") or "")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    facts = ("labels", "weights", "feedback_type", "original_prediction", "corrected_to", "corrected_at", "corrections")
    return all(one.get(name) == other.get(name) for name in facts)
