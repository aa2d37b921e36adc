"""The reference recipes: one scikit-learn head per category on the vectors of shared.model, labels masked. Pure.

The same vectors, labels, weights and seed give the same table. Source of the numbers: learning.md section 4.
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, SGDClassifier

from services.trainer.hyper import Hyper
from services.trainer.learning import FIRST_STEP_WEIGHTS, Learned

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

HeadName = Literal["sgd", "logistic"]

ROUNDS = 6
"""Times `sgd` goes over all rows."""
TOLERANCE = 1e-2
"""Where `logistic` stops; liblinear needs minutes more for what nobody sees."""

Numbers = NDArray[np.float64]


def fit_heads(name: HeadName, vectors: "csr_matrix", labels: Numbers, weights: Numbers, hyper: Hyper) -> Learned:
    """Return what the heads learned from vectors (rows, buckets), labels and weights (rows, heads), NaN for unknown."""
    count = labels.shape[1]
    table = np.zeros((vectors.shape[1], count), np.float32)
    intercepts = np.zeros(count, np.float32)
    squares = np.full(table.shape, FIRST_STEP_WEIGHTS, np.float32)
    for at in range(count):
        known = np.flatnonzero(~np.isnan(labels[:, at]) & (weights[:, at] > 0))
        mine, truth, weight = vectors[known], labels[known, at], weights[known, at]
        head = _head(name, hyper).fit(mine, truth.astype(int), sample_weight=weight)
        table[:, at], intercepts[at] = head.coef_[0], head.intercept_[0]
        # what one pass over the rows leaves in AdaGrad's sums, so that corrections go on at the same pace
        error = weight * (head.predict_proba(mine)[:, 1] - truth)
        squares[:, at] += mine.power(2).T @ (error * error)
    return Learned(table, intercepts, squares)


def _head(name: HeadName, hyper: Hyper) -> Any:
    seed = hyper.pace.seed
    if name == "sgd":
        return SGDClassifier("log_loss", alpha=hyper.alpha, max_iter=ROUNDS, tol=None, random_state=seed)
    return LogisticRegression(C=hyper.c, solver="liblinear", tol=TOLERANCE, random_state=seed)
