"""Learns to read from a crowd: a ridge for the text score, components for what posts are about.

Invariant: the text score of a rated post comes from a ridge that never saw that post's ratings (out of fold).
Source of the parts and their sizes: audits.md section 3.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.trainer.personal.crowd import Crowd
from shared.judgement import CUT, HIGHEST, LOWEST
from shared.model.paths import BUCKETS, best, vectors
from shared.personal.reading import KEPT, Reader, columns, weighed

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]

PENALTY = 3.0
FOLDS = 5
COMPONENTS = 16
FEWEST_TEXTS = 50
"""Rated texts a text score can be learned from (ours)."""
FEWEST_POSTS = 2
"""Posts a token has to be in: what one post alone has says nothing about another."""
SAMPLED = 20_000
"""Posts the components are found on; more change nothing but the time."""
CLOSE = 1e-3
"""Relative residual at which the ridge stops: the ratings are whole points apart."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read: text scores (posts,), components (posts, 8), and the reader for posts to come, if there is one."""

    scores: Floats
    about: Floats
    reader: Reader | None


def read_crowd(crowd: Crowd, seed: int) -> Reading:
    """Return what the texts of a crowd say.

    Posts without a text, and all posts of a crowd with few, get the system's rating, or else the mean of all ratings.
    """
    texts, counts = crowd.texts, crowd.counts
    rated = counts > 0
    means = crowd.sums / np.maximum(counts, 1)
    scores = np.where(np.isnan(crowd.system), np.float32(overall(crowd)), crowd.system)
    about = np.zeros((len(texts), KEPT), np.float32)
    known = np.array([text is not None for text in texts], bool)
    if (known & rated).sum() < FEWEST_TEXTS:
        return Reading(scores, about, None)
    seen = vectors(best(), [text for text in texts if text is not None])
    found_in = np.bincount(seen.indices, minlength=BUCKETS)
    buckets = np.flatnonzero(found_in >= FEWEST_POSTS).astype(np.int32)
    if len(buckets) <= COMPONENTS:
        return Reading(scores, about, None)
    # scikit-learn's smoothed inverse document frequency
    rarity = (np.log((1 + seen.shape[0]) / (1 + found_in[buckets])) + 1.0).astype(np.float32)
    seen = weighed(columns(seen, buckets), rarity)
    learnable = rated[known]
    targets = means[known].astype(np.float32)
    scores[known], weights, intercept = _text_scores(seen, targets, learnable, seed)
    components, centre, spread = _components(seen, seed)
    reader = Reader(buckets, rarity, weights, intercept, components, centre, spread)
    about[known] = reader.about(seen)
    return Reading(scores, about, reader)


def overall(crowd: Crowd) -> float:
    """Return the mean of all ratings; where nobody has rated, just under the cut: unknown is not toxic (ours)."""
    return float(crowd.rating.mean(dtype=np.float64)) if len(crowd.rating) else CUT / 2.0


def _text_scores(
    seen: "csr_matrix", targets: Floats, learnable: NDArray[np.bool_], seed: int
) -> tuple[Floats, Floats, float]:
    """Return out-of-fold scores of all texts, and the ridge learned from all that are rated."""
    from sklearn.linear_model import Ridge

    rows = np.flatnonzero(learnable)
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS

    def ridge(chosen: NDArray[np.int64]) -> Ridge:
        return Ridge(PENALTY, solver="lsqr", tol=CLOSE).fit(seen[chosen], targets[chosen])

    whole = ridge(rows)
    scores = whole.predict(seen)
    for each in range(FOLDS):
        scores[rows[fold == each]] = ridge(rows[fold != each]).predict(seen[rows[fold == each]])
    scores = np.clip(scores, LOWEST, HIGHEST).astype(np.float32)
    return scores, np.ascontiguousarray(whole.coef_, np.float32), float(whole.intercept_)


def _components(seen: "csr_matrix", seed: int) -> tuple[Floats, Floats, Floats]:
    """Return the first eight of sixteen latent components, and mean and spread of the texts on them."""
    from sklearn.decomposition import TruncatedSVD

    draw = np.random.default_rng(seed)
    count = seen.shape[0]
    rows = np.arange(count) if count <= SAMPLED else np.sort(draw.choice(count, SAMPLED, replace=False))
    sample = seen[rows]
    size = min(COMPONENTS, min(sample.shape) - 1)
    found = TruncatedSVD(size, random_state=seed).fit(sample).components_
    components = np.zeros((KEPT, seen.shape[1]), np.float32)
    components[: min(KEPT, size)] = found[:KEPT]
    places = sample @ components.T
    spread = places.std(axis=0)
    return components, places.mean(axis=0).astype(np.float32), np.where(spread > 0, spread, 1.0).astype(np.float32)
