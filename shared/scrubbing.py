"""A service's own files after an erasure: tables forget at once, SQLite's pages and log only when they are rewritten.

Invariant: that a service has to clean up is forgotten only after it did, so a crash repeats it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from shared.bus.keys import SCRUBS
from shared.bus.metrics import SCRUBBED
from shared.bus.scripts import script
from shared.clock import monotonic
from shared.db import Database

REST = 20
"""Writing a large file anew takes a while; the pause after it is this many times as long at least."""


class Scrub:
    """Cleans the files of one service when erasures are over; `mop` erases what a write beside an erasure left."""

    def __init__(
        self,
        redis: Redis,
        service: str,
        database: Database,
        vacuum_every_s: float,
        mop: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self._redis = redis
        self._service = service
        self._database = database
        self._every_s = vacuum_every_s
        self._mop = mop
        self._done = script(redis, "scrubbed")
        self._rests_until = float("-inf")
        self._written: bytes | str | None = None

    async def __call__(self) -> None:
        """Clean once if that is due: the log at once, the whole file when the last time is long enough ago."""
        due = await self._redis.hget(SCRUBS, self._service)
        if due is None:
            return
        if self._mop is not None:
            await self._mop()
        begun = monotonic()
        whole = self._written != due and begun >= self._rests_until
        clean = await self._database.scrub(whole=whole)
        if whole:
            self._written, now = due, monotonic()
            self._rests_until = now + max(self._every_s, REST * (now - begun))
        if clean and self._written == due:
            await self._done(keys=[SCRUBS], args=[self._service, due])
            SCRUBBED.labels(self._service, "done").inc()
