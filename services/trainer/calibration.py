"""From logits to probabilities that mean what they say, and the thresholds from which a category flags. Pure.

Sources: Platt 1999 (one slope and one offset per category); learning.md section 6 for what the rules are worth.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

LEAST, MOST = 0.05, 0.95
"""Between these a threshold stays."""
BINS = 15
"""Equal-width bins of the calibration error."""

Numbers = NDArray[np.float64]


def platt(logits: Numbers, labels: Numbers, base_rate: float) -> tuple[float, float]:
    """Return slope and offset for one category, its classes weighted as if `base_rate` of all posts were positive."""
    share = float(labels.mean())
    weight = np.where(labels == 1, base_rate / share, (1 - base_rate) / (1 - share))
    head = LogisticRegression(C=10.0).fit(logits[:, None], labels.astype(int), sample_weight=weight)
    return float(head.coef_[0, 0]), float(head.intercept_[0])


def threshold(probabilities: Numbers, labels: Numbers) -> float:
    """Return the threshold of the best balanced accuracy, 0.05 to 0.95: both classes count alike.

    Of equals the middle one counts, so that one row more or less moves it little.
    """
    steps = np.round(np.arange(LEAST, MOST + 0.005, 0.01), 2)
    positive, negative = probabilities[labels == 1], probabilities[labels == 0]
    found = np.array([(positive >= step).mean() + (negative < step).mean() for step in steps])
    best = np.flatnonzero(found >= found.max() - 1e-9)
    return float(steps[best[len(best) // 2]])


def rare(probabilities: Numbers, share: float) -> float:
    """Return the threshold that at most `share` of these probabilities reach, in hundredths, 0.05 to 0.95."""
    limit = float(np.quantile(probabilities, 1 - share))
    return min(max(float(np.ceil(limit * 100 + 1e-9) / 100), LEAST), MOST)


def calibration_error(probabilities: Numbers, labels: Numbers, weights: Numbers | None = None) -> float:
    """Return the expected calibration error: 15 equal-width bins weighted by count (or by the weights given)."""
    weight = np.ones(len(labels)) if weights is None else weights
    at = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    error = 0.0
    for each in range(BINS):
        mine = at == each
        if weight[mine].sum() > 0:
            gap = np.average(probabilities[mine], weights=weight[mine]) - np.average(labels[mine], weights=weight[mine])
            error += float(weight[mine].sum() / weight.sum()) * abs(float(gap))
    return error
