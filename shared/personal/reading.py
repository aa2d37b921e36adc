"""What the words of a post say before anybody has rated it: a text score, and eight numbers of what it is about.

Invariant: a text gives the same numbers whenever and wherever it is read.
Source of the parts and their sizes: audits.md section 3; words, word pairs and pieces are those of shared.model.text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared.judgement import HIGHEST, LOWEST
from shared.model.paths import best, vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]

KEPT = 8


@dataclass(frozen=True, eq=False)
class Reader:
    """Texts to numbers. `buckets` (k,) are the tokens that count, ascending, with their `rarity` (k,).

    `weights` (k,) and `intercept` give the text score, `components` (8, k) with `means` and `spreads` (8,) the rest.
    """

    buckets: NDArray[np.int32]
    rarity: Floats
    weights: Floats
    intercept: float
    components: Floats
    means: Floats
    spreads: Floats

    def read(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Return text scores (texts,) of 0 to 4 and standardised components (texts, 8)."""
        seen = weighed(columns(vectors(best(), texts), self.buckets), self.rarity)
        scores = np.clip(seen @ self.weights + np.float32(self.intercept), LOWEST, HIGHEST)
        return scores.astype(np.float32), self.about(seen)

    def about(self, seen: "csr_matrix") -> Floats:
        """Return the standardised components (texts, 8) of weighed texts."""
        found: Floats = ((seen @ self.components.T - self.means) / self.spreads).astype(np.float32)
        return found


def columns(seen: "csr_matrix", buckets: NDArray[np.int32]) -> "csr_matrix":
    """Return the tokens that count."""
    return seen[:, buckets]


def weighed(seen: "csr_matrix", rarity: Floats) -> "csr_matrix":
    """Return counts as TF-IDF of length one; how a row was scaled before falls out."""
    from sklearn.preprocessing import normalize

    made = seen.copy()
    made.data *= rarity[made.indices]
    return normalize(made, copy=False)
