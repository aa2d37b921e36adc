"""The model alone, one thread: our paths beside what the seed's detector does with the same texts, in time of the CPU.

The baseline counts words (CountVectorizer), makes the counts dense and asks one logistic regression per category, as
the hate speech detector of the seed does for its one. It is trained on the data folder where there is one, else on our
own sentences: then its vocabulary is small, and it is faster than on a platform's posts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from services.trainer.own_rows import own_rows
from services.trainer.sets.mix import load_mix
from shared.model import Model, load, shipped
from shared.model.paths import Plain
from shared.vocabulary import CATEGORIES
from tests.bench.workload import texts
from tests.support.data import data_folder

BATCH = 500
BATCHES = 8
ONE_BY_ONE = 600

Score = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Speed:
    """Texts per second in batches of 500, and microseconds for one text: median and 99th percentile."""

    batch: float
    p50: float
    p99: float


def examples() -> pd.DataFrame:
    """Return what the baseline is trained on: the data folder's widest mix, or our own sentences."""
    if data_folder().is_dir():
        return load_mix(data_folder(), "wide", dutch_copies=False)
    marks = [{"text": row.text, **{name: mark.label for name, mark in row.marks.items()}} for row in own_rows()]
    return pd.DataFrame(marks)


def seed_detector() -> Score:
    """Return the seed's way of scoring, one head per category."""
    rows = examples()
    words = CountVectorizer()
    seen = words.fit_transform(rows["text"])
    heads = []
    for category in CATEGORIES:
        known = np.flatnonzero(rows[category].notna())
        labels = rows[category].to_numpy(float)[known].astype(int)
        heads.append(LogisticRegression(solver="liblinear", tol=0.1).fit(seen[known], labels))

    def score(some: Sequence[str]) -> Any:
        dense = words.transform(some).toarray()
        return np.column_stack([head.predict_proba(dense)[:, 1] for head in heads])

    return score


def measured(score: Score, posts: Sequence[str]) -> Speed:
    """Return how fast `score` is; the first calls, which may compile, do not count."""
    score(posts[:BATCH])
    score(posts[:1])
    started = time.process_time()
    for at in range(0, len(posts), BATCH):
        score(posts[at : at + BATCH])
    batch = len(posts) / (time.process_time() - started)
    each = []
    for post in posts[:ONE_BY_ONE]:
        started = time.process_time()
        score([post])
        each.append(time.process_time() - started)
    return Speed(batch, float(np.median(each)) * 1e6, float(np.quantile(each, 0.99)) * 1e6)


def paths() -> dict[str, Score]:
    """Return what is compared, the baseline first."""
    fast = load(shipped())
    plain: Model = replace(fast, path=Plain())
    return {"seed detector, 12 categories": seed_detector(), "reference path": plain.score, "fast path": fast.score}


def compare(rounds: int) -> dict[str, Speed]:
    """Return the median speed of each path over some rounds that take turns."""
    posts = texts(BATCH * BATCHES)
    found: dict[str, list[Speed]] = {}
    ways = paths()
    for _ in range(rounds):
        for name, score in ways.items():
            found.setdefault(name, []).append(measured(score, posts))
    return {
        name: Speed(*(float(np.median([getattr(each, field) for each in some])) for field in ("batch", "p50", "p99")))
        for name, some in found.items()
    }
