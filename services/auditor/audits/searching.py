"""Which texts hold some words, and which topics somebody means.

Invariant: a search is for the words as they are written: no pattern, no stem. Source: audits.md section 9.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray


def folded(text: str) -> str:
    """Return a text as it is searched: NFC, without case. Whoever keeps texts keeps them so: folding is what takes."""
    return normalize("NFC", normalize("NFC", text).casefold())


def holding(texts: Sequence[str], wanted: str, *, whole_word: bool = False) -> NDArray[np.bool_]:
    """Return which folded texts (n,) hold the wanted words as they are written; of no words, none.

    With `whole_word` no letter or digit may stand directly before or after.
    """
    asked = folded(wanted)
    if not asked.strip():
        return np.zeros(len(texts), np.bool_)
    found = np.array([asked in text for text in texts], np.bool_)
    if whole_word:
        alone = re.compile(rf"(?<!\w){re.escape(asked)}(?!\w)")
        for row in np.flatnonzero(found).tolist():
            found[row] = alone.search(texts[row]) is not None
    return found


@dataclass(frozen=True)
class FoundTopics:
    """Topics by id: those the person's model is tuned for, and the others."""

    tuned: tuple[int, ...]
    others: tuple[int, ...]


def topics_found(wanted: str, words: Mapping[int, Collection[str]], tuned: Collection[int]) -> FoundTopics:
    """Return the topics whose number is wanted or whose words hold every word of it; of nothing wanted, all."""
    asked = folded(wanted).split()
    found = [
        topic
        for topic, own in sorted(words.items())
        if asked == [str(topic)] or all(any(part in folded(word) for word in own) for part in asked)
    ]
    return FoundTopics(
        tuple(topic for topic in found if topic in tuned), tuple(topic for topic in found if topic not in tuned)
    )
