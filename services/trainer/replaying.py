"""What a correction does within a second: the model in force goes over it again, beside older rows, on a copy. Pure.

Invariant: what is given stays as it is; intercepts and calibration stay, because people correct what is wrong and so
say nothing about base rates. The same model, rows and seed give the same bytes. Numbers: docs/decisions/0028.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.hyper import UNTRAINED
from services.trainer.labels import Lesson
from services.trainer.learning import Learned, Pace, learn, material, nothing
from services.trainer.rows import STRONG, WEAK
from shared.model import Model
from shared.model.paths import BUCKETS, Path, vectors
from shared.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PACE = Pace(epochs=5, rate=0.15, intercepts=False)
WEIGHT = 3.0
"""What a correction weighs; an older row weighs what it weighed at first."""
REPLAYED = 5
"""Older rows, with all their labels, that go over again with each correction, so that what was known stays known."""
EARLIER_EACH, EARLIER_LEAST, EARLIER = 4, 100, 1_000
"""Corrections learned since the last full training that go over again, else each replay forgets those before it: so
many for each new one, at least, at most. All each time would drown the rest where corrections come one by one."""
NEW_HEAD = 50
"""Examples of either class from which a model learns a category it did not know: fewer say nothing about a gate."""
FLAGGED_AT = 0.5
AS_IT_IS = (1.0, 0.0)
"""Slope and offset that leave a logit as it is."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What can be gone over: vectors (rows, 2**18), labels (rows, 12) with NaN for unknown, and weights alike."""

    vectors: "csr_matrix"
    labels: Numbers
    weights: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, places: NDArray[np.int64]) -> "Rows":
        """Return some of the rows."""
        return Rows(self.vectors[places], self.labels[places], self.weights[places])


def rows_of(table: pd.DataFrame, path: Path) -> Rows:
    """Return examples (columns as services.trainer.sets.mix makes them) as rows."""
    labels = table[list(CATEGORIES)].to_numpy(float)
    if "weight" in table:
        weights = np.tile(table["weight"].to_numpy(float)[:, None], (1, len(CATEGORIES)))
    else:
        weights = table[[f"weight_{category}" for category in CATEGORIES]].to_numpy(float)
    return Rows(vectors(path, table["text"].tolist()), labels, weights)


def said_rows(taught: Sequence[Lesson], path: Path) -> Rows:
    """Return corrected texts with what people said of them as rows; a guess weighs half of a clear word."""
    labels, weights = np.full((len(taught), len(CATEGORIES)), np.nan), np.zeros((len(taught), len(CATEGORIES)))
    for row, lesson in enumerate(taught):
        weights[row] = WEIGHT * (WEAK if lesson.weak else STRONG)
        for category, label in lesson.labels.items():
            labels[row, CATEGORIES.index(category)] = label
    return Rows(vectors(path, [lesson.text for lesson in taught]), labels, weights)


def joined(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, one after the other."""
    from scipy.sparse import vstack

    some = [part for part in parts if len(part)] or list(parts[:1])
    return Rows(
        vstack([part.vectors for part in some], format="csr"),
        np.concatenate([part.labels for part in some]),
        np.concatenate([part.weights for part in some]),
    )


def drawn(rows: Rows, many: int, seed: int) -> Rows:
    """Return so many rows drawn without repetition, in their order; all of them if there are no more."""
    if many >= len(rows):
        return rows
    places = np.random.default_rng(seed).choice(len(rows), many, replace=False)
    return rows.only(np.sort(places))


def replay(
    start: Model,
    corrected: Rows,
    older: Rows,
    *,
    seed: int,
    facts: Mapping[str, Any],
    earlier: Rows | None = None,
    pace: Pace = PACE,
    beside: int = REPLAYED,
) -> Model:
    """Return `start` after learning what was corrected, each beside so many older rows; what it got right stays.

    `earlier` are corrections it has learned since the last full training. A category it did not know gets a head once
    what is gone over holds 50 examples of each class, unless nobody can answer for it yet.
    """
    parts = [corrected]
    if earlier is not None and len(earlier):
        parts.append(drawn(earlier, min(EARLIER, max(EARLIER_LEAST, EARLIER_EACH * len(corrected))), seed))
    again = sum(map(len, parts)) - len(corrected)
    rows = joined([*parts, drawn(older, beside * len(corrected) + again, seed)])
    answered = {*start.categories, *UNTRAINED}
    unknown = [at for at, category in enumerate(CATEGORIES) if category not in answered]
    new = tuple(CATEGORIES[at] for at in unknown if _enough(rows.labels[:, at]))
    known = (*start.categories, *new)
    columns = [CATEGORIES.index(category) for category in known]
    learned = learn(
        _widened(start, len(known)),
        material(rows.vectors, rows.labels[:, columns], rows.weights[:, columns]),
        replace(pace, seed=seed),
    )
    touched = np.zeros(BUCKETS, bool)
    touched[rows.vectors.indices] = True
    squares = start.squares.copy()
    squares[touched] = np.median(learned.squares[touched], axis=1)
    return Model(
        known,
        learned.table,
        learned.intercepts,
        np.vstack([start.calibration, *(AS_IT_IS for _ in new)]),
        {**start.thresholds, **dict.fromkeys(new, FLAGGED_AT)},
        {**start.facts, "seed": seed, **facts},
        squares,
        start.path,
    )


def half_step(before: Model, after: Model) -> Model:
    """Return the model half way from `before` to `after`: what is tried where the whole step costs too much elsewhere.

    A category that `before` did not know goes all the way.
    """
    weights = np.array(after.weights)
    heads = len(before.categories)
    weights[:, :heads] = before.weights + (after.weights[:, :heads] - before.weights) / 2
    return replace(after, weights=weights)


def _widened(start: Model, heads: int) -> Learned:
    """Return what a model knows, with room for more heads."""
    known = nothing(BUCKETS, heads)
    table, intercepts = known.table, known.intercepts
    table[:, : len(start.categories)] = start.weights
    intercepts[: len(start.categories)] = start.intercepts
    squares = np.maximum(known.squares, start.squares.astype(np.float32)[:, None])
    return Learned(table, intercepts, squares)


def _enough(labels: Numbers) -> bool:
    return bool((labels == 1).sum() >= NEW_HEAD and (labels == 0).sum() >= NEW_HEAD)
