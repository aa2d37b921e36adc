"""From raw text to tokens: the definition that training and scoring share, on any path. Pure.

A model's artifact names NORMALISER; a change of meaning here needs a new number and a newly trained model.
Source of the steps and of what each is worth: learning.md section 3.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

NORMALISER = "1"
LONGEST_WORD = 64
"""Code points of a word that count."""
SHORTEST_PIECE, LONGEST_PIECE = 2, 5
"""Code points of the pieces of a word that become tokens."""

ENTITY = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
COMPOSED = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
"""A stretch that compatibility normalisation may change; nothing in it joins with what stands outside."""
SYMBOL = re.compile("[\u2600-\U0010ffff]")
ADDRESS = re.compile(r"https?://\S+|\bwww\.\S+|\[url\]|\burl\b")
NAME = re.compile(r"(?<!\w)@\w+|<user>|\[user\]")
RUN = re.compile(r"(.)\1{2,}", re.DOTALL)
SPACED = re.compile(r"(?<![^\W_])[a-z](?:[ .\-_*][a-z]){3,}(?![^\W_])")
DISGUISED = re.compile(r"[a-z0-9@$]+")
COUNTED = re.compile(r"[0-9]+[a-z]{1,2}")
"""2nd, 5k: a number with its unit is no disguise."""
WORD = re.compile(r"[a-z0-9'$\u0080-\U0010ffff]+")
WHITE = re.compile(r"\s+")

PLAIN = str.maketrans("013457@$", "oieastas")
SEPARATORS = str.maketrans("", "", " .-_*")

Step = tuple[re.Pattern[str], Callable[[str], str]]


def _composed(found: str) -> str:
    """Return the compatibility form; half a surrogate pair, which no encoding has, becomes a question mark."""
    return unicodedata.normalize("NFKC", found.encode("utf-8", "replace").decode())


def _is_composed(text: str) -> bool:
    """Tell whether the compatibility form of a text is the text: often, and asking costs less than composing."""
    try:
        text.encode()  # half a surrogate pair has no encoding
    except UnicodeEncodeError:
        return False
    return unicodedata.is_normalized("NFKC", text)


def _named(found: str) -> str:
    """Return an emoji or other symbol by its Unicode name, so that its words are words."""
    if unicodedata.category(found) != "So":
        return found
    name = unicodedata.name(found, "").lower().replace(" face", "")
    return f" {name} " if name else found


def _plain(found: str) -> str:
    """Return a word without its disguise: `h4te` is `hate`, `2nd` and `5k` stay."""
    letters = any("a" <= sign <= "z" for sign in found)
    if not letters or found.isalpha() or COUNTED.fullmatch(found):
        return found
    return found.translate(PLAIN)


UNICODE_STEPS: tuple[Step, ...] = ((COMPOSED, _composed), (SYMBOL, _named))
"""What only texts with signs beyond ASCII need, before lower case."""

STEPS: tuple[Step, ...] = (
    (ADDRESS, lambda found: " urlx "),
    (NAME, lambda found: " userx "),
    (RUN, lambda found: found[:2]),
    (SPACED, lambda found: found.translate(SEPARATORS)),
    (DISGUISED, _plain),
    (WHITE, lambda found: " "),
)
"""What every text goes through after lower case, in this order."""


def normalise(text: str) -> str:
    """Return a text as the tokens see it: lower case, one space between words, links, names and disguises replaced."""
    return folded(unified(text))


def unified(text: str) -> str:
    """Return a text with entities, compatibility forms and symbols in plain words: what only some texts need."""
    if "&" in text:
        text = ENTITY.sub(lambda match: html.unescape(match.group()), text)
    if not text.isascii():
        for pattern, change in UNICODE_STEPS[1:] if _is_composed(text) else UNICODE_STEPS:
            text = pattern.sub(lambda match, change=change: change(match.group()), text)  # type: ignore[misc]
    return text


def folded(text: str) -> str:
    """Return a unified text after the steps that every text goes through."""
    text = text.lower()
    text = ADDRESS.sub(" urlx ", text)
    text = NAME.sub(" userx ", text)
    text = RUN.sub(r"\1\1", text)
    text = SPACED.sub(lambda match: match.group().translate(SEPARATORS), text)
    text = DISGUISED.sub(lambda match: _plain(match.group()), text)
    return WHITE.sub(" ", text).strip(" ")


def words(normalised: str) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each word of a normalised text; only its first 64 code points count."""
    for match in WORD.finditer(normalised):
        yield match.start(), min(match.end(), match.start() + LONGEST_WORD)


def tokens_of_word(word: str, before: str) -> list[str]:
    """Return the tokens of a word that follows another (or nothing): itself, its pieces, the pair."""
    framed = f" {word} "
    pieces = [
        framed[at : at + length]
        for at in range(len(framed) - 1)
        for length in range(SHORTEST_PIECE, min(LONGEST_PIECE, len(framed) - at) + 1)
    ]
    return [f"={word}", *pieces, f"+{before} {word}"]


def token_of_word(word: str, before: str, at: int) -> str:
    """Return the one of `tokens_of_word` that stands at a place of their list."""
    if at == 0:
        return f"={word}"
    framed, left = f" {word} ", at - 1
    for begin in range(len(framed) - 1):
        pieces = min(LONGEST_PIECE, len(framed) - begin) - SHORTEST_PIECE + 1
        if left < pieces:
            return framed[begin : begin + SHORTEST_PIECE + left]
        left -= pieces
    return f"+{before} {word}"


@cache  # at most LONGEST_WORD of them
def tokens_in(length: int) -> int:
    """Return how many tokens a word of so many code points has: itself, the pair, and its pieces."""
    framed = length + 2
    return 2 + sum(max(framed - size + 1, 0) for size in range(SHORTEST_PIECE, LONGEST_PIECE + 1))


def tokens(normalised: str) -> list[str]:
    """Return all tokens of a normalised text: what scikit-learn's HashingVectorizer takes as its analyzer."""
    found: list[str] = []
    before = ""
    for begin, end in words(normalised):
        word = normalised[begin:end]
        found += tokens_of_word(word, before)
        before = word
    return found
