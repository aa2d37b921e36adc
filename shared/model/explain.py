"""Why a linear model says what it says: what each word and each token of a text adds to the logit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.aligned import align
from shared.model.text import tokens_in, tokens_of_word, words

LEAST_WEIGHT, LEAST_SHARE = 0.2, 0.7
"""A word carried a score from this weight on the logit, and this share of the heaviest word's: learning.md section 6;
chosen on tsd_trial, character F1 0.604 on tsd_test."""

Span = tuple[int, int]
"""Where a stretch of the raw text begins and ends, in code points."""


class Word(NamedTuple):
    """A word at `begin` to `end` of the raw text, in code points, and what it adds to the logit."""

    begin: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What carries a score: words in order, the intercept, and on request the tokens.

    `added` (tokens,) is what each token adds to the logit, `buckets` (tokens,) its column, both in the order of
    shared.model.text.tokens over the normalised `text`.
    """

    words: tuple[Word, ...]
    intercept: float
    text: str = field(repr=False)
    added: NDArray[np.float64] = field(repr=False)
    buckets: NDArray[np.int32] = field(repr=False)

    @property
    def logit(self) -> float:
        """Return the logit that words and intercept add up to."""
        return self.intercept + sum(word.weight for word in self.words)

    def ngrams(self, most: int) -> tuple[tuple[str, float], ...]:
        """Return at most so many tokens and what they add, the strongest first.

        Tokens that share a bucket are one to the model: they stand under the name of the first.
        """
        _, first, which = np.unique(self.buckets, return_index=True, return_inverse=True)
        total = np.bincount(which, weights=self.added)
        order = np.lexsort((first, -total))[:most]
        names = self._names(first[order])
        return tuple((names[at], value) for at, value in zip(first[order].tolist(), total[order].tolist(), strict=True))

    def _names(self, wanted: NDArray[np.int64]) -> dict[int, str]:
        """Return position -> token; only the words that hold a wanted one are taken apart."""
        found: dict[int, str] = {}
        left = sorted(wanted.tolist(), reverse=True)
        before, at = "", 0
        for begin, end in words(self.text):
            word, count = self.text[begin:end], tokens_in(end - begin)
            if left and left[-1] < at + count:
                names = tokens_of_word(word, before)
                while left and left[-1] < at + count:
                    position = left.pop()
                    found[position] = names[position - at]
            before, at = word, at + count
        return found


def explained(raw: str, buckets: NDArray[np.int32], weights: NDArray[np.float32], intercept: float) -> Explanation:
    """Return the explanation of a raw text from buckets and weights of its tokens, in the order of text.tokens."""
    now = align(raw)
    added = weights.astype(np.float64) / np.sqrt(max(len(weights), 1))
    spans = list(words(now.text))
    starts = np.cumsum([0, *(tokens_in(end - begin) for begin, end in spans)])[:-1]
    sums = np.add.reduceat(added, starts).tolist() if spans else []
    places = [(now.places[begin][0], now.places[end - 1][1]) for begin, end in spans]
    found = tuple(Word(*place, value) for place, value in zip(places, sums, strict=True))
    return Explanation(found, intercept, now.text, added, buckets)


def carriers(words: Sequence[tuple[int, int, float]]) -> list[Span]:
    """Return where the words stand that carried a score, neighbours joined; `words` are (begin, end, weight)."""
    least = max(LEAST_WEIGHT, LEAST_SHARE * max((weight for _, _, weight in words), default=0.0))
    found: list[Span] = []
    before = -2
    for at, (begin, end, weight) in enumerate(words):
        if weight < least:
            continue
        if at == before + 1:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
        before = at
    return found
