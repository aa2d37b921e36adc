"""How much of a difference between two models chance explains. Pure.

Rows are drawn with what they belong to (`Frozen.units`): eight fillings of one pattern move together, and drawing them
one by one would call a single sentence a trend (Field and Welsh 2007, "Bootstrapping clustered data").

Invariant: the same units and seed draw the same resamples.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

AT_ONCE = 2_000_000
"""Units drawn at a time."""


class Draws:
    """Resamples of units, drawn once and used for every figure."""

    def __init__(self, units: Places, resamples: int, seed: int) -> None:
        self._units = units
        self._count = int(units.max()) + 1 if len(units) else 0
        self._resamples = resamples
        self._seed = seed

    def interval(self, rows: Numbers, figure: Callable[[Numbers], Numbers]) -> tuple[float, float] | None:
        """Return the 95 % interval of a figure of sums.

        `rows` (n, k) is summed over each resample to (resamples, k), of which `figure` makes one number each; NaN
        where a resample says nothing. None if none says anything.
        """
        told = self._told(rows, figure)
        if told is None:
            return None
        low, high = np.quantile(told, [0.025, 0.975])
        return float(low), float(high)

    def error(self, rows: Numbers, figure: Callable[[Numbers], Numbers]) -> float | None:
        """Return the standard error of a figure of sums (see `interval`): the deviation over resamples."""
        told = self._told(rows, figure)
        return None if told is None else float(told.std(ddof=1)) if len(told) > 1 else None

    def _told(self, rows: Numbers, figure: Callable[[Numbers], Numbers]) -> Numbers | None:
        # of what no resample can change there is no need to draw
        sums = np.stack([np.bincount(self._units, weights=column, minlength=self._count) for column in rows.T], axis=1)
        touched = np.flatnonzero(sums.any(axis=1))
        if not len(touched):
            return None
        sums, count = sums[touched], len(touched)
        random, found = np.random.default_rng(self._seed), []
        each = max(1, AT_ONCE // count)
        for start in range(0, self._resamples, each):
            some = min(each, self._resamples - start)
            drawn = random.integers(0, count, (some, count), dtype=np.int32)
            at = drawn + np.arange(some, dtype=np.int32)[:, None] * np.int32(count)
            times = np.bincount(at.ravel(), minlength=some * count).reshape(some, count)
            found.append(figure(times.astype(np.float64) @ sums))
        told = np.concatenate(found)
        told = told[~np.isnan(told)]
        return told if len(told) else None


def quantile(comparisons: int, share: float = 0.05) -> float:
    """Return how many standard errors one of so many comparisons must differ by, for `share` of all to be wrong.

    Bonferroni's rule: a thousand slices are looked at, and one in twenty would stand out by itself.
    """
    return NormalDist().inv_cdf(1 - share / max(comparisons, 1))


def mean_and_error(differences: Numbers, units: Places) -> tuple[float, float, int]:
    """Return the mean of differences (n,), its standard error over units, and how many units there are."""
    _, place = np.unique(units, return_inverse=True)
    sums, sizes = np.bincount(place, weights=differences), np.bincount(place)
    count, n = len(sizes), len(differences)
    mean = float(differences.mean())
    if count < 2:
        return mean, float("inf"), count
    spread = float(((sums - mean * sizes) ** 2).sum()) * count / (count - 1)
    return mean, spread**0.5 / n, count
