"""Who runs: each process says on the broker now and then that it does, which services it is, and how it stands.

Invariant: nothing in it is a secret or of a post; whoever died is found by its silence.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.erasures import server_millis
from shared.bus.keys import PROCESSES
from shared.clock import millis

SAID_EVERY_S = 10.0
FORGOTTEN_MS = 86_400_000
"""After a day of silence nobody needs to know of a process any more."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it described itself.

    `said_ms`: when, by the broker's clock. `ahead_ms`: how far its own clock was ahead of that one.
    """

    name: str
    services: tuple[str, ...]
    version: str
    said_ms: int
    ahead_ms: int
    not_ready: tuple[str, ...] = ()
    not_alive: tuple[str, ...] = ()


class Presence:
    """Says that this process runs, for as long as it does."""

    def __init__(
        self,
        redis: Redis,
        name: str,
        services: Sequence[str],
        version: str,
        standing: Callable[[], Awaitable[tuple[Sequence[str], Sequence[str]]]],
    ) -> None:
        self._redis = redis
        self._name = name
        self._services = services
        self._version = version
        self._standing = standing

    async def __call__(self) -> None:
        """Say it once, and forget those who have been silent for a day."""
        not_ready, not_alive = await self._standing()
        now = await server_millis(self._redis)
        row = {
            "services": list(self._services),
            "version": self._version,
            "said_ms": now,
            "ahead_ms": millis() - now,
            "not_ready": list(not_ready),
            "not_alive": list(not_alive),
        }
        await self._redis.hset(PROCESSES, self._name, orjson.dumps(row))
        if silent := [each.name for each in await processes(self._redis) if now - each.said_ms > FORGOTTEN_MS]:
            await self._redis.hdel(PROCESSES, *silent)

    async def leave(self) -> None:
        """Say that this process ends in order; a broker that is down hears it by silence."""
        with suppress(RedisError):
            await self._redis.hdel(PROCESSES, self._name)


async def processes(redis: Redis) -> list[Process]:
    """Return what every process said last of itself, by name; what cannot be read is left out."""
    found = []
    rows: Any = await redis.hgetall(PROCESSES)
    for name, raw in sorted(rows.items()):
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            row = orjson.loads(raw)
            found.append(
                Process(
                    name.decode(),
                    tuple(row["services"]),
                    str(row["version"]),
                    int(row["said_ms"]),
                    int(row["ahead_ms"]),
                    tuple(row["not_ready"]),
                    tuple(row["not_alive"]),
                )
            )
    return found
