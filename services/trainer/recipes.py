"""Recipes by name, and how examples become a model. The same examples and seed give the same scores.

`hashed` is the table of shared.model learned by AdaGrad; `sgd` and `logistic` are scikit-learn's heads on the same
vectors, to compare with. A model is made from nothing (`fit`: what the shipped one comes from) or goes on from another
one (`replay`: what corrections do).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer import replaying
from services.trainer.heads import fit_heads
from services.trainer.hyper import HYPER, Hyper
from services.trainer.learning import Learned, Pace, Watch, learn, material, nothing
from services.trainer.replaying import AS_IT_IS, FLAGGED_AT
from services.trainer.runs import RecipeName
from shared.model import Model
from shared.model.paths import BUCKETS, Path, best, vectors
from shared.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FEWEST = 5
"""A category with fewer examples of either class gets no head: it stays unknown."""
MANY = 10
"""Corrections from which a refit that goes on from another model has to go gently: more of them move what was known."""
FIRM = Pace(epochs=5, rate=0.3, intercepts=False)
"""How it goes with fewer: a handful moves little, and shall be seen to be learned."""
GENTLE, STEADY, HEAVIEST, GROUND = Pace(epochs=5, rate=0.1, intercepts=False), 25, 3.0, 5_000
"""How such a refit goes, beside how many older examples each, what a correction weighs at most, and how many older
examples go over again however few were corrected: so 20, 200 and 2,000 corrections of wrong scores pass the gate. At
rate 0.3 and weight 10 beside 5 each it refuses 20 (decision 0025)."""


class TooLittleData(ValueError):
    """No category has enough examples of both classes."""


def fit(
    name: RecipeName,
    table: pd.DataFrame,
    *,
    facts: Mapping[str, Any],
    hyper: Hyper = HYPER,
    weights: NDArray[np.float64] | None = None,
    path: Path | None = None,
    watch: Watch | None = None,
) -> Model:
    """Return a model of the examples in `table`, uncalibrated; categories without five of each class stay unknown.

    `weights` (rows, 12) overrides the table's one weight per row; `watch` sees the epochs of a recipe that has any.
    Raises TooLittleData if there is no such category.
    """
    path = path or best()
    taught = teachable(table)
    if not taught:
        raise TooLittleData(f"no category has {FEWEST} examples of both classes")
    columns = [CATEGORIES.index(category) for category in taught]
    each = _weights(table) if weights is None else weights
    seen = vectors(path, table["text"].tolist())
    learned = taught_by(name, seen, table[taught].to_numpy(float), each[:, columns], hyper, watch)
    return Model(
        tuple(taught),
        learned.table,
        learned.intercepts,
        np.tile(AS_IT_IS, (len(taught), 1)),
        dict.fromkeys(taught, FLAGGED_AT),
        {"recipe": name, "seed": hyper.pace.seed, **facts},
        np.median(learned.squares, axis=1),
        path,
    )


def teachable(table: pd.DataFrame) -> list[str]:
    """Return the categories with five examples of either class, in the order of CATEGORIES."""
    return [category for category in CATEGORIES if _enough(table[category])]


def taught_by(
    name: RecipeName,
    seen: "csr_matrix",
    labels: NDArray[np.float64],
    weights: NDArray[np.float64],
    hyper: Hyper,
    watch: Watch | None = None,
) -> Learned:
    """Return what a recipe learns from vectors (rows, buckets), labels and weights (rows, heads), NaN for unknown."""
    if name == "hashed":
        return learn(nothing(BUCKETS, labels.shape[1]), material(seen, labels, weights), hyper.pace, watch)
    return fit_heads(name, seen, labels, weights, hyper)


def replay(start: Model, table: pd.DataFrame, *, seed: int, facts: Mapping[str, Any]) -> Model:
    """Return `start` after learning the corrections in `table`, each beside older examples of it."""
    corrected = table["source"] == "correction"
    gently = corrected.sum() >= MANY
    pace, beside = (GENTLE, STEADY) if gently else (FIRM, replaying.REPLAYED)
    if gently:
        beside = max(beside, -(-GROUND // int(corrected.sum())))
    many = min(int((~corrected).sum()), beside * int(corrected.sum()))
    older = table[~corrected].sample(many, random_state=seed).sort_index()
    taught, old = (replaying.rows_of(rows, start.path) for rows in (table[corrected], older))
    if gently:
        taught = replace(taught, weights=np.minimum(taught.weights, HEAVIEST))
    return replaying.replay(start, taught, old, seed=seed, facts=facts, pace=pace, beside=beside)


def _weights(table: pd.DataFrame) -> NDArray[np.float64]:
    names = [f"weight_{category}" for category in CATEGORIES]
    if names[0] in table:
        return table[names].to_numpy(float)
    return np.tile(table["weight"].to_numpy(float)[:, None], (1, len(CATEGORIES)))


def _enough(labels: pd.Series) -> bool:
    return bool((labels == 1).sum() >= FEWEST and (labels == 0).sum() >= FEWEST)
