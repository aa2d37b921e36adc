"""What stands on the page that tries a text out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.reporter.console.severity import Severity, severity
from services.reporter.console.veil import Veil, Veiled, veil
from shared.vocabulary import CATEGORIES


@dataclass(frozen=True, slots=True)
class Meter:
    """A category: its score and threshold, both also as a length up to 100, and whether it is over."""

    category: str
    score: float
    threshold: float
    over: bool


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the text; `drove` says that it carried the score."""

    text: str
    drove: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What the live model says of a text, the highest category first; `words` is the text in pieces, if it can tell."""

    overall: float
    severity: Severity
    flagged: bool
    model: str
    language: str | None
    meters: tuple[Meter, ...]
    category: str | None
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A try that somebody saved, as their list has it: no word of it."""

    id: str
    at: datetime
    overall: float
    severity: Severity
    flagged: bool


@dataclass(frozen=True, slots=True)
class Trying:
    """The form, what was typed, the result if there is one, and why there is none (a stable word).

    `said`: the command by which the reader just said that the score is wrong. `kept`: what they saved before.
    """

    text: str
    limit: int
    size: int
    result: Result | None = None
    fault: str = ""
    said: str = ""
    kept: tuple[Kept, ...] = ()


def result(text: str, said: Mapping[str, Any], high: float) -> Result:
    """Return what the classifier's answer says."""
    scores, thresholds = said["scores"], said["thresholds"]
    meters = [
        Meter(name, scores[name], thresholds.get(name, 0.5), name in said["flagged_categories"])
        for name in CATEGORIES
        if name in scores
    ]
    meters.sort(key=lambda each: -each.score)
    explained = said["explanations"]
    category = next((each.category for each in meters if explained.get(each.category, {}).get("spans")), None)
    places = explained[category]["spans"] if category else []
    deciding = min((each.threshold for each in meters if each.over), default=0.5)
    return Result(
        said["overall"],
        severity(said["overall"], deciding, high),
        said["flagged"],
        said["model"],
        said["language"],
        tuple(meters),
        category,
        _words(text, [(each["begin"], each["end"]) for each in places]),
    )


def _words(text: str, places: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    found, at = [], 0
    for begin, end in sorted(places):
        if begin >= at:
            found += [Word(text[at:begin], False), Word(text[begin:end], True)]
            at = end
    return tuple(each for each in [*found, Word(text[at:], False)] if each.text) if places else ()


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved try. Who saved it (`mine`) reads the text; others see it under their veil, until they ask: `revealed`."""

    id: str
    mine: bool
    by: str
    at: datetime
    until: datetime
    veiled: Veiled
    revealed: bool
    size: int
    result: Result
    said: str = ""
    fault: str = ""


def kept(rows: Iterable[Any], high: float) -> tuple[Kept, ...]:
    """Return somebody's saved tries."""
    return tuple(
        Kept(row.id, row.created_at, row.result["overall"], severity_of(row.result, high), row.result["flagged"])
        for row in rows
    )


def severity_of(said: Mapping[str, Any], high: float) -> Severity:
    """Return how bad a scored text is."""
    deciding = min((said["thresholds"].get(name, 0.5) for name in said["flagged_categories"]), default=0.5)
    return severity(said["overall"], deciding, high)


def to_keep(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of the classifier's answer: no word of the text, also none that carried the score."""
    explained = {
        name: {"spans": [{"begin": each["begin"], "end": each["end"]} for each in found["spans"]]}
        for name, found in said["explanations"].items()
    }
    names = ("overall", "flagged", "flagged_categories", "model", "language", "scores", "thresholds")
    return {name: said[name] for name in names} | {"explanations": explained}


def saved(row: Any, reader: str, level: Veil, *, high: float, kept_s: float, revealed: bool, said: str) -> Saved:
    """Return a saved try as somebody sees it; what others saved holds no veiled word of it before it is asked for."""
    mine = row.person_id == reader
    found = result(row.text, row.result, high)
    places = row.result["explanations"].get(found.category, {}).get("spans", []) if found.category else []
    marked = {"category": found.category, "places": [(each["begin"], each["end"]) for each in places]}
    shown = mine or revealed
    return Saved(
        row.id,
        mine,
        row.name or "",
        row.created_at,
        row.created_at + timedelta(seconds=kept_s),
        veil(row.text, marked if places else None, Veil.OFF if shown else level),
        revealed,
        len(row.text.encode()),
        found if shown else replace(found, words=()),
        said,
    )
