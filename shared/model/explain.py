"""Why a linear model says what it says: what each word and each token of a text adds to the logit. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.aligned import align
from shared.model.text import token_of_word, tokens_in, words

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
    shared.model.text.tokens over the normalised `text`. `places` is where the words stand in that text, `starts` which
    token is each word's first.
    """

    words: tuple[Word, ...]
    intercept: float
    text: str = field(repr=False)
    places: Sequence[Span] = field(repr=False)
    starts: Sequence[int] = field(repr=False)
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
        if not len(self.buckets) or most < 1:
            return ()
        # bucket and position in one number: sorting numbers takes a tenth of what sorting positions by them does
        found = np.sort(self.buckets.astype(np.int64) << 32 | np.arange(len(self.buckets)))
        begins = np.flatnonzero(np.diff(found >> 32, prepend=-1))
        positions = found & 0xFFFFFFFF
        first, total = positions[begins], np.add.reduceat(self.added[positions], begins)
        if len(total) > most:
            strong = np.flatnonzero(total >= np.partition(total, -most)[-most])
            first, total = first[strong], total[strong]
        order = np.lexsort((first, -total))[:most]
        places, values = first[order].tolist(), total[order].tolist()
        return tuple((self._name(at), value) for at, value in zip(places, values, strict=True))

    def _name(self, position: int) -> str:
        """Return the token at a position; only the word that holds it is taken apart."""
        at = bisect_right(self.starts, position) - 1
        (begin, end), before = self.places[at], self.places[at - 1] if at else (0, 0)
        return token_of_word(self.text[begin:end], self.text[slice(*before)], position - self.starts[at])


def explained(raw: str, buckets: NDArray[np.int32], weights: NDArray[np.float32], intercept: float) -> Explanation:
    """Return the explanation of a raw text from buckets and weights of its tokens, in the order of text.tokens."""
    now = align(raw)
    added = weights.astype(np.float64) / np.sqrt(max(len(weights), 1))
    spans = list(words(now.text))
    starts = list(accumulate((tokens_in(end - begin) for begin, end in spans[:-1]), initial=0))
    sums = np.add.reduceat(added, starts).tolist() if spans else []
    places = [(now.places[begin][0], now.places[end - 1][1]) for begin, end in spans]
    found = tuple(Word(begin, end, value) for (begin, end), value in zip(places, sums, strict=True))
    return Explanation(found, intercept, now.text, spans, starts, added, buckets)


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
