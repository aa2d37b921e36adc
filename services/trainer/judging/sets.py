"""Data sets as cases. Those that also train are read by the trainer's own mappings; only given labels judge. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from services.trainer.judging.cases import SOFT, Case, NotUnderstood, Record, label, share, text
from services.trainer.rows import STRONG, Row
from services.trainer.sets import sentences, tweets
from services.trainer.sets.contrast import contrast

JIGSAW = {"toxic": "toxic", "threat": "threat", "insult": "insult", "identity_hate": "hate_speech"}
CIVIL = {
    "toxicity": "toxic",
    "target": "toxic",
    "threat": "threat",
    "insult": "insult",
    "identity_attack": "hate_speech",
}
CIVIL_GROUPS = (
    *("asian", "atheist", "bisexual", "black", "buddhist", "christian", "female", "heterosexual", "hindu"),
    *("homosexual_gay_or_lesbian", "intellectual_or_learning_disability", "jewish", "latino", "male", "muslim"),
    *("physical_disability", "psychiatric_or_mental_illness", "transgender", "white"),
)
"""Columns of Civil Comments that say which share of raters saw a group named."""
_HATEXPLAIN = ("Race", "Religion", "Gender", "Sexual Orientation", "Miscellaneous")
_NO_TARGET = frozenset({"", "None", "Other", "none"})


def of_row(number: int, row: Row, **more: Any) -> Case:
    """Return a trainer's row as a case; weak labels train and never judge."""
    labels = {category: mark.label for category, mark in row.marks.items() if mark.weight >= STRONG}
    facts = {"language": row.language, "functionality": row.construct or None, "split": row.split} | more
    return Case(number, row.text, labels, **facts)


def _read(number: int, record: Record, mapping: Callable[[str, Iterable[Any]], Iterator[Row]]) -> Row:
    try:
        return next(mapping("", [record]))
    except (KeyError, IndexError, ValueError, SyntaxError, TypeError, AttributeError):
        raise NotUnderstood(f"Row {number}: a label of this set has a value it never has.") from None


def edos(number: int, record: Record) -> Case:
    """Return a post of EDOS; functionalities are its four categories."""
    kind = text(record, "label_category")
    functionality = kind if text(record, "label_sexist") == "sexist" else "not sexist"
    row = _read(number, record, sentences.edos)
    return of_row(number, row, split=text(record, "split") or None, functionality=functionality)


def hatemoji(number: int, record: Record) -> Case:
    """Return a sentence of HatemojiBuild; functionalities are its types of hate."""
    row = _read(number, record, sentences.hatemoji)
    kind = text(record, "type").strip()
    functionality = kind if text(record, "label_gold") == "1" else "not hateful"
    return of_row(number, row, split=text(record, "split") or None, functionality=functionality or None)


def davidson(number: int, record: Record) -> Case:
    """Return a tweet; functionalities are the three classes."""
    kinds = {"0": "hate", "1": "offensive", "2": "neither"}
    return of_row(
        number, _read(number, record, tweets.davidson), functionality=kinds.get(text(record, "class")), split=None
    )


def hatexplain(number: int, record: Record) -> Case:
    """Return a post of HateXplain, of the table or of its authors' JSON (labels and targets by majority)."""
    flat = dict(record)
    named = [str(record.get(column) or "") for column in _HATEXPLAIN]
    if isinstance(annotators := record.get("annotators"), list):
        try:
            most, votes = Counter(str(each["label"]) for each in annotators).most_common(1)[0]
            said = Counter(target for each in annotators for target in set(each["target"]))
            words = " ".join(map(str, record["post_tokens"]))
        except (LookupError, TypeError):
            raise NotUnderstood(f"Row {number}: these are no annotators of HateXplain.") from None
        named = [target for target, count in said.items() if 2 * count > len(annotators)]
        if 2 * votes <= len(annotators):
            return Case(number, words, language="en")
        groups = iter([*named, *[""] * len(_HATEXPLAIN)])
        flat = {"comment": words, "label": most, **{column: next(groups) for column in _HATEXPLAIN}}
    row = _read(number, flat, tweets.hatexplain)
    targets = tuple(dict.fromkeys(each for each in named if each not in _NO_TARGET))
    return of_row(number, row, functionality=str(flat.get("label")), groups=targets)


def jigsaw(number: int, record: Record) -> Case:
    """Return a comment of the Jigsaw challenges; -1 is a label that was kept back."""
    language = text(record, "lang") or "en"
    return Case(number, text(record, "comment_text"), _labels(number, record, JIGSAW), language=language)


def civil_comments(number: int, record: Record) -> Case:
    """Return a comment of Civil Comments: shares of raters become labels, groups are those half of them saw."""
    labels = _labels(number, record, CIVIL)
    groups = [name for name in CIVIL_GROUPS if (share(record.get(name), number, name) or 0.0) >= SOFT]
    return Case(
        number,
        text(record, "comment_text") or text(record, "text"),
        labels,
        language="en",
        split=text(record, "split") or None,
        groups=tuple(groups),
    )


def _labels(number: int, record: Record, columns: Mapping[str, str]) -> dict[str, int]:
    said = {category: label(record[column], number, column) for column, category in columns.items() if column in record}
    return {category: value for category, value in said.items() if value is not None}


def own(number: int, record: Record) -> Case:
    """Return a contrast row of our own."""
    return of_row(number, _read(number, record, contrast))
