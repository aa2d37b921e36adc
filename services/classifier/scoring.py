"""From a model's probabilities to a score. Pure.

Invariant: overall is the maximum of the known categories; an unknown category is absent, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.vocabulary import CATEGORIES

DIGITS = 4
"""Decimals kept of a probability; what is stored is what is said."""


@dataclass(frozen=True, slots=True)
class Score:
    """Twelve probabilities at most, their maximum, and whether that flags the post."""

    scores: dict[str, float]
    overall: float
    flagged: bool


def scores_of(probabilities: NDArray[np.float64], threshold: float) -> list[Score]:
    """Return one score per row of a (posts, 12) array in which NaN is unknown."""
    rounded = np.round(probabilities, DIGITS)
    columns = [at for at in range(len(CATEGORIES)) if not np.isnan(rounded[:, at]).all()]
    names = [CATEGORIES[at] for at in columns]
    known = rounded[:, columns].tolist()
    if np.isnan(rounded[:, columns]).any():
        rows = [{name: value for name, value in zip(names, row, strict=True) if value == value} for row in known]
    else:
        rows = [dict(zip(names, row, strict=True)) for row in known]
    found = []
    for scores in rows:
        overall = max(scores.values(), default=0.0)
        found.append(Score(scores, overall, overall >= threshold))
    return found


def thresholds(threshold: float) -> dict[str, float]:
    """Return the thresholds in force: one for overall; a category without its own follows it."""
    return {"overall": threshold}


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
