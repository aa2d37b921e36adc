"""How differently people see topics: the variance of their offsets, learned from pairs of ratings.

Source: audits.md section 4.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.personal.prior import FLOOR, Prior

Floats = NDArray[np.float64]


def learned_offset(
    prior: Prior, features: Floats, ratings: Floats, starts: NDArray[np.int64], topics: NDArray[np.int32]
) -> Prior:
    """Return the prior with the variance of offsets: how much more alike two ratings of a rater are within a topic.

    Of every pair of ratings of one rater the product of what the mean person would have missed is compared with what
    the prior expects; pairs of one topic less pairs of two is the variance. `features` (n, d), `ratings` (n,) and
    `topics` (n,) lie rater by rater, each from `starts` on; ratings without a topic belong to no pair of one.
    """
    missed = ratings - features @ prior.weights
    rater = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(ratings))))
    everywhere = _pairs(missed, features, rater, prior)
    known = np.flatnonzero(topics >= 0)
    group = rater[known].astype(np.int64) * (int(topics.max()) + 1) + topics[known]
    order = np.argsort(group, kind="stable")
    _, groups = np.unique(group[order], return_inverse=True)
    within = _pairs(missed[known][order], features[known][order], groups, prior)
    elsewhere = (everywhere[0] - within[0], everywhere[1] - within[1])
    if within[1] == 0 or elsewhere[1] == 0:
        return prior
    return replace(prior, offset=max(within[0] / within[1] - elsewhere[0] / elsewhere[1], FLOOR))


def _pairs(missed: Floats, features: Floats, group: NDArray[np.int64], prior: Prior) -> tuple[float, float]:
    """Return the sum of surprise over all pairs within groups that lie one after the other, and how many pairs."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    counts = np.diff(np.append(starts, len(group))).astype(np.float64)
    if not len(starts):
        return 0.0, 0.0
    sums, squares = np.add.reduceat(missed, starts), np.add.reduceat(missed * missed, starts)
    spread = features @ prior.covariance
    own = np.add.reduceat(np.einsum("ij,ij->i", spread, features), starts)
    totals = np.add.reduceat(features, starts, axis=0)
    expected = np.einsum("ij,jk,ik->i", totals, prior.covariance, totals) - own
    return float((sums * sums - squares - expected).sum() / 2.0), float((counts * (counts - 1) / 2.0).sum())
