"""Which topic of a new fit is which of the old one, so that a number means the same tomorrow. Pure.

Invariant: a number that was given once is never given to another topic.
"""

import numpy as np
from numpy.typing import NDArray

from shared.topics.model import TopicModel, unit

SAME = 0.5
"""Cosine between two topics' words from which they are one. Two halves of one corpus: docs/decisions/0031."""


def words_among(model: TopicModel, vocabulary: tuple[str, ...]) -> NDArray[np.float32]:
    """Return a model's topics as weights of other words: shape (topics, words), rows of length one or zero."""
    columns = {word: column for column, word in enumerate(vocabulary)}
    shared = [(mine, columns[word]) for mine, word in enumerate(model.vocabulary) if word in columns]
    made = np.zeros((len(model.topics), len(vocabulary)), np.float32)
    if shared:
        mine, theirs = map(np.array, zip(*shared, strict=True))
        made[:, theirs] = model.words_at()[:, mine]
    return unit(made)


def matched(before: NDArray[np.float32], after: NDArray[np.float32]) -> dict[int, int]:
    """Return row of `after` -> row of `before`, for pairs at least SAME near; the best pairs all in all.

    Both have rows of length one over the same words. Source: linear assignment, scipy.optimize.
    """
    from scipy.optimize import linear_sum_assignment

    if not len(before) or not len(after):
        return {}
    nearness = np.nan_to_num(after @ before.T)
    rows, columns = linear_sum_assignment(-np.where(nearness >= SAME, nearness, 0.0))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if nearness[row, column] >= SAME}
