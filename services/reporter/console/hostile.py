"""What a text may hide: characters nobody sees, and those that turn the order of others around. Pure.

Invariant: everything that a text holds is visible afterwards, and nothing of it acts.
"""

import unicodedata
from typing import NamedTuple

NAMES = {
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2060": "WJ",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\ufeff": "BOM",
    "\u00ad": "SHY",
}
"""Character -> what stands in its place. A ZWJ inside an emoji stays: it is part of the sign."""


class Piece(NamedTuple):
    """A part of a text: words, or the name of a character that cannot be seen."""

    text: str
    mark: bool


def pieces(text: str) -> list[Piece]:
    """Return a text in parts, each hidden character by its name."""
    found: list[Piece] = []
    plain = ""
    for at, character in enumerate(text):
        name = _name(text, at, character)
        if name is None:
            plain += character
            continue
        if plain:
            found.append(Piece(plain, False))
        found.append(Piece(name, True))
        plain = ""
    return [*found, Piece(plain, False)] if plain else found


def _name(text: str, at: int, character: str) -> str | None:
    if character == "\u200d" and _pictures(text, at):
        return None
    if character in NAMES:
        return NAMES[character]
    if unicodedata.category(character) in ("Cf", "Cc", "Co", "Cn") and character not in "\n\t\r":
        tagged = 0xE0020 <= ord(character) <= 0xE007F  # flags of regions are written with tags
        return None if tagged and "\U0001f3f4" in text[:at] else f"U+{ord(character):04X}"
    return None


def _pictures(text: str, at: int) -> bool:
    """Return whether a joiner stands between two pictures."""
    before = text[at - 1] if at else ""
    after = text[at + 1 : at + 2]
    return bool(before and after) and (before == "\ufe0f" or _picture(before)) and _picture(after)


def _picture(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk") or character in "\u2640\u2642\u2695"
