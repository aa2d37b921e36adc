"""What goes out of the streams: in which order, under which ids, with what left out. Pure.

Invariant: without `text` nothing of a post's words leaves, and whose rating or posterior it is leaves never.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

from shared.events import Event
from shared.streams import FLOW, name_of, shard_in

STREAMS: tuple[str, ...] = (
    "posts.ingested",
    "posts.deleted",
    "posts.scored",
    "posts.corrected",
    "posts.rated",
    "models.trained",
    "models.promoted",
    "posts.status_changed",
    "reports.completed",
    "reports.submitted",
    "rounds.decided",
)
"""Every stream by its number in a position, from 1 on; a new one goes to the end, so that old positions stay true."""
NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(STREAMS, 1)}
OF_A_SHARD = 100
LAST_SEQUENCE = 2**64 - 1
WORDS = {"text", "url", "spans"}
"""Parts of an event that quote a post: its text, an address that may hold a title, the pieces a score came from."""
PERSONAL: Mapping[str, tuple[str, ...]] = {
    "posts.rated": ("rater", "model", "audit"),
    "models.trained": ("posterior",),
}
"""Parts that say whose rating it is, or how a person judges."""


class Position(NamedTuple):
    """A place in the order of all streams: the broker's ms and sequence of an entry, and its stream's number.

    The broker numbers all its streams by one clock, so positions of different streams compare. A shard counts as a
    stream of its own: the first has its stream's number, each further one a hundred more.
    """

    ms: int
    sequence: int
    stream: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}-{self.stream}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the position that `str` wrote. Raises ValueError."""
        if not re.fullmatch(PATTERN, text):
            raise ValueError("not a position")
        return cls(*(int(part) for part in text.split("-")))

    @classmethod
    def of(cls, stream: str, entry: bytes) -> Self:
        """Return where an entry of a stream, or of one of its shards, stands."""
        ms, _, sequence = entry.decode().partition("-")
        return cls(int(ms), int(sequence), number_of(stream))

    def entry(self, stream: str) -> str:
        """Return the newest entry id that a stream can have at or before this position."""
        if number_of(stream) <= self.stream:
            return f"{self.ms}-{self.sequence}"
        if self.sequence:
            return f"{self.ms}-{self.sequence - 1}"
        return f"{self.ms - 1}-{LAST_SEQUENCE}" if self.ms else "0-0"


PATTERN = r"[0-9]{1,14}-[0-9]{1,9}-[0-9]{1,4}"
OLDEST = Position(0, 0, 0)

Seen = dict[str, str]
"""Key of a stream -> id of the entry that was read last."""


def number_of(key: str) -> int:
    """Return the number of a stream, or of one of its shards, in a position."""
    return NUMBERS[name_of(key)] + OF_A_SHARD * shard_in(key)


def seen_until(position: Position, streams: Iterable[str], shards: int = 1) -> Seen:
    """Return what somebody has read who knows everything up to a position."""
    return {key: position.entry(key) for name in streams for key in FLOW[name].keys(shards)}


def seen_of(seen: Mapping[str, str], streams: Iterable[str], shards: int = 1) -> Seen:
    """Return what somebody has read of some streams, also where these had another number of shards then.

    Entries keep their ids when the number changes, so whoever has read a stream up to an entry has read its shards up
    to there; of several, up to the oldest.
    """
    found: Seen = {}
    for name in streams:
        known = [entry for key, entry in seen.items() if name_of(key) == name]
        oldest = min(known, key=lambda entry: tuple(map(int, entry.split("-"))), default="0-0")
        found |= {key: seen.get(key, oldest) for key in FLOW[name].keys(shards)}
    return found


@dataclass(frozen=True, slots=True)
class Item:
    """An event on its way out. `facts` is what filters ask about."""

    position: Position
    stream: str
    event: dict[str, Any]
    facts: Mapping[str, Any]
    frame: bytes


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events somebody wants. One that says nothing of what is asked about does not pass."""

    streams: tuple[str, ...] = STREAMS
    platform: str | None = None
    post: str | None = None
    language: str | None = None
    status: str | None = None
    flagged: bool | None = None
    min_score: float | None = None

    def pass_(self, item: Item) -> bool:
        """Return whether an event is among them."""
        facts = item.facts
        return (
            item.stream in self.streams
            and self.platform in (None, facts["platform"])
            and self.post in (None, facts["post"])
            and self.language in (None, facts["language"])
            and self.status in (None, facts["status"])
            and (self.flagged is None or facts["flagged"] is self.flagged)
            and (self.min_score is None or (facts["score"] is not None and facts["score"] >= self.min_score))
        )


def outgoing(stream: str, event: Event[Any], *, text: bool = False) -> dict[str, Any]:
    """Return the CloudEvents document of an event as outsiders get it."""
    body: dict[str, Any] = event.model_dump(mode="json", exclude_none=True, exclude={"attempt", "reason"})
    data = body["data"]
    for name in PERSONAL.get(stream, ()):
        data.pop(name, None)
    if not text:
        for name in WORDS:
            data.pop(name, None)
            data.get("post", {}).pop(name, None)
    return body


def item(position: Position, stream: str, event: Event[Any]) -> Item:
    """Return an event as the feed gives it out."""
    body = outgoing(stream, event)
    data = body["data"]
    post = data.get("post", data)
    facts = {
        "post": post.get("post_id"),
        "platform": post.get("platform"),
        "language": post.get("language"),
        "status": data.get("status"),
        "flagged": data.get("flagged"),
        "score": data.get("overall"),
    }
    frame = b"id: %s\nevent: %s\ndata: %s\n\n" % (str(position).encode(), stream.encode(), orjson.dumps(body))
    return Item(position, stream, body, facts, frame)
