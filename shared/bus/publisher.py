"""Clients of the broker and the two ways to append events: in order, or once per id."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from shared.bus.keys import ERASURES, dead_key, seen_keys, version_key
from shared.bus.metrics import DEAD
from shared.bus.scripts import script
from shared.clock import millis
from shared.errors import Unavailable
from shared.events import Event
from shared.settings import BusSettings
from shared.sockets import OPTIONS
from shared.streams import stream_of

CHUNK = 500
"""Events of one pipeline or script call."""
VERSIONS_KEPT_S = 30 * 86_400


def connect(url: str) -> Redis:
    """Return a client that survives a restart of the server: six retries with jittered back-off."""
    return Redis.from_url(
        url,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 6),
        retry_on_error=[exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError],
        health_check_interval=30,
        socket_keepalive=True,
        socket_keepalive_options=OPTIONS,
        socket_connect_timeout=5,
        protocol=2,
    )


class Publisher:
    """Appends events to the streams that FLOW gives them."""

    def __init__(self, redis: Redis, settings: BusSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._admit = script(redis, "admit")
        self._advance = script(redis, "advance")
        self._withdraw = script(redis, "withdraw")

    async def publish_many(self, events: Iterable[Event[Any]], *, atomic: bool = False) -> int:
        """Append events in order and return how many; with `atomic`, each chunk of 500 appears at once or not at all.

        A pipeline whose answer was lost is sent again; the duplicates carry the same ids.
        Raises Unavailable when the broker cannot be reached.
        """
        events, count = iter(events), 0
        while chunk := list(islice(events, CHUNK)):
            try:
                async with self._redis.pipeline(transaction=atomic) as pipe:
                    for event in chunk:
                        pipe.xadd(
                            stream_of(event).name,
                            {"__data__": event.wire()},
                            maxlen=self._settings.fuse,
                            approximate=True,
                        )
                    await pipe.execute()
            except RedisError as error:
                raise Unavailable("broker") from error
            count += len(chunk)
        return count

    async def publish_once(self, events: Sequence[Event[Any]]) -> list[bool]:
        """Append each event unless its id was appended within the window; return which were new.

        The events of one call belong on one stream. Remembering and appending are one atomic step per 500.
        Raises Unavailable when the broker cannot be reached.
        """
        fresh: list[bool] = []
        window = self._settings.dedup_window_s
        for start in range(0, len(events), CHUNK):
            chunk = events[start : start + CHUNK]
            stream = stream_of(chunk[0]).name
            argv: list[bytes | int] = [self._settings.fuse, 2 * window]
            for event in chunk:
                argv += [UUID(event.id).bytes, event.wire()]
            try:
                keys = [stream, *seen_keys(stream, millis() / 1000, window)]
                fresh += [bool(answer) for answer in await self._admit(keys=keys, args=argv)]
            except RedisError as error:
                raise Unavailable("broker") from error
            await asyncio.sleep(0)
        return fresh

    async def publish_next(self, event: Event[Any], subject: str, version: int) -> tuple[bool | None, int]:
        """Append an event that carries a version, unless that version of its subject, or a later one, is there.

        Return whether it was new (None: somebody was faster, nothing was appended) and the version that stands.
        Versions are remembered for a month; who has seen a higher one than is remembered is believed.
        Raises Unavailable when the broker cannot be reached.
        """
        stream, window = stream_of(event).name, self._settings.dedup_window_s
        keys = [stream, *seen_keys(stream, millis() / 1000, window), version_key(subject)]
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
        stream = stream_of(event).name
        fields: dict[Any, Any] = {"__data__": event.wire(), "reason": reason, "error": error, "entry": ""}
        try:
            await self._redis.xadd(dead_key(stream, group), fields, maxlen=self._settings.fuse, approximate=True)
        except RedisError as failure:
            raise Unavailable("broker") from failure
        DEAD.labels(stream, group).inc()

    async def withdraw(self, event: Event[Any], subject: str) -> bool:
        """Append a deletion unless its id was appended within the window, and ask for the erasure of its subject.

        Both are one atomic step; who repeats a deletion asks for the erasure again. Returns whether it was new.
        Raises Unavailable when the broker cannot be reached.
        """
        stream, window = stream_of(event).name, self._settings.dedup_window_s
        keys = [stream, *seen_keys(stream, millis() / 1000, window), ERASURES]
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
