"""Which parts of a text are scored or shown by themselves: sentences, and the words that carried a score. Pure.

Invariant: offsets are code points of the raw text, end exclusive, until `utf16` turns them into what wires count.
"""

import re
from collections.abc import Callable

from shared.model.explain import Span, carriers

__all__ = ["Span", "carriers", "sentences", "utf16"]

WORD = re.compile(r"\S+")
CLOSING = "\"'\u201d\u2019»)]*_"
ENDS = frozenset(".!?\u2026\u3002\uff01\uff1f")
MOST_SENTENCES = 100
"""More sentences than that share the last span: each one costs a look of the model."""


def sentences(text: str) -> list[Span]:
    """Return where the sentences of a text stand, without the white space around them."""
    found: list[Span] = []
    begin, end = -1, 0
    for word in WORD.finditer(text):
        if begin >= 0 and "\n" in text[end : word.start()]:
            found.append((begin, end))
            begin = -1
        begin, end = (word.start() if begin < 0 else begin), word.end()
        if word.group().rstrip(CLOSING)[-1:] in ENDS:
            found.append((begin, end))
            begin = -1
    if begin >= 0:
        found.append((begin, end))
    if len(found) > MOST_SENTENCES:
        found[MOST_SENTENCES - 1 :] = [(found[MOST_SENTENCES - 1][0], found[-1][1])]
    return found


def utf16(text: str) -> Callable[[int], int]:
    """Return the function from an offset in code points to one in UTF-16 code units, as JavaScript and Java count."""
    if not text or max(text) <= "\uffff":
        return lambda at: at
    units = [0]
    for character in text:
        units.append(units[-1] + 1 + (character > "\uffff"))
    return units.__getitem__
