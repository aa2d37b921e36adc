"""What the corrections of one community add to the shared model's logits, there and nowhere else. Pure.

An offset logistic regression on the shared logit, C = 1, in the span of the corrected texts (learning.md, section 9).
There is no intercept: people correct what is wrong, and how often something is wrong must not move a whole community.
Invariant: the same corrections by the same model give the same numbers; a category few spoke about stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.classifier.near import Seen, unit
from services.classifier.overrides import Corrected, Words, applied
from services.classifier.scoring import DIGITS, Score
from shared.model import Model
from shared.model.paths import BUCKETS
from shared.thresholds import over

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST = 1_000
"""Corrected texts that a residual is learned from, the newest; more wait for the refit."""
RARER = 0.25
"""Share of the fewest texts that each of the two answers needs: one-sided words would move every post."""
STEPS, CLOSE = 30, 1e-6
"""Most steps towards the weights, and the largest change that is none."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Residual:
    """Weights (2**18, categories) on unit vectors, which add to the logits of some categories."""

    categories: tuple[str, ...]
    slopes: Floats
    weights: "csr_matrix"

    def shifts(self, vectors: "csr_matrix") -> list[dict[str, float]]:
        """Return by text what is added to each category's calibrated logit."""
        found = (unit(vectors) @ self.weights).toarray() * self.slopes
        return [dict(zip(self.categories, row, strict=True)) for row in found.tolist()]


def fitted(texts: Sequence[Seen], labels: Sequence[Mapping[str, int]], model: Model, fewest: int) -> Residual | None:
    """Return the residual of corrected texts, oldest first, with what stands on each; None where there are too few."""
    from scipy.sparse import csr_matrix

    texts, labels = texts[-MOST:], labels[-MOST:]
    told = {category: _told(labels, category) for category in model.categories}
    taught = [category for category, at in told.items() if _enough([labels[n][category] for n in at], fewest)]
    if not taught:
        return None
    ends = np.cumsum([0, *(len(each.buckets) for each in texts)])
    data = np.concatenate([each.values for each in texts]), np.concatenate([each.buckets for each in texts])
    vectors = csr_matrix((*data, ends), (len(texts), BUCKETS))
    union = np.unique(vectors.indices)
    near = vectors[:, union].astype(np.float64)
    alike, lengths = (near @ near.T).toarray(), np.array([each.length for each in texts])
    added = np.zeros((len(union), len(taught)))
    for column, category in enumerate(taught):
        at, head = told[category], model.categories.index(category)
        logits = lengths[at] * (near[at] @ model.weights[union, head].astype(np.float64)) + model.intercepts[head]
        signs = np.array([1.0 if labels[n][category] else -1.0 for n in at])
        added[:, column] = near[at].T @ offsets(alike[np.ix_(at, at)], logits, signs)
    starts = np.zeros(BUCKETS + 1, np.int64)
    starts[union + 1] = len(taught)
    columns = np.tile(np.arange(len(taught), dtype=np.int32), len(union))
    weights = csr_matrix((added.ravel(), columns, np.cumsum(starts)), (BUCKETS, len(taught)))
    slopes = np.array([float(model.calibration[model.categories.index(category), 0]) for category in taught])
    return Residual(tuple(taught), slopes, weights)


def offsets(alike: Floats, logits: Floats, signs: Floats) -> Floats:
    """Return by text how much of its vector the weights hold: they maximise the likelihood less half their square.

    `alike` are the products of all pairs of vectors, `signs` is 1 or -1. Newton's steps, halved where one goes too far.
    """

    def loss(held: Floats) -> float:
        moved = alike @ held
        return float(held @ moved / 2 + np.logaddexp(0.0, -signs * (logits + moved)).sum())

    held, best = np.zeros(len(signs)), loss(np.zeros(len(signs)))
    for _ in range(STEPS):
        pull = 1.0 / (1.0 + np.exp(np.clip(signs * (logits + alike @ held), -500.0, 500.0)))
        step = np.linalg.solve(np.eye(len(signs)) + (pull * (1.0 - pull))[:, None] * alike, signs * pull - held)
        while (tried := loss(held + step)) > best and np.abs(step).max() > CLOSE:
            step /= 2
        if tried > best or np.abs(step).max() <= CLOSE:
            break
        held, best = held + step, tried
    return held


def moved(score: Score, shifts: Mapping[str, float], thresholds: Mapping[str, float]) -> Corrected:
    """Return a score with shifts of calibrated logits in it, and what the shared model said where they show."""
    before, scores = score.scores, dict(score.scores)
    for category in before.keys() & shifts.keys():
        inside = min(max(before[category], 1e-9), 1 - 1e-9)
        scores[category] = round(float(1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-shifts[category]))), DIGITS)
    residual = {category: value for category, value in before.items() if scores[category] != value}
    if not residual:
        return Corrected(score)
    overall = max(scores.values(), default=0.0)
    return Corrected(Score(scores, overall, bool(over(scores, thresholds))), residual=residual)


def spoken(score: Score, shifts: Mapping[str, float], words: Words, thresholds: Mapping[str, float]) -> Corrected:
    """Return a model's score with what its community's corrections add, and with people's own words on the text."""
    if not shifts:
        return applied(score, words, thresholds)
    before = moved(score, {name: each for name, each in shifts.items() if name not in words}, thresholds)
    return replace(applied(before.score, words, thresholds), residual=before.residual)


def _told(labels: Sequence[Mapping[str, int]], category: str) -> list[int]:
    return [at for at, each in enumerate(labels) if category in each]


def _enough(labels: Sequence[int], fewest: int) -> bool:
    rarer = min(sum(labels), len(labels) - sum(labels))
    return len(labels) >= fewest and rarer >= RARER * fewest
