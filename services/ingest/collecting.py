"""Runs the collectors: one task per source, and on any number of processes each source is collected once.

Invariant: a cursor moves only after everything before it is durable on the broker, so a crash repeats and loses
nothing; event ids make the repetition harmless.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from services.ingest.changes import AuthorGone, AuthorSeen, Batch, Pause, PostGone
from services.ingest.door import Door
from services.ingest.posts import PostIn, Rejection, check_many
from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from shared import ids
from shared.bus.keys import consumer_name
from shared.clock import monotonic, utcnow
from shared.errors import Problem, Unavailable, describe
from shared.runtime import Platform
from shared.vocabulary import DeletionCause

log = structlog.get_logger("ombud.ingest")

COLLECTED = Counter("ombud_ingest_collected_posts", "Posts that collectors brought, by source.", ["source"])
REFUSED = Counter("ombud_ingest_refused_posts", "Posts of collectors that were refused.", ["source", "reason"])
POSTS_AT_ONCE = 500

Follow = Callable[[Mapping[str, Any] | None], AsyncGenerator[Batch, None]]
"""What an edge offers: from a cursor (None: from now on), batches until the platform ends it or fails."""


class Collecting:
    """Drives the edges: lease, collect, admit, move the cursor; back off when a platform fails."""

    def __init__(
        self, platform: Platform, settings: IngestSettings, store: Store, door: Door, edges: Mapping[str, Follow]
    ) -> None:
        self._platform = platform
        self._settings = settings
        self._store = store
        self._door = door
        self._edges = edges
        self._owner = f"{consumer_name('ingest')}-{random.getrandbits(32):08x}"
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to collect every source."""
        self._tasks = [
            asyncio.create_task(self._keep_collecting(name, follow), name=f"collect {name}")
            for name, follow in self._edges.items()
        ]

    async def stop(self) -> None:
        """End every collector; what it had admitted without moving its cursor comes again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_collecting(self, name: str, follow: Follow) -> None:
        failures = 0
        while True:
            began, pause, error = monotonic(), 1.0, None
            try:
                progressed = await self._collect(name, follow)
                failures = 0 if progressed else failures
            except Pause as asked:
                pause, error = asked.seconds, asked.reason
            except Exception as failure:  # one platform's trouble stops no other
                failures = 1 if monotonic() - began > self._settings.collector_backoff_limit_s else failures + 1
                error = describe(failure)
                log.warning("collector failed, will go on", source=name, error=error)
                pause = min(self._settings.collector_backoff_limit_s, 2.0 ** (failures - 1))
                pause *= 0.5 + random.random() / 2  # noqa: S311  # jitter, no secret
            with suppress(Unavailable):
                await self._store.let_go(name, self._owner, state="waiting" if error else "ended", error=error)
            await asyncio.sleep(pause)

    async def _collect(self, name: str, follow: Follow) -> bool:
        """Collect one source until its edge ends; return whether anything came."""
        row = await self._store.take_lease(name, self._owner, utcnow(), self._until())
        if row is None:
            return False
        progressed = False
        keeping = asyncio.create_task(self._keep_lease(name))
        try:
            async with aclosing(follow(row.cursor)) as batches:
                async for batch in batches:
                    posts, until = await self._admit(name, batch), self._until()
                    if not await self._store.move_cursor(name, self._owner, batch.cursor, posts, utcnow(), until):
                        return progressed
                    progressed = True
        finally:
            keeping.cancel()
        return progressed

    def _until(self) -> datetime:
        return utcnow() + timedelta(seconds=self._settings.collector_lease_s)

    async def _keep_lease(self, name: str) -> None:
        """Renew the lease while nothing comes; whether it was lost is told by the next move of the cursor."""
        while True:
            await asyncio.sleep(self._settings.collector_lease_s / 3)
            with suppress(Unavailable):
                await self._store.take_lease(name, self._owner, utcnow(), self._until())

    async def _admit(self, name: str, batch: Batch) -> int:
        """Make a batch durable; return how many posts were new. Waits as long as the stream is full.

        Posts go first and at once. Their order among each other and that of what is gone stay; the order between the
        two does not matter, because streams promise none: whoever hears of the deletion first leaves a tombstone.
        """
        platform = self._settings.all_sources[name].platform or name
        posts, others = list[Any](), list[PostGone | AuthorGone | AuthorSeen]()
        for change in batch.changes:
            if isinstance(change, (PostGone, AuthorGone, AuthorSeen)):
                others.append(change)
            else:
                posts.append({"platform": platform, **change})
        new = await self._take(name, posts)
        for other in others:
            await self._withdraw(platform, other)
        return new

    async def _withdraw(self, platform: str, change: PostGone | AuthorGone | AuthorSeen) -> None:
        match change:
            case PostGone():
                post_id = ids.post_id(platform, change.external_id)
                await self._door.take_away(post_id, DeletionCause.PLATFORM, at=change.at)
            case AuthorGone():
                await self._door.take_author_away(platform, change.author, cause=DeletionCause.PLATFORM, at=change.at)
            case AuthorSeen():
                await self._door.turn_author(platform, change.author, hidden=change.hidden, at=change.at)

    async def _take(self, name: str, raws: list[Any]) -> int:
        good, bad = check_many(raws, self._platform.settings.max_text_bytes)
        self._count_refused(name, bad)
        new = 0
        for start in range(0, len(good), POSTS_AT_ONCE):
            new += await self._patiently(good[start : start + POSTS_AT_ONCE])
        COLLECTED.labels(name).inc(new)
        return new

    async def _patiently(self, posts: list[PostIn]) -> int:
        while True:
            try:
                return sum(await self._door.take(posts))
            except Problem as refusal:
                if refusal.status not in (429, 503):
                    raise
                await asyncio.sleep(self._settings.retry_after_s)

    def _count_refused(self, name: str, bad: list[Rejection]) -> None:
        for rejection in bad:
            REFUSED.labels(name, rejection.reason).inc()
            log.info("post refused", source=name, reason=rejection.reason, field=rejection.field)
