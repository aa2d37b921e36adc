"""Posts and people for audits: as many as wanted, the same for the same seed."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.auditor.audits.columns import Basis, Corpus, Judge, system_column
from shared.judgement import CUT
from shared.vocabulary import CATEGORIES

BASIS = Basis("m1", 3, "better_than_crowd", 20, 1, {"loo_mae": 0.6, "loo_rmse": 0.8}, {"crowd_mae": 0.7})


def made_corpus(posts: int, topics: int = 6, seed: int = 0) -> Corpus:
    """Return posts whose topics differ in how the system scores them; a tenth has no topic."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, topics, posts).astype(np.int32)
    topic[random.random(posts) < 0.1] = -1
    overall = np.clip(random.beta(1.2, 2.5, posts) + 0.05 * (topic % 5), 0, 1)
    scores = (overall[:, None] * random.random((posts, len(CATEGORIES)))).astype(np.float32)
    scores[random.random(scores.shape) < 0.05] = np.nan
    crowd = np.clip(4 * overall + random.normal(0, 0.6, posts), 0, 4).astype(np.float32)
    crowd[random.random(posts) < 0.1] = np.nan
    return Corpus(
        tuple(f"p{at:07d}" for at in range(posts)),
        system_column(overall, 0.5),
        scores,
        topic,
        crowd,
        random.normal(size=(posts, 8)).astype(np.float32),
        (random.random(posts) < 0.3).astype(np.int16),
        ("2026-01", "2026-02"),
    )


def judge_of(corpus: Corpus, *, labels: int = 20, bias: float = 0.2, seed: int = 1, cut: float = CUT) -> Judge:
    """Return somebody who rates `bias` higher than the system, differently by topic, and has rated some posts."""
    random = np.random.default_rng(seed)
    n = len(corpus)
    mean = corpus.system + bias + 0.3 * (corpus.topics % 3 - 1) + random.normal(0, 0.5, n)
    sd = random.uniform(0.1, 0.4, n)
    of_one = np.sqrt(sd**2 + 0.5)
    label = np.full(n, np.nan, np.float32)
    rated = random.choice(n, min(labels, n), replace=False)
    label[rated] = np.clip(np.rint(mean[rated] + random.normal(0, 0.5, len(rated))), 0, 4)
    return Judge(
        _column(np.clip(mean, 0, 4)),
        _column(sd),
        _column(of_one),
        _column(ndtr((mean - cut) / of_one)),
        label,
        corpus.topics == 2,
        BASIS,
    )


def _column(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)
