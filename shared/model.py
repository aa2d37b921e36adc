"""The artifact contract between trainer and classifier: a skops file of plain scikit-learn parts.

A model is a text vectoriser and one logistic head per category it knows. Only types on TRUSTED are loaded.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit

from shared.artifacts import BadArtifact
from shared.vocabulary import CATEGORIES

NAME = "ombud-scorer"
FORMAT = 1
TRUSTED: tuple[str, ...] = ("scipy.sparse._csr.csr_matrix",)
"""Types beyond skops' own defaults that an artifact may hold."""


@dataclass(frozen=True)
class Model:
    """A trained scorer. `weights` has shape (features, categories) and `intercepts` (categories,)."""

    vectorizer: Any
    categories: tuple[str, ...]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    thresholds: dict[str, float]
    facts: dict[str, Any]

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities of shape (texts, 12) in the order of CATEGORIES; NaN where the model knows nothing."""
        scores = np.full((len(texts), len(CATEGORIES)), np.nan)
        if texts:
            features: csr_matrix = self.vectorizer.transform(texts)
            columns = [CATEGORIES.index(category) for category in self.categories]
            scores[:, columns] = expit(features @ self.weights + self.intercepts)
        return scores


def dump(model: Model) -> bytes:
    """Return the artifact of a model."""
    return bytes(
        skops.io.dumps(
            {
                "format": FORMAT,
                "vectorizer": model.vectorizer,
                "categories": list(model.categories),
                "weights": model.weights.astype(np.float32),
                "intercepts": model.intercepts.astype(np.float32),
                "thresholds": dict(model.thresholds),
                "facts": dict(model.facts),
            },
            compression=zipfile.ZIP_DEFLATED,
        )
    )


def load(data: bytes) -> Model:
    """Return the model of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        parts: Mapping[str, Any] = skops.io.loads(data, trusted=list(TRUSTED))
        if parts["format"] != FORMAT:
            raise BadArtifact("made by another version")
        categories = tuple(str(category) for category in parts["categories"])
        weights, intercepts = parts["weights"], parts["intercepts"]
        if not set(categories) <= set(CATEGORIES) or weights.shape[1] != len(categories) != 0 != len(intercepts):
            raise BadArtifact("categories and weights do not fit")
        return Model(
            parts["vectorizer"], categories, weights, intercepts, dict(parts["thresholds"]), dict(parts["facts"])
        )
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a model of ours ({type(error).__name__})") from error
