"""Why a linear model says what it says: what each word and each token of a text adds to the logit. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model.aligned import align
from shared.model.text import tokens_of_word, words


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
