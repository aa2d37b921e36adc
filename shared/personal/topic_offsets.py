"""A person may see one topic differently: their rating there is what their model says + an offset of that topic.

The same ridge with one more column per topic, 1 on its posts (only the intercept moves), and a prior of blocks. No two
of these columns meet, so they are solved for first (a Schur complement): many topics cost no more than few.
Invariant: a topic without ratings has no column, so its posts get exactly what the person's model says.
Source: audits.md section 4.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.personal.prior import FLOOR, Prior

Floats = NDArray[np.float64]

NO_TOPIC = -1


@dataclass(frozen=True, slots=True)
class Offset:
    """How much higher a person rates posts of a topic than their model says, learned from so many `ratings` there."""

    topic: int
    ratings: int
    mean: float
    deviation: float


@dataclass(frozen=True, eq=False)
class Within:
    """The columns of a person's k topics, summed up: their block of the precision is a diagonal.

    `of` (n,) says which topic a rating has, k for none. `precisions` (k,) are the diagonal, `sums` (k, d) the features
    over the noise. Both have a row more, of those without a topic, in which nothing pulls.
    """

    topics: NDArray[np.int64]
    of: NDArray[np.int64]
    counts: NDArray[np.int64]
    precisions: Floats
    sums: Floats

    @property
    def pulls(self) -> Floats:
        """Return what a topic's offset takes from the features of its ratings, shape (k + 1, d)."""
        return self.sums / self.precisions[:, None]

    @property
    def variances(self) -> Floats:
        """Return the variance of each offset if the person's weights were known, 0 for no topic, shape (k + 1,)."""
        return np.append(1.0 / self.precisions[:-1], 0.0)

    def total(self, values: Floats) -> Floats:
        """Return the sums of values (n, ...) over each topic's ratings, 0 for no topic."""
        found = np.zeros((len(self.topics) + 1, *values.shape[1:]))
        if len(self.topics):
            order = np.argsort(self.of, kind="stable")[: int(self.counts.sum())]
            found[:-1] = np.add.reduceat(values[order], np.append(0, np.cumsum(self.counts)[:-1]), axis=0)
        return found


def within(features: Floats, topics: NDArray[np.int64], prior: Prior) -> Within:
    """Return the sums of a person's topics; `topics` (n,) are below 0 for posts without one."""
    present, counts = np.unique(topics[topics >= 0], return_counts=True)
    of = np.where(topics >= 0, np.searchsorted(present, topics), len(present))
    precisions = np.append(counts / prior.noise + 1.0 / max(prior.offset, FLOOR), 1.0)
    blank = Within(present, of, counts, precisions, np.zeros((len(present) + 1, features.shape[1])))
    return replace(blank, sums=blank.total(features) / prior.noise)
