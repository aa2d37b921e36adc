"""The two ways to append events: in order, or once per id."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.cluster import connect, is_cluster
from shared.bus.keys import ERASURES, dead_key, seen_keys, version_key
from shared.bus.metrics import DEAD
from shared.bus.scripts import script
from shared.bus.shards import apart, key_for, shard_for
from shared.clock import millis
from shared.errors import Unavailable
from shared.events import Event
from shared.settings import BusSettings
from shared.streams import name_of, shard_key, shard_of, stream_of

__all__ = ["Publisher", "connect"]

CHUNK = 500
"""Events of one pipeline or script call."""
VERSIONS_KEPT_S = 30 * 86_400


class Publisher:
    """Appends events to the streams that FLOW gives them."""

    def __init__(self, redis: Redis, settings: BusSettings) -> None:
        self._redis = redis
        self._settings = settings
        self.shards = settings.shards
        self._admit = script(redis, "admit")
        self._advance = script(redis, "advance")
        self._withdraw = script(redis, "withdraw")

    async def publish_many(self, events: Iterable[Event[Any]], *, atomic: bool = False) -> int:
        """Append events in order and return how many; with `atomic`, each chunk of 500 appears at once or not at all.

        In a cluster that holds for what of a chunk is in one shard. A pipeline whose answer was lost is sent again; the
        duplicates carry the same ids.
        Raises Unavailable when the broker cannot be reached.
        """
        events, count = iter(events), 0
        while chunk := list(islice(events, CHUNK)):
            parts = [chunk]
            if atomic and is_cluster(self._redis):
                parts = [[chunk[place] for place in places] for places in apart(chunk, self.shards).values()]
            for part in parts:
                await self._append(part, atomic)
                count += len(part)
        return count

    async def _append(self, events: Sequence[Event[Any]], atomic: bool) -> None:
        try:
            async with self._redis.pipeline(transaction=atomic) as pipe:
                for event in events:
                    pipe.xadd(
                        key_for(event, self.shards),
                        {"__data__": event.wire()},
                        maxlen=self._settings.fuse,
                        approximate=True,
                    )
                await pipe.execute()
        except RedisError as error:
            raise Unavailable("broker") from error

    async def publish_once(self, events: Sequence[Event[Any]]) -> list[bool]:
        """Append each event unless its id was appended within the window; return which were new.

        The events of one call belong on one stream. Remembering and appending are one atomic step per 500 and shard.
        Raises Unavailable when the broker cannot be reached.
        """
        fresh = [False] * len(events)
        for start in range(0, len(events), CHUNK):
            chunk = events[start : start + CHUNK]
            for key, places in apart(chunk, self.shards).items():
                answers = await self._admit_to(key, [chunk[place] for place in places])
                for place, answer in zip(places, answers, strict=True):
                    fresh[start + place] = answer
            await asyncio.sleep(0)
        return fresh

    async def _admit_to(self, key: str, events: Sequence[Event[Any]]) -> list[bool]:
        window = self._settings.dedup_window_s
        argv: list[bytes | int] = [self._settings.fuse, 2 * window]
        for event in events:
            argv += [UUID(event.id).bytes, event.wire()]
        try:
            keys = [key, *seen_keys(key, millis() / 1000, window)]
            return [bool(answer) for answer in await self._admit(keys=keys, args=argv)]
        except RedisError as error:
            raise Unavailable("broker") from error

    async def publish_next(self, event: Event[Any], subject: str, version: int) -> tuple[bool | None, int]:
        """Append an event that carries a version, unless that version of its subject, or a later one, is there.

        Return whether it was new (None: somebody was faster, nothing was appended) and the version that stands.
        Versions are remembered for a month; who has seen a higher one than is remembered is believed.
        Raises Unavailable when the broker cannot be reached.
        """
        stream, window = key_for(event, self.shards), self._settings.dedup_window_s
        version_of = version_key(subject, shard_for(event, self.shards), self.shards)
        keys = [stream, *seen_keys(stream, millis() / 1000, window), version_of]
        argv: list[bytes | int] = [self._settings.fuse, 2 * window, UUID(event.id).bytes, event.wire()]
        try:
            answer, stands = await self._advance(keys=keys, args=[*argv, version, VERSIONS_KEPT_S])
        except RedisError as error:
            raise Unavailable("broker") from error
        return None if answer < 0 else bool(answer), int(stands)

    async def bury(self, event: Event[Any], group: str, reason: str, error: str) -> None:
        """Keep an event among a group's dead letters, for work that the group does after its handler has answered.

        Raises Unavailable when the broker cannot be reached.
        """
        stream = key_for(event, self.shards)
        fields: dict[Any, Any] = {"__data__": event.wire(), "reason": reason, "error": error, "entry": ""}
        try:
            await self._redis.xadd(dead_key(stream, group), fields, maxlen=self._settings.fuse, approximate=True)
        except RedisError as failure:
            raise Unavailable("broker") from failure
        DEAD.labels(name_of(stream), group).inc()

    async def withdraw(self, event: Event[Any], subject: str) -> bool:
        """Append a deletion unless its id was appended within the window, and ask for the erasure of its subject.

        Both are one atomic step; who repeats a deletion asks for the erasure again. Returns whether it was new.
        Raises Unavailable when the broker cannot be reached.
        """
        shard, window = shard_of(subject, self.shards), self._settings.dedup_window_s
        stream = shard_key(stream_of(event).name, shard, self.shards)
        keys = [stream, *seen_keys(stream, millis() / 1000, window), shard_key(ERASURES, shard, self.shards)]
        argv: list[bytes | int] = [
            self._settings.fuse,
            2 * window,
            UUID(event.id).bytes,
            event.wire(),
            subject.encode(),
        ]
        try:
            return bool(await self._withdraw(keys=keys, args=[*argv, subject.encode()]))
        except RedisError as error:
            raise Unavailable("broker") from error
