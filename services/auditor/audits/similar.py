"""Posts that are alike by their words, and what a person's surest disagreements are about.

Invariant: same posts and seed, same clusters; a cluster too small to be shown is none. Source: audits.md section 12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Corpus, Floats
from services.auditor.audits.decisions import OVER, TYPES, UNDER, ErrorType, Side
from services.auditor.audits.disagreement import Figure
from shared.chance import Z, score_bound

ALIKE = 0.6
"""Cosine from which posts are shown as similar."""
SUREST, FEWEST_POSTS, SHOWN, EXAMPLES = 1_000, 20, 3, 5
"""Posts of each direction that are looked at, posts of a cluster, clusters and their examples that are shown."""
ROUNDS = 25


def nearest(corpus: Corpus, row: int, most: int = 20, least: float = ALIKE) -> list[tuple[str, float]]:
    """Return the posts most like one post with their cosine, the nearest first, ties by id; none for unread posts."""
    units = _units(corpus.about)
    cosines = _dots(units, units[row])
    cosines[row] = -1.0
    alike = np.flatnonzero(cosines >= np.float32(least))
    order = alike[np.lexsort((alike, -cosines[alike]))][:most]
    return [(corpus.posts[at], float(cosines[at])) for at in order.tolist()]


@dataclass(frozen=True)
class Cluster:
    """What many of a person's surest disagreements have in common: posts in the middle of it, and their topics.

    `share` is how probably a post of it is decided differently; `topics` are (topic, posts), the commonest first.
    """

    direction: ErrorType
    n: int
    share: Figure
    examples: tuple[str, ...]
    topics: tuple[tuple[int, int], ...]


def clusters(side: Side, corpus: Corpus, seed: int = 0, fewest: int = FEWEST_POSTS) -> list[Cluster]:
    """Return up to three clusters of each direction, those with most expected disagreements first."""
    return [each for code in (UNDER, OVER) for each in _clusters(side, corpus, code, seed, fewest)]


def _clusters(side: Side, corpus: Corpus, code: int, seed: int, fewest: int) -> list[Cluster]:
    known = np.any(corpus.about != 0, axis=1)
    rows = np.flatnonzero((side.types == code) & known)
    rows = np.sort(rows[np.lexsort((rows, -side.p_disagree[rows]))][:SUREST])
    if len(rows) < fewest:
        return []
    units = _units(corpus.about[rows])
    centres, of = _grouped(units, max(len(rows) // (2 * fewest), 1), seed)
    found = []
    for at, centre in enumerate(centres):
        members = np.flatnonzero(of == at)
        if len(members) >= fewest:
            near = members[np.lexsort((members, -_dots(units[members], centre)))][:EXAMPLES]
            found.append((at, _cluster(side, corpus, code, rows[members], rows[near])))
    found.sort(key=lambda each: (-each[1].share.value * each[1].n, each[0]))
    return [each for _, each in found[:SHOWN]]


def _cluster(side: Side, corpus: Corpus, code: int, rows: NDArray[np.int64], near: NDArray[np.int64]) -> Cluster:
    n, share = len(rows), np.array(float(np.mean(side.p_disagree[rows], dtype=np.float64)))
    low, high = (float(score_bound(share, np.array(float(n)), z)) for z in (-Z, Z))
    topics, counts = np.unique(corpus.topics[rows], return_counts=True)
    common = np.lexsort((topics, -counts))
    return Cluster(
        TYPES[code],
        n,
        Figure(float(share), low, high, n),
        tuple(corpus.posts[row] for row in near.tolist()),
        tuple((int(topics[at]), int(counts[at])) for at in common.tolist() if topics[at] >= 0)[:SHOWN],
    )


def _grouped(units: Floats, groups: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return centres and the nearest of each row: spherical k-means from k-means++ (Arthur and Vassilvitskii 2007)."""
    random = np.random.default_rng(seed)
    centres = units[random.integers(len(units))][None, :]
    for _ in range(min(groups, 8) - 1):
        far = np.maximum(1.0 - _products(units, centres).max(axis=1), 0.0).astype(np.float64)
        if far.sum() <= 0.0:
            break
        centres = np.concatenate([centres, units[random.choice(len(units), p=far / far.sum())][None, :]])
    of = np.zeros(len(units), np.int64)
    for _ in range(ROUNDS):
        nearer = np.argmax(_products(units, centres), axis=1)
        if np.array_equal(nearer, of) and _:
            break
        of = nearer
        sums = np.stack([units[of == at].sum(axis=0) for at in range(len(centres))])
        # a centre that lost all its posts stays where it was
        centres = np.where(np.any(sums != 0, axis=1)[:, None], _units(sums), centres)
    return centres, of


def _units(about: Floats) -> Floats:
    """Return rows of length one; what is not known stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", about, about))
    return np.asarray(about / np.where(length > 0, length, 1.0)[:, None], np.float32)


def _dots(rows: Floats, one: Floats) -> Floats:
    return _products(rows, one[None, :])[:, 0]


def _products(rows: Floats, others: Floats) -> Floats:
    """Return inner products (n, k), added in one order: that of a matrix product depends on the processor."""
    return np.asarray(np.einsum("ij,kj->ik", rows, others), np.float32)
