"""What synthetic platforms do: posts of our own words in some languages and lengths, said again, edited, deleted. Pure.

Invariant: the same mix and seed give the same actions, whoever runs them and when.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

_ENGLISH = """
the train was late again and nobody said why today we walked along the river with our old dog my neighbour grows
tomatoes what a silly idea you could not find your own feet please read the first page before you answer this game is
rubbish but the music was lovely is anybody else at the market on friday morning
"""
_DUTCH = """
de trein was weer te laat en niemand zei waarom vandaag liepen we langs de rivier met onze oude hond mijn buurman kweekt
tomaten wat een mal idee je kunt je eigen voeten niet vinden lees eerst de eerste bladzijde voordat je antwoordt dit
spel is niks maar de muziek was prachtig is er nog iemand vrijdag op de markt
"""
_GERMAN = """
der zug war wieder zu spät und niemand sagte warum heute gingen wir mit unserem alten hund am fluss entlang mein nachbar
zieht tomaten was für eine alberne idee du findest deine eigenen füße nicht das spiel ist nichts aber die musik war
schön ist noch jemand am freitag auf dem markt
"""
WORDS: Mapping[str, tuple[str, ...]] = {
    "en": tuple(_ENGLISH.split()),
    "nl": tuple(_DUTCH.split()),
    "de": tuple(_GERMAN.split()),
}
"""Language -> words that posts are drawn from: mild, and nobody's."""
EDITED = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_WORDS = 300
REACH = 200
"""How many posts back something is said again, edited, deleted or corrected."""

Kind = Literal["post", "duplicate", "edit", "deletion", "correction"]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is done besides new posts: shares of all actions, from 0 to 1; `words` is the median length of a post."""

    languages: tuple[str, ...] = ("en", "nl")
    words: int = 20
    duplicates: float = 0.05
    edits: float = 0.03
    deletions: float = 0.01
    corrections: float = 0.01


@dataclass(frozen=True, slots=True)
class Action:
    """One request of a platform: about the post `external_id`; `body` is what is sent of a post."""

    kind: Kind
    external_id: str
    body: Mapping[str, Any]


def actions(mix: Mix, count: int, platform: str, author: str, seed: int) -> Iterator[Action]:
    """Yield so many actions. What is about an earlier post is about one of the last 200 that was not deleted."""
    draw = random.Random(seed)  # noqa: S311 - posts, no secrets
    known: list[dict[str, Any]] = []
    kinds: tuple[Kind, ...] = ("duplicate", "edit", "deletion", "correction")
    shares = (mix.duplicates, mix.edits, mix.deletions, mix.corrections)
    others = (*shares, max(0.0, 1.0 - sum(shares)))
    for number in range(count):
        (kind,) = draw.choices((*kinds, "post"), others)
        if kind == "post" or not known:
            body = {
                "platform": platform,
                "external_id": str(number),
                "author": author,
                "text": _text(draw, mix, number),
                "edited_at": None,
            }
            known = [*known[-REACH:], body]
            yield Action("post", str(number), body)
            continue
        at = draw.randrange(len(known))
        if kind == "edit":
            edited = known[at] | {"text": _text(draw, mix, number)}
            edited["edited_at"] = (EDITED + timedelta(seconds=number)).isoformat()
            known[at] = edited
        body = known.pop(at) if kind == "deletion" else known[at]
        yield Action(kind, body["external_id"], body)  # type: ignore[arg-type]


def _text(draw: random.Random, mix: Mix, number: int) -> str:
    """Return a post: most are about as long as `words`, a few many times that; its number makes it one of its own."""
    size = min(LONGEST_WORDS, max(1, round(mix.words * draw.lognormvariate(0.0, 0.8))))
    words = WORDS[draw.choice(mix.languages)]
    return f"{' '.join(draw.choices(words, k=size))}, {number}"
