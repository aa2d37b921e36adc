"""The broker's own files after an erasure: they keep erased bytes until they are rewritten.

Invariant: that a rewrite is due is forgotten only after one that began later has ended well, so a crash repeats it.
"""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.bus.cluster import Ask, servers
from shared.bus.keys import BROKER, SCRUB_TURN, SCRUBS
from shared.bus.metrics import SCRUBBED
from shared.bus.scripts import script
from shared.clock import monotonic
from shared.settings import BusSettings

log = structlog.get_logger("ombud.bus")

POLL_S = 0.1
REST = 20
"""A rewrite is followed by a pause this many times as long, however short the setting is."""


class RewriteFailed(Exception):
    """The server could not write its file anew."""


class Rewriter:
    """Asks the broker for fresh files when erasures are over: one process at a time, several erasures at once."""

    def __init__(self, redis: Redis, settings: BusSettings) -> None:
        self._redis = redis
        self._every_s = settings.rewrite_every_s
        self._done = script(redis, "scrubbed")
        self._warned = set[str]()

    async def __call__(self) -> None:
        """Have the files rewritten if that is due and nobody did it lately."""
        due = await self._redis.hget(SCRUBS, BROKER)
        if due is None or not await self._redis.set(SCRUB_TURN, 1, nx=True, px=int(self._every_s * 1000)):
            return
        await self._look_at_nodes()
        begun, outcome = monotonic(), "done"
        try:
            for server in await servers(self._redis):
                await _Files(server).rewrite()
        except (ResponseError, RewriteFailed) as error:
            outcome = "refused" if isinstance(error, ResponseError) else "failed"
            self._warn_once(outcome, "erased text stays in the broker's files until they are rewritten", error)
        else:
            await self._done(keys=[SCRUBS], args=[BROKER, due])
        SCRUBBED.labels(BROKER, outcome).inc()
        rest_s = max(self._every_s, REST * (monotonic() - begun))
        await self._redis.set(SCRUB_TURN, 1, px=int(rest_s * 1000))

    async def _look_at_nodes(self) -> None:
        """Warn of a server that keeps a deleted entry in memory and files until its neighbours are trimmed."""
        with suppress(ResponseError):
            for server in await servers(self._redis):
                found = await server("CONFIG GET", "stream-node-max-entries")
                if found.get("stream-node-max-entries") != "1":
                    self._warn_once(
                        "nodes", "set stream-node-max-entries 1, or erased entries stay in the broker's files"
                    )

    def _warn_once(self, kind: str, what: str, error: RedisError | RewriteFailed | None = None) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning(what, **({} if error is None else {"error": type(error).__name__, "reason": str(error)[:120]}))


class _Files:
    """The files of one server."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def rewrite(self) -> None:
        """Write the files anew. Raises RewriteFailed, also when the server was started anew meanwhile."""
        server = await self._identity()
        about = await self._idle()
        if int(about.get("aof_enabled", 0)):
            await self._ask("BGREWRITEAOF")
            if (await self._idle()).get("aof_last_bgrewrite_status") != "ok":
                raise RewriteFailed("append-only file")
        if await self._has_snapshots():
            await self._ask("BGSAVE", "SCHEDULE")
            if (await self._idle()).get("rdb_last_bgsave_status") != "ok":
                raise RewriteFailed("snapshot")
        if await self._identity() != server:
            raise RewriteFailed("another server answers")

    async def _identity(self) -> str:
        return str((await self._ask("INFO", "server"))["run_id"])

    async def _idle(self) -> dict[str, Any]:
        """Wait until no child of the server writes and return how its files stand."""
        busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
        while True:
            about: dict[str, Any] = await self._ask("INFO", "persistence")
            if not any(int(about.get(name, 0)) for name in busy):
                return about
            await asyncio.sleep(POLL_S)

    async def _has_snapshots(self) -> bool:
        with suppress(ResponseError):  # a hosted server may forbid CONFIG; then it looks after its snapshots
            return bool((await self._ask("CONFIG GET", "save")).get("save"))
        return False
