"""What people are like before one of them has rated anything (audits.md section 3).

A rater answers y = f·w + e with w ~ N(weights, covariance) and e ~ N(0, noise).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.personal.solving import inverse

Floats = NDArray[np.float64]

FLOOR = 1e-6
"""Smallest variance: a covariance that collapsed could not be inverted."""


@dataclass(frozen=True, eq=False)
class Prior:
    """How people differ: mean (d,) and covariance (d, d) of their weights, variance of one rating.

    `offset` is the variance of a topic's own intercept. `history` holds the log likelihood of every round; it is
    empty when nothing was learned and the assumed prior stands. `cuts` are the places of the median map: a
    prediction from cuts[k] on has the median k + 1.
    """

    weights: Floats
    covariance: Floats
    noise: float
    offset: float
    cuts: tuple[float, ...] = (0.5, 1.5, 2.5, 3.5)
    raters: int = 0
    history: tuple[float, ...] = ()
    precision: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", inverse(self.covariance))


def assumed(size: int) -> Prior:
    """Return the prior of an installation too young to have one: the crowd's mean, and people who differ by a point.

    The numbers are round ones near those learned from raters of offensiveness: sd of the intercept 0.7, of the slope
    0.3, of one rating 0.9, of a topic's intercept 0.4; text and topics of words count for nothing (ours).
    """
    weights = np.zeros(size)
    weights[1] = 1.0
    variances = np.full(size, 0.01)
    variances[:2] = 0.49, 0.09
    return Prior(weights, np.diag(variances), 0.81, 0.16)
