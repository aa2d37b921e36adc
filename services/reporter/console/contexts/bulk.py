"""Several posts decided alike: which ones somebody may choose, what is shown before it is done, what became of it.

Invariant: a post is chosen only by a proof that its text was on this person's page, or that it says the same as one
they just decided; the proof also says which version of it they saw.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from services.reporter.console.contexts.reviewing import Card
from services.reporter.console.veil import Veil

MOST = 500
SAMPLE = 5
"""Posts that are shown before all are decided."""
PATH = "/bulk/reviews"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A post, and how many words of reviewers it had when it was chosen."""

    post_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What is about to be decided. `left` posts more would fit and are too many, or held by others.

    `alike` is the verdict (its id) that the others follow; `expected` the categories it named, `failed`: not saved.
    """

    verdict: str
    proofs: tuple[str, ...]
    sample: tuple[Card, ...]
    left: int
    alike: str
    expected: tuple[str, ...]
    query: str
    back: str
    failed: bool = False

    @property
    def posts(self) -> int:
        """Return how many posts it is about."""
        return len(self.proofs)

    @property
    def further(self) -> int:
        """Return how many posts are not shown."""
        return len(self.proofs) - len(self.sample)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of posts that were decided alike: saved, judged by somebody else meanwhile, and not reached."""

    id: str
    verdict: str
    posts: int
    stale: int
    failed: int


def proof(person_id: str, post_id: str, version: int, secret: str) -> str:
    """Return what shows that a post was on somebody's page in a version."""
    return f"{post_id}:{version}:{_mac(person_id, post_id, version, secret)}"


def chosen(person_id: str, proofs: Iterable[str], secret: str) -> tuple[Chosen, ...]:
    """Return the posts that proofs are about, each once. Raises ValueError for one that is not of this person."""
    found: dict[str, Chosen] = {}
    for each in proofs:
        post_id, _, rest = each.partition(":")
        version, _, mac = rest.partition(":")
        ours = _mac(person_id, post_id, int(version), secret) if version.isdecimal() else ""
        if not ours or not hmac.compare_digest(mac.encode(), ours.encode()):
            raise ValueError("no proof of this person")
        found[post_id] = Chosen(post_id, int(version))
    return tuple(found.values())


def _mac(person_id: str, post_id: str, version: int, secret: str) -> str:
    said = f"was on a page|{person_id}|{post_id}|{version}".encode()
    return hmac.digest(secret.encode(), said, sha256).hex()[:20]


def choices(cards: Iterable[Card], person_id: str, secret: str) -> dict[str, str]:
    """Return the proof of each post that may be chosen: its text is on the page and nobody else holds it."""
    return {
        card.id: proof(person_id, card.id, card.version, secret)
        for card in cards
        if card.veiled.level is not Veil.WHOLE and not (card.held and card.held.name)
    }


def batch_of(command: Any) -> Batch | None:
    """Return what became of a command that decided several posts; None if it did not."""
    facts: Mapping[str, Any] = ((command.answer if command is not None else None) or {}).get("facts") or {}
    if "words" not in facts:
        return None
    words: Sequence[Any] = facts["words"]
    return Batch(facts["batch"], facts["verdict"], len(words), facts["stale"], facts["failed"])


def words_of(command: Any) -> list[tuple[str, str]]:
    """Return the verdicts of a batch: id and post."""
    return [(word, post) for word, post in command.answer["facts"]["words"]]
