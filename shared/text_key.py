"""What makes two texts the same: one key, for merging examples, for a person's override of a score, for the leak check.

Invariant: a change here changes the split, every data hash and which posts an override is about.
"""

import re

_NAMES = re.compile(r"https?://\S+|www\.\S+|@\w+")
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def without_names(text: str) -> str:
    """Return a text in lower case with a space in place of every address and @name."""
    return _NAMES.sub(" ", text.lower())


def key_of(text: str) -> str:
    """Return the words of a text in lower case, one space between them; the raw text if it has none."""
    return _BETWEEN_WORDS.sub(" ", without_names(text)).strip() or text
