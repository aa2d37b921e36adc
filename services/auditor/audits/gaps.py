"""How far apart person and system are, post by post: a histogram of what the person says less what the system says.

Invariant: a bar holds the posts from its lower bound on; every post the system misses stands right of zero, every post
it flags in vain left of it, because one cut decides both sides. Source: console.md section 9.
"""

from dataclasses import dataclass

import numpy as np

from services.auditor.audits.decisions import OVER, UNDER, Side
from shared.judgement import HIGHEST

WIDTH = 0.25
"""Width of a bar in steps of the scale of ratings."""


@dataclass(frozen=True)
class Gap:
    """Posts whose gap is from `low` to under `high` (the last bar: up to it), by how the two decide."""

    low: float
    high: float
    under: int
    over: int
    agree: int


def gaps(side: Side, width: float = WIDTH) -> tuple[Gap, ...]:
    """Return every bar from the lowest to the highest gap there can be."""
    bars = round(2 * HIGHEST / width)
    # a gap on the bound belongs to the bar that begins there, whatever its last bit says
    apart = (side.user.astype(np.float64) - side.system) / width
    at = np.clip(np.floor(apart + 1e-5).astype(np.int64) + bars // 2, 0, bars - 1)
    # within that last bit of zero the decision says on which side of it a post stands
    at = np.where(side.types == UNDER, np.maximum(at, bars // 2), at)
    at = np.where(side.types == OVER, np.minimum(at, bars // 2 - 1), at)
    kinds = [np.bincount(at[chosen], minlength=bars).tolist() for chosen in _kinds(side)]
    starts = [round((n - bars // 2) * width, 6) for n in range(bars + 1)]
    return tuple(Gap(starts[n], starts[n + 1], *(kind[n] for kind in kinds)) for n in range(bars))


def _kinds(side: Side) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [side.types == UNDER, side.types == OVER, (side.types != UNDER) & (side.types != OVER)]
