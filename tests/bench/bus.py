"""The kit against a raw redis-py loop that does the same reads, validation, MULTI and acknowledgements."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from faststream.redis import RedisBroker, RedisRouter

from shared.bus.batch import Consumer
from shared.bus.commit import Done, Outcome
from shared.bus.envelope import CloudEvents
from shared.bus.groups import ensure_groups
from shared.bus.health import Health
from shared.bus.publisher import Publisher, connect
from shared.events import Event, PostIngested, PostScored, caused
from shared.runtime import GC_THRESHOLD
from shared.settings import BusSettings
from shared.streams import FLOW
from shared.vocabulary import CATEGORIES
from tests.bench.workload import ingested
from tests.support.servers import Broker

EVENTS = 40_000
"""Four seconds of work: what connecting costs does not count as throughput."""
BATCH = 200
SOURCE, TARGET, GROUP = FLOW["posts.ingested"], FLOW["posts.scored"], "classifier"
SCORES = dict.fromkeys(CATEGORIES, 0.1)


def answer(event: Event[PostIngested]) -> Event[PostScored]:
    """Return a score without scoring: only the bus is measured."""
    scored = PostScored.model_construct(
        post=event.data.post,
        scores=SCORES,
        overall=0.1,
        flagged=False,
        model="bench",
        model_version="bench",
        thresholds=SCORES,
        scored_at=event.time,
    )
    return caused(event, scored, by="classifier")


async def raw(url: str) -> None:
    """Read, validate, answer and acknowledge with redis-py alone."""
    redis, envelope, done = connect(url), Event[PostIngested], 0
    while done < EVENTS:
        ((_, entries),) = await redis.xreadgroup(GROUP, "raw", {SOURCE.name: ">"}, count=BATCH, block=500)
        async with redis.pipeline(transaction=True) as pipe:
            for _, fields in entries:
                event = envelope.model_validate_json(fields[b"__data__"])
                pipe.xadd(TARGET.name, {"__data__": answer(event).wire()})
            pipe.xack(SOURCE.name, GROUP, *(entry for entry, _ in entries))
            await pipe.execute()
        done += len(entries)
    await redis.aclose()


async def kit(url: str) -> None:
    """Do the same through FastStream, isolation, heartbeat and the gated commit."""
    redis, settings, finished, seen = connect(url), BusSettings(batch_size=BATCH), asyncio.Event(), 0

    async def handle(events: list[Event[PostIngested]]) -> list[Outcome]:
        return [Done([answer(event)]) for event in events]

    broker = RedisBroker(url, message_format=CloudEvents, logger=None, apply_types=False)  # type: ignore[arg-type]
    router, health = RedisRouter(), Health(60)
    noted = health.committed

    def committed(stream: str, group: str) -> None:
        nonlocal seen
        noted(stream, group)
        seen += BATCH
        if seen >= EVENTS:
            finished.set()

    health.committed = committed  # type: ignore[method-assign]
    Consumer(redis, settings, health, GROUP, "kit").consume(router, SOURCE, handle)
    broker.include_router(router)
    await broker.start()
    await finished.wait()
    await broker.stop()
    await redis.aclose()


def collect_as_services_do() -> None:
    """Leave what the bench has imported out of garbage collection, for both sides: a service starts so, too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


async def timed(folder: Path, work: Callable[[str], Awaitable[None]]) -> float:
    """Return events per second of one consumer over a stream filled beforehand, on a fresh broker."""
    broker = Broker(folder).start()
    try:
        redis = connect(broker.url)
        await ensure_groups(redis, [(SOURCE.name, GROUP)])
        await Publisher(redis, BusSettings()).publish_many(ingested(EVENTS))
        await redis.aclose()
        begun = time.perf_counter()
        await work(broker.url)
        return EVENTS / (time.perf_counter() - begun)
    finally:
        broker.stop()


async def publish(folder: Path) -> tuple[float, float]:
    """Return events per second of publish_many and of a raw pipeline of the same bytes."""
    broker = Broker(folder).start()
    try:
        redis, events = connect(broker.url), ingested(EVENTS)
        begun = time.perf_counter()
        await Publisher(redis, BusSettings()).publish_many(events)
        ours = EVENTS / (time.perf_counter() - begun)
        payloads = [event.wire() for event in events]
        begun = time.perf_counter()
        for start in range(0, EVENTS, 500):
            async with redis.pipeline(transaction=False) as pipe:
                for payload in payloads[start : start + 500]:
                    pipe.xadd("raw", {"__data__": payload})
                await pipe.execute()
        theirs = EVENTS / (time.perf_counter() - begun)
        await redis.aclose()
        return ours, theirs
    finally:
        broker.stop()
