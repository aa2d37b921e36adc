"""What all personal models share: features of every post, and what people are like before they have rated.

Invariant: a population knows no rater: it holds sums and counts.
Source: audits.md section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.personal.prior import Prior
from shared.personal.reading import KEPT, Reader

Floats = NDArray[np.float64]

FORMAT = "ombud-population-1"
SHRINK = 2.0
"""Ratings that the text score is worth beside the crowd's own (K of audits.md)."""
MEAN, TEXT = 1, 2
"""Columns of the crowd mean and of the text score; column 0 is 1, the rest are components."""


class Variant(StrEnum):
    """Which features a personal model uses: the crowd mean alone, or text and topic of words as well."""

    SMALL = "small"
    FULL = "full"


SIZES = {Variant.SMALL: 2, Variant.FULL: 3 + KEPT}


@dataclass(frozen=True, eq=False)
class Population:
    """All posts as numbers, and the prior of each variant.

    `posts` are their ids in order, `sums` and `counts` (posts,) their ratings, `scores` (posts,) and `about` (posts, 8)
    what their words say. `facts` holds the data hash, the seed and how many ratings and raters there were.
    """

    posts: tuple[str, ...]
    sums: NDArray[np.float32]
    counts: NDArray[np.int32]
    scores: NDArray[np.float32]
    about: NDArray[np.float32]
    priors: Mapping[Variant, Prior]
    reader: Reader | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data_hash(self) -> str:
        """Return the SHA-256 of what it was made from: its version."""
        return str(self.facts["data_hash"])

    @property
    def variant(self) -> Variant:
        """Return the variant it serves best: the small one where no texts are known."""
        return Variant.FULL if self.reader is not None else Variant.SMALL

    @cached_property
    def places(self) -> dict[str, int]:
        """Return where each post stands."""
        return {post: at for at, post in enumerate(self.posts)}

    @cached_property
    def crowd(self) -> NDArray[np.float32]:
        """Return the crowd mean of every post, shrunk towards the text score: m of audits.md."""
        return np.asarray((self.sums + SHRINK * self.scores) / (self.counts + SHRINK), np.float32)

    @cached_property
    def columns(self) -> NDArray[np.float32]:
        """Return the features of every post, one row per feature: shape (11, posts)."""
        ones = np.ones(len(self.posts), np.float32)
        return np.ascontiguousarray(np.stack([ones, self.crowd, self.scores, *self.about.T]))

    def features(self, at: NDArray[np.int64], variant: Variant, counted: NDArray[np.float64] | None = None) -> Floats:
        """Return features (n, d) of posts by place; where `counted` is no NaN that rating is left out of the mean."""
        chosen = self.columns[: SIZES[variant], at].T.astype(np.float64)
        if counted is not None:
            known = ~np.isnan(counted)
            chosen[known, MEAN] = left_out(
                self.sums[at[known]], self.counts[at[known]], self.scores[at[known]], counted[known]
            )
        return chosen


def left_out(
    sums: NDArray[Any], counts: NDArray[Any], scores: NDArray[Any], ratings: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the crowd means of posts as if each had one rating less: the person's own."""
    rest = sums.astype(np.float64) - ratings + SHRINK * scores.astype(np.float64)
    return np.asarray(rest / (counts.astype(np.float64) - 1.0 + SHRINK), np.float64)
