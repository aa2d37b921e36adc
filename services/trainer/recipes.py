"""Untrained pipelines by name, and how one becomes a model. The same examples and seed give the same scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from scipy.sparse import hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from services.trainer.runs import RecipeName
from shared.model import Model
from shared.vocabulary import CATEGORIES

FEWEST = 5
"""A category with fewer examples of either class gets no head: it stays unknown."""
WORDS, CHARACTERS = 2**15, 2**18
"""Cells of each kind; most stay empty, so that the packed artifact has about 2 MB."""
FLAGGED_AT = 0.5


class TooLittleData(ValueError):
    """No category has enough examples of both classes."""


@dataclass(frozen=True)
class Recipe:
    """How texts become features, and what learns one category from them (made from a seed)."""

    vectorizers: Callable[[], tuple[HashingVectorizer, ...]]
    head: Callable[[int], LogisticRegression]


def _words_and_characters() -> tuple[HashingVectorizer, ...]:
    """Words say what, pieces of words survive spelling and Dutch compounds.

    Both are hashed: an artifact outlives posts it learned from that are erased later, and a vocabulary would quote
    them. Inverse document frequencies were tried and gained nothing.
    """
    common: dict[str, Any] = {"norm": "l2", "alternate_sign": False, "dtype": np.float32}
    return (
        HashingVectorizer(n_features=WORDS, ngram_range=(1, 2), **common),
        HashingVectorizer(n_features=CHARACTERS, analyzer="char_wb", ngram_range=(2, 5), **common),
    )


def _balanced(seed: int) -> LogisticRegression:
    return LogisticRegression(C=30.0, solver="liblinear", class_weight="balanced", random_state=seed)


RECIPES: Mapping[RecipeName, Recipe] = {"linear": Recipe(_words_and_characters, _balanced)}
"""Name -> recipe."""


def fit(name: RecipeName, table: pd.DataFrame, *, seed: int, facts: Mapping[str, Any]) -> Model:
    """Return a model of the examples in `table`, one head per category fitted on the rows that know it.

    Raises TooLittleData if no category has five examples of both classes.
    """
    recipe = RECIPES[name]
    vectorizers = recipe.vectorizers()
    taught = [category for category in CATEGORIES if _enough(table[category])]
    if not taught:
        raise TooLittleData(f"no category has {FEWEST} examples of both classes")
    texts = table["text"].tolist()
    features = hstack([each.transform(texts) for each in vectorizers], format="csr")
    weight = table["weight"].to_numpy(float)
    heads = []
    for category in taught:
        label = table[category].to_numpy(float)
        known = np.flatnonzero(~np.isnan(label))
        head = recipe.head(seed)
        heads.append(head.fit(features[known], label[known].astype(int), sample_weight=weight[known]))
    return Model(
        vectorizers=vectorizers,
        categories=tuple(taught),
        weights=np.vstack([head.coef_[0] for head in heads]).T.astype(np.float32),
        intercepts=np.array([head.intercept_[0] for head in heads], np.float32),
        thresholds=dict.fromkeys(taught, FLAGGED_AT),
        facts={"recipe": name, "seed": seed, "scikit_learn": sklearn.__version__, **facts},
    )


def _enough(labels: pd.Series) -> bool:
    return bool((labels == 1).sum() >= FEWEST and (labels == 0).sum() >= FEWEST)
