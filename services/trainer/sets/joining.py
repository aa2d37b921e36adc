"""Lines about the same text become one line of a training set, whatever order they come in. Pure.

Invariant: joining is idempotent, commutative and associative, so a set is the same bytes whichever files came first and
how often. A person's correction beats other labels, a newer one an older one; equals that differ make a category
unknown, and the line remembers that they did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from services.trainer.harvest import BadValue, moment
from services.trainer.rows import STRONG
from services.trainer.sets.lines import LONGEST_NAME, SIDES, BadLine
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

LABEL, GUESS, CORRECTION = 0, 1, 2
"""Whose word it is: of a labelled file, a guess at what a decision meant, a person's clear word."""


class Rank(NamedTuple):
    """How much a word counts: a correction's more than any other, and of those the later one's."""

    whose: int = LABEL
    at: str = ""


class Word(NamedTuple):
    """What is said of one category by words of one rank; two labels contradict each other."""

    rank: Rank
    labels: frozenset[int]
    weight: float = STRONG


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one text."""

    text: str
    source: str
    language: str
    split: str
    words: Mapping[str, Word]

    @property
    def key(self) -> str:
        """Return what makes texts the same."""
        return key_of(self.text)


@dataclass(frozen=True, slots=True)
class Conflict:
    """That two lines differ about a category: `newer`, `correction` or `contradiction` says how it ends."""

    category: str
    end: str


def told(record: Any) -> tuple[Told, list[str]]:
    """Return what a line of a harvest or a training set says, and the names in it that are no categories.

    Raises BadLine.
    """
    if not isinstance(record, dict):
        raise BadLine("this is no JSON object")
    text, source, labels = record.get("text"), record.get("source"), record.get("labels")
    if not isinstance(text, str) or not text.strip():
        raise BadLine("`text` holds no text")
    if not isinstance(source, str) or not 0 < len(source) <= LONGEST_NAME:
        raise BadLine("`source` names no source")
    if not isinstance(labels, dict):
        raise BadLine("`labels` is no object")
    language, split = record.get("language") or "", record.get("split") or ""
    if not isinstance(language, str) or split not in ("", *SIDES):
        raise BadLine("`language` is no tag, or `split` is neither train nor dev")
    words, unknown = _harvested(record, labels) if "feedback_type" in record else _kept(record, labels)
    return Told(text, source, language, split, words), unknown


def of_labels(text: str, labels: Mapping[str, int], source: str, language: str, split: str) -> Told:
    """Return a row of a labelled file."""
    return Told(text, source, language, split, {name: Word(Rank(), frozenset({each})) for name, each in labels.items()})


def _harvested(record: Mapping[str, Any], labels: Mapping[str, Any]) -> tuple[dict[str, Word], list[str]]:
    """Return a correction's words. The harvest tool's own lines say only when they were harvested."""
    at = _moment(record.get("corrected_at", record.get("harvested_at")))
    weights = record.get("weights") or {}
    if not isinstance(weights, dict):
        raise BadLine("`weights` is no object")
    known, unknown = _known(labels)
    return {
        name: _corrected(at, _label(each), _weight(weights.get(name, STRONG))) for name, each in known.items()
    }, unknown


def _corrected(at: str, label: int, weight: float) -> Word:
    return Word(Rank(GUESS if weight < STRONG else CORRECTION, at), frozenset({label}), weight)


def _kept(record: Mapping[str, Any], labels: Mapping[str, Any]) -> tuple[dict[str, Word], list[str]]:
    """Return the words of a line that `line_of` wrote, or of one with nothing but labels."""
    parts = [record.get(name) or {} for name in ("weights", "corrected", "contradicted")]
    if not all(isinstance(part, dict) for part in parts):
        raise BadLine("`weights`, `corrected` or `contradicted` is no object")
    weights, corrected, contradicted = parts
    known, unknown = _known(labels)
    words = {}
    for name, each in known.items():
        label, weight = _label(each), _weight(weights.get(name, STRONG))
        inside = name in corrected
        words[name] = (
            _corrected(_moment(corrected[name]), label, weight) if inside else Word(Rank(), frozenset({label}), weight)
        )
    silent, more = _known(contradicted)
    for name, rank in silent.items():
        if not isinstance(rank, list) or len(rank) != 2 or rank[0] not in (LABEL, GUESS, CORRECTION):
            raise BadLine("`contradicted` does not say whose words they are")
        words[name] = Word(Rank(int(rank[0]), _moment(rank[1])), frozenset({0, 1}))
    return words, unknown + more


def _known(names: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    return {name: names[name] for name in CATEGORIES if name in names}, sorted(set(names) - set(CATEGORIES))


def _label(value: Any) -> int:
    if isinstance(value, bool) or value not in (0, 1):
        raise BadLine("a label is neither 0 nor 1")
    return int(value)


def _weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1000:
        raise BadLine("a weight is no number above 0")
    return float(value)


def _moment(value: Any) -> str:
    try:
        at = moment(value)
    except BadValue:
        raise BadLine("a moment is none in ISO 8601") from None
    return "" if at is None else at.isoformat(timespec="microseconds")


def joined(one: Told, other: Told) -> Told:
    """Return what two lines about one text say together. Text, source and language are those of the higher rank."""
    words = dict(one.words)
    for name, word in other.words.items():
        words[name] = _joined(words[name], word) if name in words else word
    first, _ = sorted((one, other), key=_order, reverse=True)
    return replace(first, words=words, split=max(one.split, other.split, key=lambda side: ("", *SIDES).index(side)))


def _joined(one: Word, other: Word) -> Word:
    if one.rank != other.rank:
        return max(one, other, key=lambda word: word.rank)
    if len(one.labels | other.labels) > 1:
        return Word(one.rank, one.labels | other.labels)
    return max(one, other, key=lambda word: word.weight)


def _order(line: Told) -> Any:
    return max((word.rank for word in line.words.values()), default=Rank()), line.text, line.source, line.language


def conflicts(one: Told, other: Told) -> list[Conflict]:
    """Return about what two lines differ, and which of them counts."""
    found = []
    for name in CATEGORIES:
        mine, theirs = one.words.get(name), other.words.get(name)
        if mine is None or theirs is None or mine.labels == theirs.labels:
            continue
        if mine.rank == theirs.rank:
            end = "contradiction"
        else:
            end = "newer" if mine.rank.whose == theirs.rank.whose else "correction"
        found.append(Conflict(name, end))
    return found


def line_of(known: Told) -> dict[str, Any]:
    """Return the line of a training set; what is usual is left out of it."""
    ordered = {name: known.words[name] for name in CATEGORIES if name in known.words}
    sure = {name: word for name, word in ordered.items() if len(word.labels) == 1}
    unsure = {name: word for name, word in ordered.items() if len(word.labels) > 1}
    parts = {
        "language": known.language,
        "split": known.split,
        "weights": {name: word.weight for name, word in sure.items() if word.weight != STRONG},
        "corrected": {name: word.rank.at for name, word in sure.items() if word.rank.whose},
        "contradicted": {name: list(word.rank) for name, word in unsure.items()},
    }
    labels = {name: next(iter(word.labels)) for name, word in sure.items()}
    return {"text": known.text, "labels": labels, "source": known.source, **{k: v for k, v in parts.items() if v}}
