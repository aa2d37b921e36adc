"""Where marks stand in a chart of ratings: in a step of x, on top of each other by the system's rating.

Invariant: a place follows from the rows that are shown, so chart and table never tell two stories.
Source: audits.md section 8.
"""

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Floats

STEP = 0.1
"""Width of a step on the scale of 0 to 4, as the console draws it."""


def placed(
    rating: Floats, system: Floats, ids: NDArray[np.int64], step: float = STEP
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return where each step begins (n,) and the rank in it (n,) from 0, the mildest by the system lowest.

    Ties go by id.
    """
    # a rating on the bound belongs to the step that begins there, whatever its last bit says
    bins = np.floor(rating.astype(np.float64) / step + 1e-5).astype(np.int64)
    order = np.lexsort((ids, system, bins))
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(bins)))
    ranks = np.empty(len(bins), np.int64)
    ranks[order] = np.arange(len(bins)) - np.repeat(starts, sizes)
    return np.round(bins * step, 6), ranks
