"""Reads the streams for those who listen from outside: no consumer group, nothing is acknowledged, nothing is kept.

Invariant: what comes out is in the order of positions, and complete: entries of the broker's present millisecond wait,
because it may still hand out ids in it. What is being erased does not come out.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.reporter.feed import Item, Position, Seen, item, seen_of, seen_until
from shared.bus.cluster import is_cluster
from shared.bus.entries import Entry
from shared.bus.envelope import FIELD, Malformed, reader
from shared.bus.erasures import doomed, pending_among, server_millis, subjects
from shared.clock import monotonic
from shared.errors import Unavailable
from shared.events import Event
from shared.streams import FLOW, name_of

LOOK_S = 0.05
"""In a cluster no read waits for streams of several nodes, so we look this often."""


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("broker") from error


@dataclass(frozen=True, slots=True)
class Read:
    """One look at the streams: events in order, what has been read by now, and whether there is more.

    Nothing said up to `known` is left to read.
    """

    found: list[tuple[Position, str, bytes, Event[Any]]]
    seen: Seen
    more: bool
    known: Position

    @property
    def items(self) -> list[Item]:
        """Return the events as the feed gives them out."""
        return [item(position, stream, event) for position, stream, _, event in self.found]


class Tail:
    """The streams of one broker, each of which may have several shards."""

    def __init__(self, redis: Redis, shards: int = 1) -> None:
        self._redis = redis
        self._shards = shards

    def until(self, position: Position, streams: Iterable[str]) -> Seen:
        """Return what somebody has read of streams who knows everything up to a position."""
        return seen_until(position, streams, self._shards)

    def of(self, seen: Mapping[str, str], streams: Iterable[str]) -> Seen:
        """Return what somebody has read of streams by what they kept of it."""
        return seen_of(seen, streams, self._shards)

    async def now(self) -> Position:
        """Return the position that everything said from now on comes after."""
        with _outages():
            return Position(await server_millis(self._redis), 0, 0)

    async def wait(self, seen: Seen, block_ms: int) -> None:
        """Return when there is something nobody read yet, or after a while."""
        with _outages():
            if is_cluster(self._redis):
                await self._look_until(seen, monotonic() + block_ms / 1000)
            else:
                await self._redis.xread(cast("dict[Any, Any]", seen), count=1, block=block_ms)

    async def _look_until(self, seen: Seen, end: float) -> None:
        while monotonic() < end:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, entry in seen.items():
                    pipe.xrange(key, min=f"({entry}", count=1)
                if any(await pipe.execute()):
                    return
            await asyncio.sleep(LOOK_S)

    async def read(self, seen: Seen, until: Position, count: int) -> Read:
        """Return what comes after `seen` up to `until`, from at most `count` entries of each stream."""
        streams = sorted(seen)
        with _outages():
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in streams:
                    pipe.xrange(name, min=f"({seen[name]}", max=until.entry(name), count=count)
                pages: list[list[Entry]] = await pipe.execute()
        placed = [
            (Position.of(name, entry), name, entry, fields)
            for name, page in zip(streams, pages, strict=True)
            for entry, fields in page
        ]
        # of a stream that has more, nothing is known behind its last entry: what comes later has to wait
        full = [Position.of(name, page[-1][0]) for name, page in zip(streams, pages, strict=True) if len(page) == count]
        chosen = sorted((each for each in placed if not full or each[0] <= min(full)), key=lambda each: each[0])
        later = dict(seen) | {name: entry.decode() for _, name, entry, _ in chosen}
        return Read(await self._allowed(chosen), later, bool(full), min(full, default=until))

    async def _allowed(
        self, chosen: Sequence[tuple[Position, str, bytes, dict[bytes, bytes]]]
    ) -> list[tuple[Position, str, bytes, Event[Any]]]:
        """Leave out what cannot be read and posts whose erasure was asked for."""
        raws = [fields.get(FIELD, b"") if FLOW[name_of(key)].holds_text else b"" for _, key, _, fields in chosen]
        named = {subject for raw in raws for subject in subjects(raw)}
        with _outages():
            erased = await pending_among(self._redis, named, self._shards)
        found = []
        for (position, key, entry, fields), raw in zip(chosen, raws, strict=True):
            name = name_of(key)
            event = reader(FLOW[name])(fields)
            if not isinstance(event, Malformed) and not (erased and doomed(raw, erased)):
                found.append((position, name, entry, event))
        return found
