"""Who says what to whom, as data. A contract test compares FLOW with the subscribers that really exist."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import events
from shared.events import Event, Payload

SERVICES: tuple[str, ...] = ("ingest", "classifier", "trainer", "auditor", "reporter")


@dataclass(frozen=True)
class Stream:
    """One stream: one event, one producer, any number of consumer groups (group = service name)."""

    name: str
    event: type[Payload]
    said_by: str
    heard_by: tuple[str, ...]
    holds_text: bool = False

    @property
    def sharded(self) -> bool:
        """Return whether its events are spread over shards by the post they are about."""
        return self.name.startswith("posts.")

    def keys(self, shards: int) -> list[str]:
        """Return its keys; one that is not about posts has one, in shard 0."""
        return [shard_key(self.name, shard, shards) for shard in range(shards if self.sharded else 1)]


FLOW: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream("posts.ingested", events.PostIngested, "ingest", ("classifier",), holds_text=True),
        Stream("posts.deleted", events.PostDeleted, "ingest", ("classifier", "trainer", "auditor", "reporter")),
        Stream("posts.scored", events.PostScored, "classifier", ("trainer", "auditor", "reporter"), holds_text=True),
        Stream(
            "posts.corrected",
            events.PostCorrected,
            "ingest",
            ("classifier", "trainer", "auditor", "reporter"),
            holds_text=True,
        ),
        Stream("posts.rated", events.PostRated, "ingest", ("trainer", "auditor")),
        Stream("models.trained", events.ModelTrained, "trainer", ("classifier", "auditor", "reporter")),
        Stream("models.promoted", events.ModelPromoted, "trainer", ("classifier", "auditor", "reporter")),
        Stream("posts.status_changed", events.PostStatusChanged, "auditor", ("reporter",)),
        Stream("rounds.decided", events.RoundDecided, "auditor", ("trainer",)),
        Stream("reports.completed", events.ReportCompleted, "reporter", ("reporter",)),
        Stream("reports.submitted", events.ReportSubmitted, "reporter", ("reporter",)),
    )
}
"""Stream name -> stream."""

STREAM_OF: Mapping[str, Stream] = {stream.event.event_type(): stream for stream in FLOW.values()}
"""CloudEvents type -> stream."""


def stream_of(event: Event[Any]) -> Stream:
    """Return the stream an event belongs on.

    Raises KeyError for a type that FLOW does not know.
    """
    return STREAM_OF[event.type]


def heard_by(service: str) -> list[Stream]:
    """Return the streams a service has a consumer group on."""
    return [stream for stream in FLOW.values() if service in stream.heard_by]


def groups() -> list[tuple[str, str]]:
    """Return every (stream, group) pair of the flow."""
    return [(stream.name, group) for stream in FLOW.values() for group in stream.heard_by]


def mermaid() -> str:
    """Return the flow as a Mermaid diagram; the README embeds it and a test compares the two."""
    lines = ["flowchart LR", "  platforms([platforms]) --> ingest"]
    for stream in FLOW.values():
        lines += [f"  {stream.said_by} -- {stream.name} --> {group}" for group in stream.heard_by]
    lines.append("  reporter --> avid([AVID])")
    return "\n".join(lines) + "\n"


def shard_of(subject: str, shards: int) -> int:
    """Return the shard of what an event is about: the same in every process, whatever Python hashes it to."""
    return zlib.crc32(subject.encode()) % shards


def shard_key(name: str, shard: int, shards: int) -> str:
    """Return the key of one shard of `name`."""
    return name if shards == 1 else f"{name}.{{{shard}}}"


def name_of(key: str) -> str:
    """Return what a key is a shard of: the stream of the flow."""
    return key.partition(".{")[0]


def shard_in(key: str) -> int:
    """Return the shard that a key belongs to; 0 where there is one only."""
    tag = key.partition(".{")[2].partition("}")[0]
    return int(tag) if tag.isdigit() else 0
