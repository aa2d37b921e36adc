"""How much a text swears: a score from a short list of our own, for the attribute PROFANITY alone. Pure.

Invariant: a word says nothing about a person or group here; slurs are the model's business. English and Dutch only.
"""

import re
from collections.abc import Mapping

from services.classifier.spans import Span

LANGUAGES = frozenset({"en", "nl"})
MILD, COMMON, STRONG = 0.4, 0.7, 0.9
_WORDS: Mapping[float, str] = {
    MILD: """
        damn damned dammit goddamn crap crappy bloody arse bugger darn sucks wtf omfg
        verdomme verdorie verdikkeme potverdorie potverdomme gvd klere
    """,
    COMMON: """
        shit shitty bullshit piss pissed bollocks bastard bastards ass asshole assholes arsehole dickhead
        wanker tosser prick bitch
        klote klootzak klootzakken kloten kut kutzooi zeik gezeik zeikerd lullig hufter reet schijt
        tering teringzooi tyfus pleuris sodemieter godverdomme
    """,
    STRONG: """
        fuck fucks fucked fucker fuckers fucking fuckin fck
        fokking gefuckt
    """,
}
STRENGTHS: Mapping[str, float] = {word: strength for strength, words in _WORDS.items() for word in words.split()}
"""Word in lower case -> how strong it is: the score of a text that holds it once."""
WORD = re.compile(r"\w+(?:-\w+)*")
STRETCHED = re.compile(r"(\w)\1{2,}")


def hits(text: str) -> list[tuple[Span, float]]:
    """Return where swear words stand in a text (code points) and how strong each is."""
    found = []
    for word in WORD.finditer(text):
        strength = _strength(word.group().casefold())
        if strength:
            found.append((word.span(), strength))
    return found


def _strength(word: str) -> float:
    # `shiiiit` is one letter too many, `asssshole` two: both ways of shrinking are tried
    shrunk = {word, STRETCHED.sub(r"\1", word), STRETCHED.sub(r"\1\1", word)}
    return max(STRENGTHS.get(each, 0.0) for each in shrunk)


def score(text: str) -> float:
    """Return how much a text swears, 0 to 1: the chance that at least one of its swear words would offend."""
    clean = 1.0
    for _, strength in hits(text):
        clean *= 1 - strength
    return round(1 - clean, 4)
