"""Which keys the streams of the flow have, and on which of them an event belongs.

Invariant: all events about one post are in one shard, so that one commit spans what is heard and what is said of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.events import Event, Payload
from shared.streams import FLOW, Stream, groups, shard_key, shard_of, stream_of


def flow_keys(shards: int) -> dict[str, Stream]:
    """Return every key of the flow with its stream."""
    return {key: stream for stream in FLOW.values() for key in stream.keys(shards)}


def keyed(pairs: Iterable[tuple[str, str]], shards: int) -> list[tuple[str, str]]:
    """Return the (key, group) pairs of (stream, group) pairs."""
    return [(key, group) for name, group in pairs for key in FLOW[name].keys(shards)]


def group_keys(shards: int) -> list[tuple[str, str]]:
    """Return every (key, group) pair of the flow."""
    return keyed(groups(), shards)


def shard_for(event: Event[Any], shards: int) -> int:
    """Return the shard of an event: that of its post, else of whom or what it is about."""
    return shard_of(_about(event.data) or event.id, shards) if shards > 1 and stream_of(event).sharded else 0


def key_for(event: Event[Any], shards: int) -> str:
    """Return the key an event belongs on."""
    return shard_key(stream_of(event).name, shard_for(event, shards), shards)


def _about(data: Payload) -> str | None:
    return data.subject() or getattr(data, "author", None) or getattr(data, "account", None)


def apart(events: Sequence[Event[Any]], shards: int) -> Mapping[str, list[int]]:
    """Return key -> places of the events that belong on it, in order."""
    places: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        places.setdefault(key_for(event, shards), []).append(place)
    return places


def subjects_apart(subjects: Iterable[str], shards: int) -> Mapping[int, list[str]]:
    """Return shard -> the subjects that belong to it."""
    found: dict[int, list[str]] = {}
    for subject in subjects:
        found.setdefault(shard_of(subject, shards), []).append(subject)
    return found
