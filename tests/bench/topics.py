"""Topics of 100,000 synthetic posts: how long a search takes on one core, a refit after it, and giving posts theirs.

Baseline: scikit-learn's own TF-IDF (words only), LSA and k-means of the same texts, sizes and seed.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from services.trainer.topics.fitting import MOST_PLACES, MOST_TOPICS, MOST_WORDS, Writing, fit
from shared.topics.model import dump

POSTS, THEMES = 100_000, 300
WANTED_S = 60


def made(posts: int = POSTS, seed: int = 0) -> list[Writing]:
    """Return posts of fourteen everyday words, spread as words are (Zipf), and six of one of 300 themes."""
    drawn = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(drawn.choice(letters, drawn.integers(3, 9))) for _ in range(30_000)]
    often = 1 / np.arange(1, len(words) + 1)
    everyday = drawn.choice(len(words), size=(posts, 14), p=often / often.sum())
    themes = drawn.integers(300, len(words), size=(THEMES, 30))
    about = themes[drawn.integers(THEMES, size=posts)[:, None], drawn.integers(30, size=(posts, 6))]
    people = drawn.integers(20_000, size=posts)
    spoken = np.hstack([everyday, about])
    return [
        Writing(" ".join(words[word] for word in row), int(author)) for row, author in zip(spoken, people, strict=True)
    ]


def timed(what: Callable[[], Any]) -> tuple[Any, float]:
    """Return what came of something and the seconds of processor time it took."""
    begun = time.process_time()
    return what(), time.process_time() - begun


def plain(texts: list[str]) -> None:
    """Do the same with the parts as they come."""
    weights = TfidfVectorizer(max_features=MOST_WORDS, min_df=3, sublinear_tf=True).fit_transform(texts)
    vectors = TruncatedSVD(MOST_PLACES, random_state=0).fit_transform(weights)
    MiniBatchKMeans(MOST_TOPICS, random_state=0, n_init=3, batch_size=4096).fit(vectors)


def measure(console: Console) -> None:
    """Print the times, and what came of it."""
    corpus = made()
    texts = [each.text for each in corpus]
    with threadpool_limits(1):
        (_, base), (model, first) = timed(lambda: plain(texts)), timed(lambda: fit(corpus))
        (_, again), (_, given) = timed(lambda: fit(corpus, before=model)), timed(lambda: model.assign(texts))
    table = Table(f"{POSTS:,} synthetic posts, one core", "processor s", "to the plain parts")
    rows = (("scikit-learn's parts", base), ("search", first), ("search with topics before", again))
    for name, seconds in (*rows, ("topics of all posts", given)):
        table.add_row(name, f"{seconds:.1f}", f"{seconds / base:.2f}")
    console.print(table)
    console.print(
        f"{len(model.topics)} topics, {model.outliers / model.posts:.1%} of posts in none, artifact "
        f"{len(dump(model)) / 1e6:.1f} MB (wanted: a search in under {WANTED_S} s)"
    )
