"""From a FastStream batch subscriber to a handler's outcomes: isolation, patience, heartbeat, commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from faststream import AckPolicy
from faststream.redis import RedisRouter, StreamSub
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.commit import Again, Committer, Dead, Done, Outcome
from shared.bus.envelope import Batch, Malformed, Reader, reader
from shared.bus.health import Health
from shared.bus.keys import retry_key
from shared.bus.metrics import BATCH_SECONDS, DEAD, HANDLED
from shared.bus.tracing import spans
from shared.clock import monotonic
from shared.errors import Unavailable, describe
from shared.events import Event
from shared.settings import BusSettings
from shared.streams import Stream, shard_in

log = structlog.get_logger("ombud.bus")

Handler = Callable[[list[Event[Any]]], Awaitable[Sequence[Outcome]]]
"""One outcome per event, in the same order."""

T = TypeVar("T")

PATIENCE_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


async def settle(handle: Handler, events: list[Event[Any]]) -> list[Outcome]:
    """Return the handler's outcomes; a batch that raises is halved until the culprit stands alone."""
    if not events:
        return []
    try:
        outcomes = list(await handle(events))
        if len(outcomes) != len(events):
            raise RuntimeError("a handler owes one outcome per event")
    except (Unavailable, asyncio.CancelledError):
        raise
    except Exception as error:
        if len(events) == 1:
            return [Again(describe(error), type(error).__name__)]
        half = len(events) // 2
        return [*await settle(handle, events[:half]), *await settle(handle, events[half:])]
    return outcomes


async def patiently(work: Callable[[], Awaitable[T]], health: Health, what: str) -> T:
    """Repeat `work` while something it depends on is down; no attempt is counted."""
    turn = 0
    while True:
        try:
            result = await work()
        except (Unavailable, RedisError) as error:
            pause = PATIENCE_S[min(turn, len(PATIENCE_S) - 1)]
            if turn == 0:
                log.warning("waiting for a dependency", what=what, error=describe(error), reason=str(error)[:80])
            health.waiting(what)
            turn += 1
            await asyncio.sleep(pause)
        else:
            if turn:
                health.resumed(what)
            return result


class Consumer:
    """Registers handlers of one group with FastStream and settles what they decide."""

    def __init__(self, redis: Redis, settings: BusSettings, health: Health, group: str, name: str) -> None:
        self._redis = redis
        self._settings = settings
        self._health = health
        self._group = group
        self._name = name
        self._committer = Committer(redis, settings)
        self.subscribers: dict[int, list[Any]] = {}
        """Shard -> the subscribers that read it."""

    def consume(self, router: RedisRouter, stream: Stream, handle: Handler) -> Reader:
        """Subscribe `handle` to every shard of a stream and to this group's retries of it; return how entries are read.

        Retries are read one at a time: an event that kills its process takes no neighbours along.
        """
        read = reader(stream)
        for key in stream.keys(self._settings.shards):
            self._subscribe(router, stream, key, read, handle)
        return read

    def _subscribe(self, router: RedisRouter, stream: Stream, origin: str, read: Reader, handle: Handler) -> None:
        """Subscribe to one key of a stream and its retries."""

        async def decoder(message: Any) -> Batch:
            raw = message.raw_message
            return Batch(raw["channel"], raw["message_ids"], [read(fields) for fields in raw["data"]])

        async def on_batch(batch: Batch) -> None:
            await self._handle(stream, origin, batch, handle)

        for key, count in ((origin, self._settings.batch_size), (retry_key(origin, self._group), 1)):
            subscription = StreamSub(
                key,
                group=self._group,
                consumer=self._name,
                batch=True,
                max_records=count,
                polling_interval=self._settings.block_ms,
            )
            title = f"{self._group}:{key}"
            subscriber = router.subscriber(
                stream=subscription,
                ack_policy=AckPolicy.MANUAL,
                parser=_parser,
                decoder=decoder,
                title=title,
                description=(stream.event.__doc__ or "").strip(),
            )
            subscriber(on_batch)
            self.subscribers.setdefault(shard_in(origin), []).append(subscriber)

    async def _handle(self, stream: Stream, origin: str, batch: Batch, handle: Handler) -> None:
        started = monotonic()
        what = f"{self._group}:{origin}"
        async with self._heartbeat(batch):
            events = [item for item in batch.items if isinstance(item, Event)]
            with spans(self._group, stream.name, events) as traced:
                decided = iter(await patiently(lambda: settle(handle, traced), self._health, what))
            outcomes: list[Outcome] = [
                next(decided) if isinstance(item, Event) else Dead(item.reason) for item in batch.items
            ]
            entries = list(zip(batch.ids, batch.items, outcomes, strict=True))
            mine = await patiently(
                lambda: self._committer.settle(batch.stream, self._group, entries, origin=origin),
                self._health,
                what,
            )
        self._health.committed(origin, self._group)
        self._count(stream.name, batch, outcomes, mine, monotonic() - started)

    def _count(self, stream: str, batch: Batch, outcomes: list[Outcome], mine: int, seconds: float) -> None:
        counts = {"done": 0, "again": 0, "dead": 0}
        for item, outcome in zip(batch.items, outcomes, strict=True):
            hopeless = (
                isinstance(outcome, Dead)
                or isinstance(item, Malformed)
                or (isinstance(outcome, Again) and item.attempt + 1 >= self._settings.attempts)
            )
            counts["dead" if hopeless else "again" if isinstance(outcome, Again) else "done"] += 1
        for name, count in counts.items():
            if count:
                HANDLED.labels(stream, self._group, name).inc(count)
        BATCH_SECONDS.labels(stream, self._group).observe(seconds)
        if counts["dead"]:
            DEAD.labels(stream, self._group).inc(counts["dead"])
        reasons = sorted({outcome.reason for outcome in outcomes if not isinstance(outcome, Done)})
        level = log.warning if reasons else log.debug
        level(
            "batch",
            stream=batch.stream,
            group=self._group,
            events=len(batch.ids),
            settled=mine,
            **{name: count for name, count in counts.items() if count},
            ms=round(seconds * 1000, 1),
            **({"reasons": reasons[:5]} if reasons else {}),
        )

    @asynccontextmanager
    async def _heartbeat(self, batch: Batch) -> AsyncIterator[None]:
        """Keep the batch ours while its handler is slow: idle time starts again, no delivery is counted."""
        task = asyncio.create_task(self._beat(batch))
        try:
            yield
        finally:
            task.cancel()

    async def _beat(self, batch: Batch) -> None:
        this = asyncio.current_task()
        while this is not None and not this.cancelling():  # redis-py may swallow the cancellation itself
            await asyncio.sleep(self._settings.reclaim_idle_s / 3)
            try:
                await self._redis.xclaim(batch.stream, self._group, self._name, 0, list(batch.ids), justid=True)
            except RedisError as error:
                log.warning("heartbeat failed", stream=batch.stream, group=self._group, error=describe(error))


async def _parser(message: Any, original: Callable[[Any], Awaitable[Any]]) -> Any:
    # FastStream alone would dump and load the whole batch twice; our decoder reads the raw entries.
    parsed = await original({**message, "data": []})
    parsed.raw_message = message
    return parsed
