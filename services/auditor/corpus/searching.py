"""Search for words in texts: a literal piece of text, whatever its case, whole words if wanted. Pure.

Invariant: text and query are folded alike (NFC, then case), so what looks the same is found.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def folded(text: str) -> str:
    """Return a text as it is searched."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def found(texts: "Sequence[str] | NDArray[Any]", words: str, *, whole: bool = False) -> NDArray[np.int64]:
    """Return which folded texts hold `words` as they stand, ascending; with `whole` not as part of a longer word.

    Nothing is found for words that are blank. One pass of plain search per text: it is quicker than one buffer of all
    texts with its offsets, and erased texts need no care.
    """
    wanted = folded(words).strip()
    if not wanted:
        return np.zeros(0, np.int64)
    every = texts.tolist() if isinstance(texts, np.ndarray) else texts
    hits = [at for at, text in enumerate(every) if wanted in text]
    if whole:
        # the literal first: the engine jumps from one to the next, and looks back only there
        piece = re.escape(wanted)
        alone = re.compile(rf"{piece}(?!\w)(?<!\w{piece})").search
        hits = [at for at in hits if alone(every[at])]
    return np.array(hits, np.int64)
