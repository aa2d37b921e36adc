"""How well a model knows its person, beside what needs no model: told on the person's own ratings, each left out.

Invariant: a model is called better than the crowd only when the ratings can tell, never because its error is small.
Source: audits.md sections 3 and 6.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from shared.judgement import is_toxic

Floats = NDArray[np.float64]

FEWEST = 10
"""Ratings under which nothing is said about a model (ours)."""


class Status(StrEnum):
    """What a personal model is worth."""

    POPULATION_VIEW = "population_view"
    TOO_FEW = "too_few"
    BETTER_THAN_CROWD = "better_than_crowd"
    NOT_BETTER_THAN_CROWD_YET = "not_better_than_crowd_yet"
    WORSE_THAN_CROWD = "worse_than_crowd"


@dataclass(frozen=True)
class Figures:
    """Errors over `n` ratings. `avg_diff` is prediction less rating, `balanced_accuracy` None without both classes."""

    n: int
    mae: float
    mse: float
    rmse: float
    avg_diff: float
    balanced_accuracy: float | None


@dataclass(frozen=True)
class Difference:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Accuracy:
    """Leave-one-out errors of a model, and of the baselines on the same ratings.

    `own_mean` needs two ratings, `system` is over those the system has rated. `against_crowd` is the squared error less
    the crowd's, so below 0 is better; it needs two ratings.
    """

    model: Figures
    crowd: Figures
    zero: Figures
    own_mean: Figures | None
    system: Figures | None
    against_crowd: Difference | None


def accuracy(said: Floats, left_out: Floats, crowd: Floats, system: Floats, cut: float) -> Accuracy:
    """Return the figures of ratings (n,), n at least 1, `system` NaN where it has none; all on the 0 to 4 scale."""
    rated = ~np.isnan(system)
    count = len(said)
    gain = (said - left_out) ** 2 - (said - crowd) ** 2
    return Accuracy(
        figures(said, left_out, cut),
        figures(said, crowd, cut),
        figures(said, np.zeros(count), cut),
        figures(said, (said.sum() - said) / (count - 1), cut) if count > 1 else None,
        figures(said[rated], system[rated], cut) if rated.any() else None,
        difference(gain) if count > 1 else None,
    )


def figures(said: Floats, predicted: Floats, cut: float) -> Figures:
    """Return the errors of predictions."""
    apart = predicted - said
    mse = float(np.mean(apart * apart))
    return Figures(
        len(said),
        float(np.mean(np.abs(apart))),
        mse,
        float(np.sqrt(mse)),
        float(np.mean(apart)),
        balanced_accuracy(said, predicted, cut),
    )


def balanced_accuracy(said: Floats, predicted: Floats, cut: float) -> float | None:
    """Return the mean of both recalls of toxic and not toxic; None where one of them does not occur."""
    truth, right = is_toxic(said, cut), is_toxic(said, cut) == is_toxic(predicted, cut)
    if np.all(truth) or not np.any(truth):
        return None
    return float((np.mean(right[truth]) + np.mean(right[~truth])) / 2.0)


def difference(values: Floats) -> Difference:
    """Return the mean of paired differences (n,), n at least 2, with Student's 95 % interval."""
    mean = float(np.mean(values))
    half = float(stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Difference(mean, mean - half, mean + half)


def status_of(found: Accuracy | None) -> Status:
    """Return what figures are worth in a word."""
    if found is None:
        return Status.POPULATION_VIEW
    if found.model.n < FEWEST or found.against_crowd is None:
        return Status.TOO_FEW
    if found.against_crowd.high < 0.0:
        return Status.BETTER_THAN_CROWD
    if found.against_crowd.low > 0.0:
        return Status.WORSE_THAN_CROWD
    return Status.NOT_BETTER_THAN_CROWD_YET
