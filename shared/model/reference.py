"""The same model as plain scikit-learn parts: whoever doubts a score can check it without our kernels.

Only the normaliser and the division by the root of the count are functions of ours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from shared.model.artifact import Model
from shared.model.paths import BUCKETS
from shared.model.text import normalise, tokens


def features() -> Pipeline:
    """Return texts → vectors: normalise, hash, divide by the root of the number of tokens."""
    return Pipeline(
        [
            ("normalise", FunctionTransformer(_normalised)),
            (
                "hash",
                HashingVectorizer(
                    analyzer=tokens, n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
                ),
            ),
            ("scale", FunctionTransformer(_scaled)),
        ]
    )


def pipelines(model: Model) -> dict[str, tuple[Pipeline, LogisticRegression]]:
    """Return category -> a pipeline whose decision_function is the logit, and the head that calibrates it."""
    seen = features()
    made = {}
    for head, category in enumerate(model.categories):
        scorer = _head(model.weights[:, head], float(model.intercepts[head]))
        slope, offset = model.calibration[head]
        made[category] = (Pipeline([*seen.steps, ("score", scorer)]), _head(np.array([slope]), float(offset)))
    return made


def probabilities(heads: dict[str, tuple[Pipeline, LogisticRegression]], texts: Sequence[str]) -> NDArray[np.float64]:
    """Return calibrated probabilities of shape (texts, categories)."""
    columns = []
    for scorer, calibrator in heads.values():
        logits = np.asarray(scorer.decision_function(texts)).reshape(-1, 1)
        columns.append(calibrator.predict_proba(logits)[:, 1])
    return np.stack(columns, axis=1)


def _normalised(texts: Sequence[str]) -> list[str]:
    return [normalise(text) for text in texts]


def _scaled(counts: csr_matrix) -> csr_matrix:
    totals = np.asarray(counts.sum(axis=1)).ravel()
    return diags(1.0 / np.sqrt(np.maximum(totals, 1.0))) @ counts


def _head(weights: NDArray[Any], intercept: float) -> LogisticRegression:
    head = LogisticRegression()
    head.classes_ = np.array([0, 1])
    head.coef_ = np.asarray(weights, np.float64).reshape(1, -1)
    head.intercept_ = np.array([intercept])
    return head
