"""The same model as plain scikit-learn parts: whoever doubts a score can check it without our kernels.

Only the normaliser and the division by the root of the count are functions of ours; `Reference` puts columns together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from shared.model.artifact import Model
from shared.model.paths import BUCKETS
from shared.model.text import normalise, tokens
from shared.vocabulary import CATEGORIES


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


class Reference(BaseEstimator):  # type: ignore[misc]
    """A whole model as one scikit-learn estimator: a text in; twelve probabilities, their maximum and a flag out.

    `scorers` and `calibrators` hold a LogisticRegression per category of `categories`; unknown categories are NaN.
    """

    def __init__(
        self,
        features: Pipeline,
        categories: list[str],
        scorers: list[LogisticRegression],
        calibrators: list[LogisticRegression],
        thresholds: list[float],
    ) -> None:
        self.features = features
        self.categories = categories
        self.scorers = scorers
        self.calibrators = calibrators
        self.thresholds = thresholds

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: its numbers come from an artifact."""
        return True

    def predict(self, texts: pd.DataFrame) -> pd.DataFrame:
        """Return a row per row of a frame with the column `text`."""
        seen = self.features.transform([str(each) for each in texts["text"]])
        found = pd.DataFrame(np.nan, index=range(seen.shape[0]), columns=list(CATEGORIES))
        for category, scorer, calibrator in zip(self.categories, self.scorers, self.calibrators, strict=True):
            logits = np.asarray(scorer.decision_function(seen)).reshape(-1, 1)
            found[category] = calibrator.predict_proba(logits)[:, 1]
        flags = (found[self.categories] >= np.array(self.thresholds)).any(axis=1)
        return found.assign(overall=found.max(axis=1), flagged=flags)


def reference(model: Model) -> Reference:
    """Return a model as one estimator of scikit-learn's parts."""
    categories = list(model.categories)
    return Reference(
        features(),
        categories,
        [_head(model.weights[:, head], float(model.intercepts[head])) for head in range(len(categories))],
        [_head(np.array([slope]), float(offset)) for slope, offset in model.calibration],
        [float(model.thresholds[category]) for category in categories],
    )
