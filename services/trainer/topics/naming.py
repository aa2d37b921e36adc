"""Which words a topic is made and called of: class-based TF-IDF over words that several people wrote. Pure.

Source of the weighting: Grootendorst, BERTopic (arXiv 2203.05794), with posts counted instead of occurrences.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PEOPLE = 3
"""A word of a model occurs in posts of at least so many authors, and in so many posts."""
WORDS = 4


def authors_of(counts: "csr_matrix", authors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return by how many different authors each word was used; -1 among `authors` is somebody unknown, each another."""
    from scipy.sparse import csr_matrix

    unknown = authors < 0
    codes = authors.copy()
    codes[unknown] = codes.max(initial=-1) + 1 + np.arange(int(unknown.sum()))
    who, rows = np.unique(codes, return_inverse=True)
    ones = np.ones(len(codes), np.float32)
    by_author = csr_matrix((ones, (rows, np.arange(len(codes)))), shape=(len(who), len(codes))) @ counts
    return np.asarray((by_author > 0).sum(axis=0)).ravel().astype(np.int64)


def names_of(
    counts: "csr_matrix", labels: NDArray[np.int64], topics: int, vocabulary: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """Return up to four words per topic (labels 0 to topics - 1), the most telling first.

    A word is telling if many of the topic's posts have it and few others do; words in three of them go first.
    """
    present = counts.copy()
    present.data = np.ones_like(present.data)
    within = np.zeros((topics, len(vocabulary)))
    sizes = np.bincount(labels[labels >= 0], minlength=topics)
    for topic in range(topics):
        within[topic] = np.asarray(present[labels == topic].sum(axis=0)).ravel()
    everywhere = np.maximum(within.sum(axis=0), 1.0)
    rarity = np.log1p(within.sum() / max(topics, 1) / everywhere)
    telling = within / np.maximum(sizes, 1)[:, None] * rarity
    names = []
    for row, often in zip(telling, within >= PEOPLE, strict=True):
        order = np.lexsort((np.arange(len(row)), -row, ~often))[:WORDS]
        names.append(tuple(vocabulary[column] for column in order if row[column] > 0))
    return names
