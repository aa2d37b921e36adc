"""Which corrected texts a text is nearly the same as: cosine of the model's vectors.

Sketches choose, exact cosines decide: a pair under the cosine is never reported, and one at or over it is missed less
than once in a million (five standard errors of the sketch). Time grows with texts times sketch, whatever they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LONGEST = 4_000
"""Characters of a text that is compared; longer ones are long enough to differ."""
SIZE = 256
"""Numbers of a sketch: 1 KB for each corrected text."""
CANDIDATES = 50
"""Corrected texts of the best sketches that a text is compared with exactly."""
SLACK = 1e-5
"""What single precision may take from a cosine."""


def unit(vectors: "csr_matrix") -> "csr_matrix":
    """Return the rows at length 1; an empty row stays empty."""
    from scipy.sparse import csr_matrix

    rows = _rows(vectors)
    values = vectors.data.astype(np.float64)
    lengths = np.sqrt(np.bincount(rows, values**2, vectors.shape[0]))
    scaled = (values / np.where(lengths > 0, lengths, 1.0)[rows]).astype(np.float32)
    return csr_matrix((scaled, vectors.indices, vectors.indptr), vectors.shape)


def sketches(vectors: "csr_matrix") -> NDArray[np.float32]:
    """Return (texts, 256): the buckets folded with signs (count sketch), at length 1, so that products are cosines.

    Buckets are bits of a hash, so their low bits place and the next one signs.
    """
    count = vectors.shape[0]
    signs = 1.0 - 2.0 * ((vectors.indices // SIZE) & 1)
    places = _rows(vectors) * SIZE + (vectors.indices & (SIZE - 1))
    folded = np.bincount(places, vectors.data * signs, count * SIZE).reshape(count, SIZE)
    lengths = np.sqrt((folded**2).sum(axis=1, keepdims=True))
    return (folded / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _rows(vectors: "csr_matrix") -> NDArray[Any]:
    return np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))


class Seen(NamedTuple):
    """What is kept of a corrected text: buckets and values of its unit vector, its sketch, the vector's own length."""

    buckets: NDArray[np.int32]
    values: NDArray[np.float32]
    sketch: NDArray[np.float32]
    length: float


def seen(vectors: "csr_matrix") -> list[Seen]:
    """Return what is kept of each text, from the model's vectors."""
    made = unit(vectors)
    sketched, ends = sketches(made), made.indptr
    lengths = np.sqrt(np.bincount(_rows(vectors), vectors.data.astype(np.float64) ** 2, vectors.shape[0])).tolist()
    return [
        Seen(made.indices[begin:end].copy(), made.data[begin:end].copy(), sketched[at].copy(), lengths[at])
        for at, (begin, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    ]


@dataclass(frozen=True)
class Near:
    """Corrected texts to compare with: their unit vectors and their sketches, row by row."""

    vectors: "csr_matrix"
    sketched: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[Seen], buckets: int) -> "Near":
        """Return the index of one text or more, seen in so many buckets."""
        from scipy.sparse import csr_matrix

        ends = np.cumsum([0, *(len(each.buckets) for each in texts)])
        parts = (np.concatenate([each.values for each in texts]), np.concatenate([each.buckets for each in texts]))
        return cls(csr_matrix((*parts, ends), (len(texts), buckets)), np.stack([each.sketch for each in texts]))

    def pairs(self, vectors: "csr_matrix", cosine: float) -> list[tuple[int, int, float]]:
        """Return (row, text, cosine) of pairs at or over `cosine`, by row and the nearest first."""
        if not vectors.nnz:
            return []
        asked = unit(vectors)
        alike = sketches(asked) @ self.sketched.T
        # the standard error of a correlation from SIZE numbers
        rows, texts = np.nonzero(alike >= cosine - 5.0 * (1.0 - cosine**2) / SIZE**0.5 - SLACK)
        if not len(rows):
            return []
        order = np.lexsort((-alike[rows, texts], rows))
        rows, texts = rows[order], texts[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)  # of each text among its row's
        rows, texts = rows[place < CANDIDATES], texts[place < CANDIDATES]
        exact = np.asarray(asked[rows].multiply(self.vectors[texts]).sum(axis=1)).ravel()
        kept = exact >= cosine - SLACK
        found = zip(rows[kept].tolist(), texts[kept].tolist(), exact[kept].tolist(), strict=True)
        return sorted(found, key=lambda each: (each[0], -each[2], -each[1]))
