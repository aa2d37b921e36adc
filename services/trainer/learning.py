"""How the table of a hashed model learns: AdaGrad over rows whose labels are masked one by one.

The same vectors, labels and seed give the same bytes on the same kind of processor. Source of the numbers: learning.md
section 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FIRST_STEP_WEIGHTS, FIRST_STEP_INTERCEPTS = 0.01, 1.0
"""What the sums of squared gradients begin with: the smaller, the larger the first steps."""
ROTATION = 7919
"""Rows by which the order of one epoch is shifted against the one before."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how fast a table learns. With `intercepts` frozen a biased set of rows cannot move base rates."""

    epochs: int = 3
    rate: float = 0.3
    l2: float = 1e-6
    seed: int = 0
    intercepts: bool = True


@dataclass(frozen=True, slots=True)
class Material:
    """Vectors by rows (CSR parts) and, per row and category, a label and a weight; weight 0 is a label nobody knows."""

    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """A table (buckets, heads), intercepts (heads,) and the squared gradients (buckets, heads) that led there."""

    table: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    squares: NDArray[np.float32]


Watch = Callable[[int, Learned], None]
"""Sees, after each epoch (from 0), what is known by then; it changes nothing and may raise to end the learning."""


def nothing(buckets: int, heads: int) -> Learned:
    """Return what is known before the first row."""
    shape = (buckets, heads)
    return Learned(
        np.zeros(shape, np.float32), np.zeros(heads, np.float32), np.full(shape, FIRST_STEP_WEIGHTS, np.float32)
    )


def learn(start: Learned, material: Material, pace: Pace, watch: Watch | None = None) -> Learned:
    """Return what is known after learning; what is given stays as it is. `watch` sees every epoch's end."""
    table, intercepts, squares = (np.array(each, np.float32) for each in (start.table, start.intercepts, start.squares))
    intercept_squares = np.full(intercepts.shape, FIRST_STEP_INTERCEPTS, np.float32)
    order = np.random.default_rng(pace.seed).permutation(len(material.labels))
    epoch = _compiled() if find_spec("numba") else _epoch
    for turn in range(pace.epochs):
        epoch(
            np.roll(order, -ROTATION * turn),
            material.indices,
            material.values,
            material.starts,
            material.labels,
            material.weights,
            table,
            intercepts,
            squares,
            intercept_squares,
            np.float32(pace.rate),
            np.float32(pace.l2),
            pace.intercepts,
        )
        if watch is not None:
            watch(turn, Learned(table, intercepts, squares))
    return Learned(table, intercepts, squares)


def material(vectors: "csr_matrix", labels: NDArray[np.float64], weights: NDArray[np.float64]) -> Material:
    """Return rows to learn from: vectors (rows, buckets), labels (rows, heads) with NaN for unknown, weights alike."""
    known = ~np.isnan(labels)
    return Material(
        vectors.indices.astype(np.int32),
        vectors.data.astype(np.float32),
        vectors.indptr.astype(np.int64),
        np.nan_to_num(labels).astype(np.float32),
        np.where(known, weights, 0.0).astype(np.float32),
    )


def _epoch(
    order: Any,
    indices: Any,
    values: Any,
    starts: Any,
    labels: Any,
    weights: Any,
    table: Any,
    intercepts: Any,
    squares: Any,
    intercept_squares: Any,
    rate: Any,
    l2: Any,
    free: bool,
) -> None:
    """One pass over all rows with numpy: what serves where numba is not there, and says what it compiles."""
    for row in order:
        mine = slice(starts[row], starts[row + 1])
        buckets, value = indices[mine], values[mine]
        logits = intercepts + value @ table[buckets]
        error = weights[row] * (1 / (1 + np.exp(-logits)) - labels[row])
        taught = np.flatnonzero(weights[row])
        at = np.ix_(buckets, taught)
        gradient = np.outer(value, error[taught]) + l2 * table[at]
        squares[at] += gradient * gradient
        table[at] -= rate * gradient / np.sqrt(squares[at])
        if free:
            intercept_squares[taught] += error[taught] ** 2
            intercepts[taught] -= rate * error[taught] / np.sqrt(intercept_squares[taught])


def _compiled() -> Callable[..., None]:
    from services.trainer.learning_kernel import epoch  # takes numba, which is an extra

    return epoch
