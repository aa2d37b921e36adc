"""Makes a topic model of a corpus: TF-IDF, LSA, k-means on the sphere, names. Needs scikit-learn; run in workers.

Invariant: the same posts in any order and any process give the same bytes (one BLAS thread, sorted texts, one seed).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.trainer.topics.matching import matched, words_among
from services.trainer.topics.naming import PEOPLE, authors_of, names_of
from shared.ids import digest
from shared.text_key import key_of
from shared.topics.model import OUTLIER, Topic, TopicModel, counts_of, places, unit, weighted
from shared.topics.words import DUTCH, ENGLISH, words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_WORDS = 20_000
MOST_PLACES = 100
MOST_TOPICS = 200
"""Upstream draws about 200 topics of 100,000 comments; more is no list a person reads."""
SMALLEST = 5
"""Posts a topic has at least: smaller ones are listed nowhere (audits, charts)."""
COMMON = 0.2
"""A word in more of the texts than this tells no topics apart."""
NEAR = 0.5
"""Cosine to the centroid below which a post belongs to no topic."""


ALIKE = 0.6
"""Mean cosine from which neighbouring centres are one topic."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a topic model learns of a post: its text, and a number for its author (None: unknown)."""

    text: str
    author: int | None = None


def fit(corpus: Sequence[Writing], *, seed: int = 0, before: TopicModel | None = None) -> TopicModel:
    """Return the topics of a corpus; those of `before` that are still there keep their numbers.

    The same text counts once for where topics are, however often it was posted. With too few posts there is no topic.
    """
    ordered = sorted(corpus, key=lambda each: (each.text, -1 if each.author is None else each.author))
    texts = [each.text for each in ordered]
    authors = np.array([-1 if each.author is None else each.author for each in ordered], np.int64)
    keys = [key_of(text) for text in texts]
    _, first = np.unique(np.array(keys, dtype=object), return_index=True) if keys else (None, np.empty(0, np.int64))
    first = np.sort(first)
    vocabulary, counts = _vocabulary(texts, authors, first)
    empty = TopicModel(
        vocabulary=(),
        idf=np.zeros(0, np.float32),
        components=np.zeros((0, 0), np.float32),
        centroids=np.zeros((0, 0), np.float32),
        topics=(),
        posts=len(texts),
        outliers=len(texts),
        next_id=before.next_id if before else 0,
        cut=NEAR,
        seed=seed,
        data_hash=digest("\n".join(sorted(keys)).encode("utf-8", "replace")),
        vanished=tuple(topic.name for topic in before.topics) if before else (),
    )
    distinct = counts[first]
    wanted = min(MOST_TOPICS, int(np.sqrt(len(first))))
    if len(vocabulary) < WORTH_WHILE or wanted < 1 or len(first) < 2 * SMALLEST:
        return empty
    idf = _idf(distinct)
    components = _components(weighted(distinct, idf), min(MOST_PLACES, 2 * wanted), seed)
    placed = replace(empty, vocabulary=vocabulary, idf=idf, components=components)
    vectors = places(distinct, placed.idf, placed.components)
    some = vectors[np.any(vectors != 0, axis=1)]
    if len(some) < 2 * SMALLEST:
        return empty
    centroids = _merged(_centroids(some, wanted, seed, _earlier(before, placed)))
    return _named(placed, centroids, counts, distinct, before)


WORTH_WHILE = 10
"""Words a vocabulary needs before it tells topics apart."""


def _vocabulary(
    texts: Sequence[str], authors: NDArray[np.int64], distinct: NDArray[np.int64]
) -> tuple[tuple[str, ...], "csr_matrix"]:
    """Return the words worth looking at, sorted, and how often each stands in each text.

    A word stands in three different texts of three authors at least, and in no more than a fifth of all.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    silent = ENGLISH_STOP_WORDS | ENGLISH | DUTCH
    spoken = [words_of(text) for text in texts]
    seen = Counter(chain.from_iterable(spoken))
    candidates = sorted(word for word, n in seen.items() if n >= PEOPLE and word not in silent)
    counts = counts_of(spoken, {word: column for column, word in enumerate(candidates)})
    frequency = np.asarray((counts[distinct] > 0).sum(axis=0)).ravel()
    people = authors_of(counts, authors)
    most = max(2 * SMALLEST, COMMON * len(distinct))
    kept = np.flatnonzero((frequency >= PEOPLE) & (people >= PEOPLE) & (frequency <= most))
    if len(kept) > MOST_WORDS:
        kept = np.sort(kept[np.lexsort((kept, -frequency[kept]))[:MOST_WORDS]])
    return tuple(candidates[column] for column in kept), counts[:, kept]


def _idf(counts: "csr_matrix") -> NDArray[np.float32]:
    from sklearn.feature_extraction.text import TfidfTransformer

    return np.asarray(TfidfTransformer(sublinear_tf=True).fit(counts).idf_, np.float32)


def _components(weights: "csr_matrix", wanted: int, seed: int) -> NDArray[np.float32]:
    from sklearn.decomposition import TruncatedSVD

    most = min(wanted, min(weights.shape) - 1)
    return np.asarray(TruncatedSVD(most, random_state=seed).fit(weights).components_, np.float32)


def _earlier(before: TopicModel | None, now: TopicModel) -> NDArray[np.float32]:
    """Return where the topics of an earlier model are among today's places."""
    if before is None or not before.topics:
        return np.zeros((0, len(now.components)), np.float32)
    moved = unit(words_among(before, now.vocabulary) @ now.components.T)
    return moved[np.any(moved != 0, axis=1)]


def _centroids(
    vectors: NDArray[np.float32], wanted: int, seed: int, earlier: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return centres, rows of length one. The search begins at earlier ones, so that they stay what they were."""
    from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus

    settings: dict[str, Any] = {"random_state": seed, "batch_size": 4096, "reassignment_ratio": 0.0}
    if not len(earlier):
        return unit(MiniBatchKMeans(min(wanted, len(vectors)), n_init=3, **settings).fit(vectors).cluster_centers_)
    begin = earlier[: len(vectors)]
    alone = vectors[(vectors @ begin.T).max(axis=1) < NEAR]
    more = min(max(wanted - len(begin), 0), len(alone))
    if more:
        begin = np.vstack([begin, kmeans_plusplus(alone, more, random_state=seed)[0]])
    return unit(MiniBatchKMeans(len(begin), init=begin, n_init=1, **settings).fit(vectors).cluster_centers_)


def _merged(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the centres with those that lie close together as one: k-means cuts a large topic into several."""
    from sklearn.cluster import AgglomerativeClustering

    if len(centroids) < 2:
        return centroids
    close = AgglomerativeClustering(None, distance_threshold=1 - ALIKE, metric="cosine", linkage="average")
    labels = close.fit_predict(centroids)
    return unit(np.vstack([centroids[labels == each].mean(axis=0) for each in range(labels.max() + 1)]))


def _named(
    placed: TopicModel,
    centroids: NDArray[np.float32],
    counts: "csr_matrix",
    distinct: "csr_matrix",
    before: TopicModel | None,
) -> TopicModel:
    """Return the model with those topics that are large enough, numbered and named."""
    centroids = centroids.astype(np.float32)
    vectors = places(distinct, placed.idf, placed.components)
    for _ in range(2):  # what a small topic leaves may join another, or make it large enough
        rough = _with(placed, centroids, range(len(centroids)))
        labels, _ = rough.nearest(vectors)
        sizes = np.bincount(labels[labels >= 0], minlength=len(centroids))
        centroids = centroids[sizes >= SMALLEST]
    rough = _with(placed, centroids, range(len(centroids)))
    labels, _ = rough.nearest(vectors)
    words = names_of(distinct, labels, len(centroids), placed.vocabulary)
    whole, _ = rough.nearest(places(counts, placed.idf, placed.components))
    sizes = np.bincount(whole[whole >= 0], minlength=len(centroids))
    same = matched(words_among(before, placed.vocabulary), rough.words_at()) if before else {}
    numbers: dict[int, int] = {row: before.topics[column].id for row, column in same.items()} if before else {}
    next_id = placed.next_id
    for row in sorted(range(len(centroids)), key=lambda each: (-sizes[each], words[each])):
        if row not in numbers:
            numbers[row] = next_id
            next_id += 1
    order = sorted(numbers, key=lambda row: numbers[row])
    topics = tuple(
        Topic(numbers[row], words[row], int(sizes[row]), round(float(sizes[row] / placed.posts), 6)) for row in order
    )
    kept = {topic.id for topic in topics}
    vanished = tuple(topic.name for topic in before.topics if topic.id not in kept) if before else ()
    return replace(
        placed,
        centroids=centroids[order],
        topics=topics,
        outliers=int((whole == OUTLIER).sum()),
        next_id=next_id,
        vanished=vanished,
    )


def _with(placed: TopicModel, centroids: NDArray[np.float32], numbers: Sequence[int]) -> TopicModel:
    return replace(placed, centroids=centroids, topics=tuple(Topic(n, (), 0, 0.0) for n in numbers))
