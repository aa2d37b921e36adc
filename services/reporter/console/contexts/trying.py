"""What stands on the page that tries a text out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.severity import Severity, severity
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
class Trying:
    """The form, what was typed, the result if there is one, and why there is none (a stable word)."""

    text: str
    limit: int
    size: int
    result: Result | None = None
    fault: str = ""


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
