"""Recipes by name, and how examples become a model. The same examples and seed give the same scores.

`hashed` is the table of shared.model learned by AdaGrad; `sgd` and `logistic` are scikit-learn's heads on the same
vectors, to compare with. A model is made from nothing (`fit`: what the shipped one comes from) or goes on from another
one (`replay`: what corrections do).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.heads import fit_heads
from services.trainer.hyper import HYPER, Hyper
from services.trainer.learning import Learned, Pace, Watch, learn, material, nothing
from services.trainer.runs import RecipeName
from shared.model import Model
from shared.model.paths import BUCKETS, Path, best, vectors
from shared.vocabulary import CATEGORIES

FEWEST = 5
"""A category with fewer examples of either class gets no head: it stays unknown."""
FLAGGED_AT = 0.5
AS_IT_IS = (1.0, 0.0)
"""Slope and offset that leave a logit as it is."""
NEW_HEAD = 50
"""Examples of either class from which a model learns a category it did not know: fewer say nothing about a gate."""
REPLAYED = 10
"""Older examples that go over again with each correction, so that what was known stays known."""
REPLAY = Pace(epochs=5, rate=0.5, intercepts=False)
"""People correct what is wrong: their corrections say nothing about base rates, so intercepts stay."""


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
    taught = [category for category in CATEGORIES if _enough(table[category])]
    if not taught:
        raise TooLittleData(f"no category has {FEWEST} examples of both classes")
    columns = [CATEGORIES.index(category) for category in taught]
    each = _weights(table) if weights is None else weights
    seen, labels, mine = vectors(path, table["text"].tolist()), table[taught].to_numpy(float), each[:, columns]
    if name == "hashed":
        learned = learn(nothing(BUCKETS, len(taught)), material(seen, labels, mine), hyper.pace, watch)
    else:
        learned = fit_heads(name, seen, labels, mine, hyper)
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


def replay(start: Model, table: pd.DataFrame, *, seed: int, facts: Mapping[str, Any]) -> Model:
    """Return `start` after learning the corrections in `table`, each with ten older examples; what it got right stays.

    A category it did not know gets a head once what is gone over holds 50 examples of each class.
    """
    rows = _replayed(table, seed)
    unknown = (category for category in CATEGORIES if category not in start.categories)
    new = tuple(category for category in unknown if _enough(rows[category], NEW_HEAD))
    known = (*start.categories, *new)
    columns = [CATEGORIES.index(category) for category in known]
    learned = learn(
        _widened(start, len(known)),
        material(
            vectors(start.path, rows["text"].tolist()), rows[list(known)].to_numpy(float), _weights(rows)[:, columns]
        ),
        Pace(REPLAY.epochs, REPLAY.rate, REPLAY.l2, seed, REPLAY.intercepts),
    )
    return Model(
        known,
        learned.table,
        learned.intercepts,
        np.vstack([start.calibration, *(AS_IT_IS for _ in new)]),
        {**start.thresholds, **dict.fromkeys(new, FLAGGED_AT)},
        {**start.facts, "seed": seed, **facts},
        np.median(learned.squares, axis=1),
        start.path,
    )


def _replayed(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the corrections and ten drawn older examples for each."""
    corrected = table["source"] == "correction"
    older = table[~corrected]
    drawn = older.sample(min(len(older), REPLAYED * int(corrected.sum())), random_state=seed)
    return pd.concat([table[corrected], drawn.sort_index()], ignore_index=True)


def _widened(start: Model, heads: int) -> Learned:
    """Return what a model knows, with room for more heads."""
    known = nothing(BUCKETS, heads)
    table, intercepts = known.table, known.intercepts
    table[:, : len(start.categories)] = start.weights
    intercepts[: len(start.categories)] = start.intercepts
    squares = np.maximum(known.squares, start.squares.astype(np.float32)[:, None])
    return Learned(table, intercepts, squares)


def _weights(table: pd.DataFrame) -> NDArray[np.float64]:
    names = [f"weight_{category}" for category in CATEGORIES]
    if names[0] in table:
        return table[names].to_numpy(float)
    return np.tile(table["weight"].to_numpy(float)[:, None], (1, len(CATEGORIES)))


def _enough(labels: pd.Series, fewest: int = FEWEST) -> bool:
    return bool((labels == 1).sum() >= fewest and (labels == 0).sum() >= fewest)
