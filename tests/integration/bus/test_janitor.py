"""STK-13: the janitor drops what everybody has settled, and never an unread or a pending entry."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus import janitor as janitor_module
from shared.bus.janitor import Janitor
from shared.bus.keys import retry_key
from shared.bus.publisher import Publisher
from shared.settings import BusSettings
from shared.streams import FLOW
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    SCORED,
    Scorer,
    counted,
    ids,
    letters,
    pending,
    posts,
    running,
    said_ids,
    score,
    service,
    settled,
    stand,
)
from tests.support.servers import Broker, eventually

AT_ONCE = {"retain_for_s": 0.001}


async def read(redis: Redis, group: str, count: int, stream: str = SCORED) -> list[bytes]:
    """Read as a consumer of a group; return the entry ids."""
    answer = await redis.xreadgroup(group, "me", {stream: ">"}, count=count)
    return [entry for entry, _ in answer[0][1]] if answer else []


async def kept(redis: Redis, stream: str = SCORED) -> list[bytes]:
    return [entry for entry, _ in await redis.xrange(stream)]


async def test_the_slowest_group_and_its_oldest_pending_entry_hold_the_floor(
    redis: Redis, publisher: Publisher, bus: Callable[..., BusSettings]
) -> None:
    janitor = Janitor(redis, bus(**AT_ONCE), [SCORED])
    await publisher.publish_many([score(event) for event in posts(10)])
    every = await kept(redis)
    await asyncio.sleep(0.005)
    await janitor()
    assert await kept(redis) == every, "nobody has read it"
    for group in ("trainer", "reporter"):
        await redis.xack(SCORED, group, *await read(redis, group, 10))
    mine = await read(redis, "auditor", 6)
    await redis.xack(SCORED, "auditor", *mine[:2], *mine[3:])
    await janitor()
    assert await kept(redis) == every[2:], "the third is pending"
    await redis.xack(SCORED, "auditor", mine[2])
    await janitor()
    assert await kept(redis) == every[6:], "the seventh is unread"
    assert await read(redis, "auditor", 10) == every[6:]
    await redis.xack(SCORED, "auditor", *every[6:])
    await janitor()
    assert await kept(redis) == []
    assert (await stand(redis, (SCORED, "auditor"))).backlog == 0


async def test_settled_entries_stay_for_replays_unless_the_stream_is_crowded(
    redis: Redis, publisher: Publisher, bus: Callable[..., BusSettings]
) -> None:
    janitor = Janitor(redis, bus(fuse=1000), [INGESTED])
    await publisher.publish_many(posts(300))
    await redis.xack(INGESTED, "classifier", *await read(redis, "classifier", 1000, INGESTED))
    await janitor()
    assert await redis.xlen(INGESTED) == 300
    await publisher.publish_many(posts(150, 300))
    await redis.xack(INGESTED, "classifier", *(await read(redis, "classifier", 100, INGESTED)))
    await janitor()
    assert await redis.xlen(INGESTED) == 50, "past 40 % of the fuse only the unread stay"


async def test_the_retry_stream_is_trimmed_as_soon_as_it_is_settled(
    redis: Redis, publisher: Publisher, bus: Callable[..., BusSettings]
) -> None:
    retries = retry_key(*CLASSIFIER)
    janitor = Janitor(redis, bus(), [INGESTED])
    for event in posts(3):
        await redis.xadd(retries, {"__data__": event.wire()})
    first, second = await read(redis, "classifier", 2, retries)
    await redis.xack(retries, "classifier", first)
    await asyncio.sleep(0.005)
    await janitor()
    assert (await kept(redis, retries))[0] == second
    assert len(await kept(redis, retries)) == 2


async def test_a_group_that_the_flow_does_not_know_holds_the_floor_too(
    redis: Redis, publisher: Publisher, bus: Callable[..., BusSettings]
) -> None:
    janitor = Janitor(redis, bus(**AT_ONCE), [INGESTED])
    await redis.xgroup_create(INGESTED, "stranger", id="0")
    await publisher.publish_many(posts(4))
    await redis.xack(INGESTED, "classifier", *await read(redis, "classifier", 4, INGESTED))
    await asyncio.sleep(0.005)
    await janitor()
    assert await redis.xlen(INGESTED) == 4
    await redis.xgroup_destroy(INGESTED, "stranger")
    await janitor()
    assert await redis.xlen(INGESTED) == 0


async def test_under_load_nothing_is_trimmed_before_it_is_handled(
    broker: Broker, redis: Redis, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(janitor_every_s=0.001, batch_size=20, **AT_ONCE)
    lost = counted("lost_events")

    async def unevenly(events: list[object]) -> None:
        await asyncio.sleep(0.001 * (len(events) % 7))
        if len(events) == 13:
            raise LookupError

    scorer = Scorer(unevenly)
    both = [service("classifier", {INGESTED: scorer}), service("ingest", {})]
    async with running(broker.url, data, *both) as process:
        for start in range(0, 2000, 50):
            await process.platform.publisher.publish_many(posts(50, start))
            await asyncio.sleep(0.005)
        await eventually(lambda: settled(redis))
        await eventually(lambda: _empty(redis), within=5)
    assert sorted(set(ids(scorer.seen))) == sorted(ids(posts(2000)))
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in posts(2000))
    assert await letters(redis) == []
    assert counted("lost_events") == lost


async def _empty(redis: Redis) -> bool:
    return await redis.xlen(INGESTED) == 0


async def consumers(redis: Redis, stream: str = INGESTED) -> set[bytes]:
    return {each["name"] for each in await redis.xinfo_consumers(stream, "classifier")}


async def test_a_consumer_is_forgotten_when_it_is_idle_for_long_and_has_nothing_pending(
    redis: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    janitor = Janitor(redis, BusSettings(), [INGESTED])
    await publisher.publish_many(posts(1))
    await read(redis, "classifier", 1, INGESTED)
    await redis.xgroup_createconsumer(INGESTED, "classifier", "gone")
    await redis.xgroup_createconsumer(retry_key(*CLASSIFIER), "classifier", "gone")
    await janitor()
    assert await consumers(redis) == {b"me", b"gone"}, "an hour has not passed"
    monkeypatch.setattr(janitor_module, "STALE_CONSUMER_MS", 20)
    await asyncio.sleep(0.05)
    await janitor()
    assert await consumers(redis) == {b"me"}, "what has something pending stays"
    assert await consumers(redis, retry_key(*CLASSIFIER)) == set()
    assert await pending(redis) == 1


async def test_a_consumer_that_reads_while_it_is_being_forgotten_keeps_what_it_read(
    redis: Redis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor_module, "STALE_CONSUMER_MS", -1)
    janitor = Janitor(redis, BusSettings(), [INGESTED])
    acknowledged = 0

    async def consume() -> None:
        nonlocal acknowledged
        while acknowledged < 300:
            for entry in await read(redis, "classifier", 1, INGESTED):
                acknowledged += await redis.xack(INGESTED, "classifier", entry)
            await asyncio.sleep(0)

    await publisher.publish_many(posts(300))
    consuming = asyncio.create_task(consume())
    while not consuming.done():
        await janitor._forget_consumers(INGESTED, FLOW[INGESTED])
        if not (await stand(redis)).backlog:
            break
    await asyncio.wait_for(consuming, 5)
    assert acknowledged == 300
