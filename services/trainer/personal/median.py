"""The median map: from a prediction to the whole rating that half of all people in that place would not exceed.

Optional and off: it lowers the mean absolute error and raises the squared one; a prediction is never overwritten by it.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.trainer.personal.em import people, statistics
from shared.judgement import HIGHEST, LOWEST
from shared.personal.prior import Prior

Floats = NDArray[np.float64]

SAMPLED = 2_000
"""Raters it is learned from; more move a cut by less than a hundredth."""


def medians(prior: Prior, predictions: Floats) -> Floats:
    """Return the median rating at each prediction: whole numbers from 0 to 4."""
    return np.searchsorted(prior.cuts, predictions, side="right").astype(np.float64)


def learned_cuts(prior: Prior, features: Floats, ratings: Floats, starts: NDArray[np.int64], seed: int) -> Prior:
    """Return the prior with the cuts that a drawn part of its raters has, each predicted without the rating itself."""
    bounds = np.append(starts, len(ratings))
    chosen = np.arange(len(starts))
    if len(starts) > SAMPLED:
        chosen = np.sort(np.random.default_rng(seed).choice(len(starts), SAMPLED, replace=False))
    rows = np.concatenate([np.arange(bounds[at], bounds[at + 1]) for at in chosen])
    sizes = np.diff(bounds)[chosen]
    each, said = features[rows], ratings[rows]
    found = people(prior, statistics(each, said, np.concatenate([[0], np.cumsum(sizes)[:-1]])))
    rater = np.repeat(np.arange(len(chosen)), sizes)
    leverage = np.einsum("ni,nij,nj->n", each, found.covariances[rater], each) / prior.noise
    residual = (said - np.einsum("ni,ni->n", each, found.weights[rater])) / (1.0 - leverage)
    predicted = np.clip(said - residual, LOWEST, HIGHEST)
    order = np.argsort(predicted, kind="stable")
    return replace(prior, cuts=_cuts(predicted[order], said[order]))


def _cuts(predicted: Floats, said: Floats) -> tuple[float, ...]:
    """Return for every step of the scale the prediction that parts those below from those above with fewest errors."""
    cuts = []
    for step in range(int(LOWEST), int(HIGHEST)):
        above = said > step
        # errors of a cut before each place: those above that lie before it, those below that lie behind it
        errors = np.concatenate([[0], np.cumsum(above)]) + np.concatenate([np.cumsum(~above[::-1])[::-1], [0]])
        best = int(np.argmin(errors))
        cuts.append(float(predicted[best]) if best < len(predicted) else HIGHEST + 1.0)
    return tuple(np.maximum.accumulate(cuts).tolist())
