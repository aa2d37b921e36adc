"""Why a linear model says what it says: what each word and each token of a text adds to the logit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.aligned import align
from shared.model.text import tokens_of_word, words

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


@dataclass(frozen=True, slots=True)
class Explanation:
    """What carries a score: words in order, tokens by weight (the strongest first), and the intercept."""

    words: tuple[Word, ...]
    ngrams: tuple[tuple[str, float], ...]
    intercept: float

    @property
    def logit(self) -> float:
        """Return the logit that words and intercept add up to."""
        return self.intercept + sum(word.weight for word in self.words)


def explained(raw: str, weights: NDArray[np.float32], intercept: float) -> Explanation:
    """Return the explanation of a raw text from the weights of its tokens in the order of shared.model.text.tokens."""
    now = align(raw)
    scale = 1.0 / np.sqrt(len(weights)) if len(weights) else 0.0
    added = weights.astype(np.float64) * scale
    found: list[Word] = []
    ngrams: dict[str, float] = {}
    before, at = "", 0
    for begin, end in words(now.text):
        word = now.text[begin:end]
        names = tokens_of_word(word, before)
        mine = added[at : at + len(names)]
        for name, value in zip(names, mine.tolist(), strict=True):
            ngrams[name] = ngrams.get(name, 0.0) + value
        found.append(Word(now.places[begin][0], now.places[end - 1][1], float(mine.sum())))
        before, at = word, at + len(names)
    ordered = sorted(ngrams.items(), key=lambda each: (-each[1], each[0]))
    return Explanation(tuple(found), tuple(ordered), intercept)


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
