"""From a model's probabilities to a score. Pure.

Invariant: overall is the maximum of the known categories, and a known category at or over its own threshold flags; an
unknown category is absent, never 0, and flags nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.thresholds import OVERALL, over, threshold_of
from shared.vocabulary import CATEGORIES

DIGITS = 4
"""Decimals kept of a probability; what is stored is what is said."""


@dataclass(frozen=True, slots=True)
class Score:
    """Twelve probabilities at most, their maximum, and whether one of them flags the post."""

    scores: dict[str, float]
    overall: float
    flagged: bool


def scores_of(probabilities: NDArray[np.float64], thresholds: Mapping[str, float]) -> list[Score]:
    """Return one score per row of a (posts, 12) array in which NaN is unknown."""
    rounded = np.round(probabilities, DIGITS)
    if len(rounded) == 1:
        return [_score_of(rounded[0].tolist(), thresholds)]
    columns = [at for at in range(len(CATEGORIES)) if not np.isnan(rounded[:, at]).all()]
    names = [CATEGORIES[at] for at in columns]
    known = rounded[:, columns].tolist()
    limits = np.array([threshold_of(name, thresholds) for name in names])
    over: NDArray[np.bool_] = rounded[:, columns] >= limits  # NaN is over nothing
    flags: list[bool] = np.any(over, axis=1).tolist()
    if np.isnan(rounded[:, columns]).any():
        rows = [{name: value for name, value in zip(names, row, strict=True) if value == value} for row in known]
    else:
        rows = [dict(zip(names, row, strict=True)) for row in known]
    return [
        Score(scores, max(scores.values(), default=0.0), flagged) for scores, flagged in zip(rows, flags, strict=True)
    ]


def _score_of(row: Sequence[float], thresholds: Mapping[str, float]) -> Score:
    """Return what the columns say of one row, in a fifth of the time: somebody waits for it."""
    scores = {name: value for name, value in zip(CATEGORIES, row, strict=True) if value == value}
    return Score(scores, max(scores.values(), default=0.0), bool(over(scores, thresholds)))


def in_force(model: Mapping[str, float], overall: float | None, own: Mapping[str, float]) -> dict[str, float]:
    """Return the thresholds that count: the model's, or one for all that the operator set; `own` ones before both."""
    chosen = {**(model if overall is None else {OVERALL: overall}), **own}
    return {name: round(value, DIGITS) for name, value in chosen.items()}


def newest(revisions: Sequence[tuple[str, int]]) -> set[int]:
    """Return the positions of the newest revision of each key; of equals the last."""
    best: dict[str, tuple[int, int]] = {}
    for at, (key, revision) in enumerate(revisions):
        if key not in best or revision >= best[key][0]:
            best[key] = (revision, at)
    return {at for _, at in best.values()}


def score_from_row(row: Mapping[str, Any]) -> Score:
    """Return the score a stored row holds."""
    known = {category: row[category] for category in CATEGORIES if row[category] is not None}
    return Score(known, row["overall"], bool(row["flagged"]))
