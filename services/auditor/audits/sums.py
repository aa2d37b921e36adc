"""Sums of a person's disagreement over groups of posts, from which every figure and interval of an audit follows.

What a model does not know of a person is mostly the same for all posts, their weights: so the posts' errors are taken
to move together, which can only make intervals wider. `SHIFTS` are the sds
by which a person is moved to see what then.
Invariant: rows are added up in their order, in double precision.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from services.auditor.audits.columns import Floats, Grouped
from services.auditor.audits.decisions import OVER, SHIFTS, UNDER, Side
from shared.chance import Z, score_bound

Wide = NDArray[np.float64]

PARTS = (1, 2, 4, 6, 11, 16, 21)
"""Where the parts of `Sums` begin among the measures, after the counts."""
DRAWS, SEED = 256, 20
"""Draws of (what the model does not know, what counting leaves open) in standard errors."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over k groups of posts: `n` (k,), `types` (k, 4) posts of each type, and sums of what differs.

    `signed` is user less system (k,), `spread` the sds (k,), `powers` second and fourth powers of the difference
    (k, 2), `cross` difference x sd and sd squared (k, 2); `absolute`, `under`, `over` stand at each of SHIFTS (k, 5),
    `expected` are the probabilities of under and over as the model has them (k, 2).
    """

    n: NDArray[np.int64]
    labelled: NDArray[np.int64]
    types: NDArray[np.int64]
    signed: Wide
    spread: Wide
    powers: Wide
    cross: Wide
    absolute: Wide
    under: Wide
    over: Wide
    expected: Wide


def sums(side: Side, order: NDArray[np.int64], starts: NDArray[np.int64]) -> Sums:
    """Return the sums over groups: the rows in `order` (m,), each group from one of `starts` (k,) to the next.

    No group is empty, and there is at least one; a row may be in several.
    """

    # no copy where the rows are all of them
    every = len(order) == len(side) and len(starts) == 1
    added = [np.add.reduceat(row if every else row[order], starts, dtype=np.float64) for row in side.measures]
    return _sums(added, np.diff(np.append(starts, len(order))))


def topic_sums(side: Side, grouped: Grouped) -> Sums:
    """Return the sums over topics, of which there is at least one: those of their rows, without a copy of them."""
    k = len(grouped.topics)
    added: list[Wide] = [np.bincount(grouped.codes, row, k + 1)[:k].astype(np.float64) for row in side.measures]
    return _sums(added, grouped.sizes)


def _sums(added: list[Wide], n: NDArray[np.int64]) -> Sums:
    columns = np.stack(added, axis=1)
    counts, parts = columns[:, :5].astype(np.int64), np.split(columns[:, 5:], PARTS, axis=1)
    return Sums(n, counts[:, 0], counts[:, 1:], parts[0][:, 0], parts[1][:, 0], *parts[2:])


@dataclass(frozen=True, eq=False)
class Bounded:
    """A figure of k groups with its 95 % interval, all (k,). Of one post it is all that is possible."""

    value: Wide
    low: Wide
    high: Wide


def signed_mean(found: Sums) -> Bounded:
    """Return the mean of user less system."""
    mean = found.signed / found.n
    error = _error(found.powers[:, 0] / found.n - mean * mean, found.n)
    half = Z * np.sqrt(error * error + (found.spread / found.n) ** 2)
    return _holding(mean, mean - half, mean + half, found.n, (-4.0, 4.0))


def mean_absolute(found: Sums) -> Bounded:
    """Return the mean distance of user and system, whatever they decide."""
    grid = found.absolute / found.n[:, None]
    mean = grid[:, SHIFTS.index(0.0)]
    error = _error(found.powers[:, 0] / found.n - mean * mean, found.n)
    shifts, luck = draws()
    return _quantiles(mean, _between(grid, shifts) + error[:, None] * luck, found.n, (0.0, 4.0))


def mean_square(found: Sums) -> Bounded:
    """Return the mean squared distance."""
    mean = found.powers[:, 0] / found.n
    error = _error(found.powers[:, 1] / found.n - mean * mean, found.n)
    shifts, luck = draws()
    cross, spread = (found.cross / found.n[:, None]).T
    drawn = np.maximum(mean[:, None] + 2.0 * cross[:, None] * shifts + spread[:, None] * shifts**2, 0.0)
    # a few posts lie far apart, so its luck is that of its logarithm
    drawn *= np.exp(error[:, None] * luck / np.maximum(mean, 1e-9)[:, None])
    return _quantiles(mean, drawn, found.n, (0.0, 16.0))


def shares(found: Sums) -> tuple[Bounded, Bounded, Bounded]:
    """Return the shares of under, over and agreement that the model expects, with intervals by Wilson and draws."""
    under, over = (found.expected / found.n[:, None]).T
    grids = [found.under / found.n[:, None], found.over / found.n[:, None]]
    grids.append(1.0 - grids[UNDER] - grids[OVER])
    values = (under, over, 1.0 - under - over)
    low, middle, high = (_share(value, grid, found.n) for value, grid in zip(values, grids, strict=True))
    return low, middle, high


def user_means(found: Sums, user: Floats, starts: NDArray[np.int64]) -> Bounded:
    """Return the mean of the person's side of each group; `user` (m,) are its values in the order of the sums."""
    values = user.astype(np.float64)
    mean = np.add.reduceat(values, starts) / found.n
    error = _error(np.add.reduceat(values * values, starts) / found.n - mean * mean, found.n)
    half = Z * np.sqrt(error * error + (found.spread / found.n) ** 2)
    return _holding(mean, mean - half, mean + half, found.n, (0.0, 4.0))


def toxic_shares(found: Sums, flagged: Wide) -> Bounded:
    """Return the share of each group that the person calls toxic, of which the system flags so many (k,)."""
    n = found.n.astype(np.float64)
    value = (found.expected[:, UNDER] + flagged - found.expected[:, OVER]) / n
    return _share(value, (found.under + flagged[:, None] - found.over) / n[:, None], found.n)


def _share(value: Wide, grid: Wide, n: NDArray[np.int64]) -> Bounded:
    shifts, luck = draws()
    likely = np.clip(_between(grid, shifts), 0.0, 1.0)
    drawn = score_bound(likely, n[:, None].astype(np.float64), luck)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
    value = np.clip(value, 0.0, 1.0)
    return Bounded(value, np.minimum(low, value), np.maximum(high, value))


@lru_cache(maxsize=1)
def draws() -> tuple[Wide, Wide]:
    """Return the draws, the same every time, (256,) each: what the model does not know, and the luck of counting.

    A Latin hypercube: each by itself has every quantile once. Source: McKay, Beckman and Conover 1979.
    """
    random, quantiles = np.random.default_rng(SEED), ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
    return random.permutation(quantiles), random.permutation(quantiles)


def _between(grid: Wide, shifts: Wide) -> Wide:
    """Return what a figure known at SHIFTS (k, 5) is at other shifts, by the parabola of the nearest three: (k, draws).

    Straight lines would cut off the bottom of a mean distance.
    """
    apart = SHIFTS[1] - SHIFTS[0]
    inside = np.clip(shifts, SHIFTS[0], SHIFTS[-1])
    middle = np.clip(np.rint((inside - SHIFTS[0]) / apart).astype(np.int64), 1, len(SHIFTS) - 2)
    off = (inside - np.take(SHIFTS, middle)) / apart
    below, above = off * (off - 1.0) / 2.0, off * (off + 1.0) / 2.0
    return np.asarray(
        grid[:, middle - 1] * below + grid[:, middle] * (1.0 - off * off) + grid[:, middle + 1] * above, np.float64
    )


def _error(variance: Wide, n: NDArray[np.int64]) -> Wide:
    """Return the standard error of means of n posts; of few it is as much larger as Student's t is wide."""
    freedom = np.maximum(n - 1, 1)
    wider = stdtrit(freedom, 0.975) / Z
    return np.asarray(wider * np.sqrt(np.maximum(variance, 0.0) / freedom), np.float64)


def _quantiles(value: Wide, drawn: Wide, n: NDArray[np.int64], scale: tuple[float, float]) -> Bounded:
    low, high = np.quantile(drawn, (0.025, 0.975), axis=1)
    return _holding(value, low, high, n, scale)


def _holding(value: Wide, low: Wide, high: Wide, n: NDArray[np.int64], scale: tuple[float, float]) -> Bounded:
    """Return a figure whose interval holds it and stays on the scale; one post says nothing of others."""
    low = np.where(n > 1, np.minimum(np.maximum(low, scale[0]), value), scale[0])
    return Bounded(value, low, np.where(n > 1, np.maximum(np.minimum(high, scale[1]), value), scale[1]))
