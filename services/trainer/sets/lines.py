"""Training lines as rows: what a harvest writes, and the training sets that `ombud merge` makes of them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.trainer.rows import STRONG, Mark, Row
from shared.vocabulary import CATEGORIES

NO_LANGUAGE = "und"
SIDES = ("train", "dev")
LONGEST_NAME = 64


class BadLine(ValueError):
    """A line is no training line; the message says what is wrong with it and quotes none of it."""


def training_rows(file: str, records: Iterable[tuple[int, Any]]) -> Iterator[Row]:
    """Yield the row of each (line number, value). Raises BadLine with the file's name and the number."""
    for number, record in records:
        try:
            yield row_of(file, number, record)
        except BadLine as error:
            raise BadLine(f"{file} line {number}: {error}") from None


def row_of(file: str, number: int, record: Any) -> Row:
    """Return a line as a row. `weights` holds those that are not 1, `split` is `dev` for what only judges."""
    if not isinstance(record, dict):
        raise BadLine("this is no JSON object")
    text, source = record.get("text"), record.get("source")
    if not isinstance(text, str) or not text.strip():
        raise BadLine("`text` holds no text")
    if not isinstance(source, str) or not 0 < len(source) <= LONGEST_NAME:
        raise BadLine("`source` names no source")
    language, split = record.get("language"), record.get("split")
    if not isinstance(language, str | None) or split not in (None, *SIDES):
        raise BadLine("`language` is no tag, or `split` is neither train nor dev")
    marks = _marks(record.get("labels"), record.get("weights") or {})
    return Row(source, file, number, text, marks, language=language or NO_LANGUAGE, split=split)


def _marks(labels: Any, weights: Any) -> dict[str, Mark]:
    if not isinstance(labels, Mapping) or not isinstance(weights, Mapping):
        raise BadLine("`labels` is no object")
    if not labels.keys() <= set(CATEGORIES):
        raise BadLine("`labels` names a category that is none of the twelve")
    if any(isinstance(label, bool) or label not in (0, 1) for label in labels.values()):
        raise BadLine("a label is neither 0 nor 1")
    given = {category: weights.get(category, STRONG) for category in labels}
    if any(isinstance(each, bool) or not isinstance(each, int | float) or each <= 0 for each in given.values()):
        raise BadLine("a weight is no number above 0")
    return {category: Mark(int(labels[category]), float(given[category])) for category in labels}
