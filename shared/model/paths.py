"""Two ways to the same logits: compiled code where numba is there, scikit-learn's own hashing where it is not."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.model.text import folded, normalise, tokens, unified

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BUCKETS = 2**18
LANES = 16
"""Columns of the table in memory; the first are the known categories."""
CACHE_LINE = 64
SIMPLE = re.compile(
    "[\x00-\x7f\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
    "\u200b-\u2010\u2012-\u2016\u2018-\u2023\u2030-\u2032\u2039-\u203b\u20ac\ufe0f\U0001f3fb-\U0001f3ff]*"
).fullmatch
"""Texts the compiled normaliser takes: ASCII, Latin letters, and signs between words (quotation marks, dashes, what
joins and colours emoji) that Unicode normalisation leaves alone and that are neither letters nor white."""

Floats = NDArray[np.float32]


def aligned_table() -> Floats:
    """Return zeros of shape (2**18, 16), each row one cache line: then the sum over a row is one vector addition."""
    size = BUCKETS * LANES * 4
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(np.float32).reshape(BUCKETS, LANES)


class Path(Protocol):
    """How texts become logits, and tokens buckets."""

    name: str

    def logits(self, texts: Sequence[str], table: Floats, intercepts: Floats) -> Floats:
        """Return logits of shape (texts, heads)."""

    def buckets(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the buckets of all tokens in the order of shared.model.text.tokens, and where each text's end."""


class Fast:
    """Compiled; holds no interpreter lock while it works."""

    name = "fast"

    def __init__(self) -> None:
        from shared.model import kernels, normalising  # take numba, which is an extra

        self._kernels, self._normalised = kernels, normalising.normalised

    def logits(self, texts: Sequence[str], table: Floats, intercepts: Floats) -> Floats:
        """Return logits of shape (texts, heads)."""
        return self._kernels.score(*self._normalised(*_packed(texts)), table, intercepts)

    def buckets(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the buckets of all tokens, and where each text's end."""
        return self._kernels.hashed(*self._normalised(*_packed(texts)))


class Plain:
    """Python and scikit-learn; the meaning of the fast path, and what serves without it."""

    name = "reference"

    def __init__(self) -> None:
        from sklearn.utils import murmurhash3_32

        self._hash: Any = murmurhash3_32

    def logits(self, texts: Sequence[str], table: Floats, intercepts: Floats) -> Floats:
        """Return logits of shape (texts, heads)."""
        found, ends = self.buckets(texts)
        heads = len(intercepts)
        logits, begin = np.tile(intercepts, (len(texts), 1)), 0
        for row, end in enumerate(ends.tolist()):
            if end > begin:
                logits[row] += table[found[begin:end], :heads].sum(axis=0) / np.sqrt(np.float32(end - begin))
            begin = end
        return logits

    def buckets(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the buckets of all tokens, and where each text's end."""
        lists = [[self._bucket(token) for token in tokens(normalise(text))] for text in texts]
        ends = np.fromiter(accumulate(map(len, lists)), np.int64, len(lists))
        return np.fromiter((each for some in lists for each in some), np.int32), ends

    def _bucket(self, token: str) -> int:
        signed = int(self._hash(token.encode(), seed=0))
        # what scikit-learn's FeatureHasher does with the one number that has no absolute value
        return (2147483647 - (BUCKETS - 1)) % BUCKETS if signed == -(2**31) else abs(signed) % BUCKETS


def _packed(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the texts' bytes one after the other, where each ends, and which are normalised already."""
    parts = list(texts)
    ready = np.zeros(len(parts), np.bool_)
    for at in [at for at, text in enumerate(parts) if not text.isascii() or "&" in text]:
        text = parts[at]
        plain = "&" not in text and SIMPLE(text) is not None
        left = text if plain else unified(text)
        ready[at] = not (plain or SIMPLE(left))
        parts[at] = folded(left) if ready[at] else left
    encoded = [part.encode() for part in parts]
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    return np.frombuffer(b"".join(encoded), np.uint8), ends, ready


def best() -> Path:
    """Return the fast path if its dependency is installed, else the reference."""
    return Fast() if find_spec("numba") else Plain()


def vectors(path: Path, texts: Sequence[str]) -> "csr_matrix":
    """Return what a model sees of texts: counts over the root of their sum, shape (texts, 2**18)."""
    from scipy.sparse import csr_matrix  # scoring does without

    found, ends = path.buckets(texts)
    starts = np.concatenate((np.zeros(1, np.int64), ends))
    sizes = np.diff(starts)
    values = np.repeat(1.0 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    made = csr_matrix((values, found, starts), shape=(len(texts), BUCKETS))
    made.sum_duplicates()
    return made
