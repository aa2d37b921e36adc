"""The artifact contract between trainer and classifier: a skops file of plain scikit-learn parts.

A model is a few text vectorisers side by side and one logistic head per category it knows. Only types on TRUSTED
are loaded.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
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

STOP_WORDS = "_stop_words_id"
"""Where scikit-learn notes the memory address of a vectoriser's stop words; it does without."""


@dataclass(frozen=True)
class Model:
    """A trained scorer. `weights` has shape (features of all vectorisers, categories), `intercepts` (categories,)."""

    vectorizers: tuple[Any, ...]
    categories: tuple[str, ...]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    thresholds: dict[str, float]
    facts: dict[str, Any]

    def __post_init__(self) -> None:
        # by rows: otherwise every product with a sparse matrix copies all weights first
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.float32))

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities of shape (texts, 12) in the order of CATEGORIES; NaN where the model knows nothing."""
        scores = np.full((len(texts), len(CATEGORIES)), np.nan)
        if texts:
            columns = [CATEGORIES.index(category) for category in self.categories]
            scores[:, columns] = expit(self._logits(texts))
        return scores

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # what scikit-learn's FeatureUnion does, without the millisecond it takes for a single text
        logits, start = np.tile(self.intercepts, (len(texts), 1)), 0
        for vectorizer in self.vectorizers:
            features: csr_matrix = vectorizer.transform(texts)
            end = start + features.shape[1]
            logits += features @ self.weights[start:end]
            start = end
        return logits


def dump(model: Model) -> bytes:
    """Return the artifact of a model; equal models give equal bytes, and so the same content address."""
    return _canonical(
        skops.io.dumps(
            {
                "format": FORMAT,
                "vectorizers": list(model.vectorizers),
                "categories": list(model.categories),
                "weights": model.weights.astype(np.float32),
                "intercepts": model.intercepts.astype(np.float32),
                "thresholds": dict(model.thresholds),
                "facts": dict(model.facts),
            }
        )
    )


def _canonical(data: bytes) -> bytes:
    """Return a skops file without what differs from process to process: memory addresses and the time of day."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    numbers: dict[str, int] = {}

    def numbered(node: Any) -> Any:
        if isinstance(node, list):
            return [numbered(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers))
        if isinstance(node.get("file"), str):
            address, _, kind = node["file"].partition(".")
            name = f"{numbers.setdefault(address, len(numbers))}.{kind}"
            parts[name] = parts.pop(node["file"])
            node["file"] = name
        return {key: numbered(value) for key, value in node.items() if key != STOP_WORDS}

    parts["schema.json"] = orjson.dumps(numbered(orjson.loads(parts["schema.json"])))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(parts):
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), parts[name], zipfile.ZIP_DEFLATED)
    return made.getvalue()


def load(data: bytes) -> Model:
    """Return the model of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        parts: Mapping[str, Any] = skops.io.loads(data, trusted=list(TRUSTED))
        if parts["format"] != FORMAT:
            raise BadArtifact("made by another version")
        categories = tuple(str(category) for category in parts["categories"])
        weights, intercepts = parts["weights"], parts["intercepts"]
        known = bool(categories) and set(categories) <= set(CATEGORIES)
        if not known or not weights.shape[1:] == intercepts.shape == (len(categories),):
            raise BadArtifact("categories and weights do not fit")
        return Model(
            tuple(parts["vectorizers"]),
            categories,
            weights,
            intercepts,
            dict(parts["thresholds"]),
            dict(parts["facts"]),
        )
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a model of ours ({type(error).__name__})") from error
