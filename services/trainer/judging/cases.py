"""What a row of a labelled file asks of whoever scores it. Pure.

Invariant: a category without a label is unknown, and what is no label is an error that quotes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.vocabulary import CATEGORIES

SOFT = 0.5
"""From this share of raters on a soft label is 1."""
YES = frozenset({"1", "1.0", "true", "yes", "hateful", "hate", "toxic", "sexist", "bad", "positive"})
NO = frozenset(
    {"0", "0.0", "false", "no", "non-hateful", "not hateful", "not toxic", "not sexist", "not_bad", "negative"}
)

Record = Mapping[str, Any]


class NotUnderstood(ValueError):
    """A file, a row or an option that means nothing here; the message quotes names and numbers, never a text."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: `labels` of 1 and 0 by category, and the slices it belongs to.

    `references` are another system's scores by attribute; `spans` the code points that people marked, None where
    nobody was asked.
    """

    number: int
    text: str = field(repr=False)
    labels: Mapping[str, int] = field(default_factory=dict)
    language: str | None = None
    split: str | None = None
    functionality: str | None = None
    groups: tuple[str, ...] = ()
    template: str | None = None
    references: Mapping[str, float] = field(default_factory=dict)
    spans: frozenset[int] | None = field(default=None, repr=False)


def label(value: Any, number: int, column: str) -> int | None:
    """Return a label of 1 or 0; None where it is empty or masked (-1). Raises NotUnderstood for anything else."""
    if value is None or (said := str(value).strip().lower()) in ("", "nan", "none", "null"):
        return None
    if said in YES or said in NO:
        return int(said in YES)
    try:
        share = float(said)
    except ValueError:
        share = 2.0
    if share == -1:
        return None
    if not 0 <= share <= 1:
        raise NotUnderstood(f"Row {number}: what stands under `{column}` is no label.")
    return int(share >= SOFT)


def share(value: Any, number: int, column: str) -> float | None:
    """Return a number of 0..1, None where it is empty. Raises NotUnderstood for anything else."""
    if value is None or str(value).strip() == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= 1:
        raise NotUnderstood(f"Row {number}: what stands under `{column}` is no number of 0 to 1.")
    return found


def text(record: Record, column: str) -> str:
    """Return the text of a record, empty where it has none."""
    value = record.get(column)
    return value if isinstance(value, str) else ""


def labels_of(cases: Sequence[Case], category: str) -> NDArray[np.float64]:
    """Return the labels (n,) of a category, NaN where unknown."""
    return np.array([case.labels.get(category, np.nan) for case in cases], float)


def categories_of(cases: Sequence[Case]) -> list[str]:
    """Return the categories that any case has a label of."""
    known = {category for case in cases for category in case.labels}
    return [category for category in CATEGORIES if category in known]
