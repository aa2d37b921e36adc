"""English rows in Dutch words, one by one: it moves vocabulary across, not grammar or idiom. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace

from services.trainer.rows import Row

FEWEST_WORDS, KNOWN_SHARE = 3, 0.6
"""A row with fewer words, or a smaller share of words we know, gets no copy."""

_PARTS = re.compile(r"(https?://\S+|www\.\S+|@\w+|[\[<]\w+[\]>]|[a-z']+)")


def in_dutch_words(text: str, words: Mapping[str, str]) -> str | None:
    """Return a text in lower case with every known word replaced, None if too little of it is known."""
    parts = _PARTS.split(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    found = parts[1::2]  # addresses and names count as words nobody knows
    known = sum(part in words for part in found)
    if len(found) < FEWEST_WORDS or known < KNOWN_SHARE * len(found):
        return None
    return "".join(words.get(part, part) for part in parts)


def copy_of(row: Row, words: Mapping[str, str]) -> Row | None:
    """Return the Dutch copy of an English row with the same marks, None if it gets none."""
    text = in_dutch_words(row.text, words)
    return None if text is None else replace(row, source=f"{row.source}:nl", text=text, language="nl")
