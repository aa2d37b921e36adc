"""STK-09, 10 and 11: the broker dies, forgets everything, or the database is away; the bus waits and goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import Column, MetaData, String, Table

from shared.bus.keys import retry_key
from shared.bus.publisher import Publisher
from shared.db import Database, insert_new
from shared.errors import Unavailable
from shared.events import Event, PostIngested
from shared.settings import BusSettings
from shared.streams import groups
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    SCORED,
    Scorer,
    counted,
    create_tables,
    ids,
    letters,
    pending,
    posts,
    running,
    said_ids,
    score,
    service,
    settled,
)
from tests.support.servers import Broker, eventually

FETCH_ERROR_PAUSE = "faststream.redis.subscriber.usecases.stream_subscriber.CONSUME_ERROR_BACKOFF_SECONDS"


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    broker: Broker, redis: Redis, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(batch_size=10)

    async def slowly(_: object) -> None:
        await asyncio.sleep(0.1)

    scorer = Scorer(slowly)
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})) as process:
        publisher = process.platform.publisher
        await publisher.publish_many(posts(60))
        await eventually(lambda: pending(redis))
        broker.kill()
        during = asyncio.create_task(publisher.publish_many(posts(60, 60)))
        await asyncio.sleep(0.3)
        broker.start()
        assert await during == 60
        assert await publisher.publish_many(posts(5, 120)) == 5
        await eventually(lambda: settled(redis))
        assert process.platform.health.not_alive() == []
        assert (await process.get("/livez")).status_code == 200
    said = await said_ids(redis)
    assert sorted(said) == sorted({score(event).id for event in posts(125)})
    assert await letters(redis) == []


async def test_publishing_to_a_broker_that_is_away_is_unavailable(broker: Broker, publisher: Publisher) -> None:
    broker.kill()
    calls = publisher.publish_many(posts(1)), publisher.publish_once(posts(1))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]


async def test_a_flushed_broker_is_noticed_counted_as_loss_and_work_goes_on(
    broker: Broker, redis: Redis, data: Path
) -> None:
    scorer = Scorer()
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})) as process:
        publisher = process.platform.publisher
        await publisher.publish_many(posts(3))
        await eventually(lambda: settled(redis))
        lost, restarts = counted("lost_events"), counted("subscriber_restarts")
        await redis.flushall()
        await eventually(lambda: counted("subscriber_restarts") > restarts)
        assert counted("lost_events") > lost
        for stream, group in groups():
            for key in (stream, retry_key(stream, group)):
                assert group.encode() in [info["name"] for info in await redis.xinfo_groups(key)]
        await eventually(lambda: all(each.running for each in process.platform.broker.subscribers))
        await publisher.publish_many(posts(3, 3))
        await eventually(lambda: len(scorer.seen) >= 6)
        await eventually(lambda: settled(redis))
        assert process.platform.health.not_alive() == []
    assert ids(scorer.seen) == ids(posts(6))
    assert await said_ids(redis) == [score(event).id for event in posts(3, 3)]


async def test_a_broker_that_comes_back_empty_is_filled_with_groups_and_scripts_again(
    broker: Broker, redis: Redis, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FETCH_ERROR_PAUSE, 0.3)

    async def flaky(events: list[Event[PostIngested]]) -> None:
        if events[0].attempt == 0:
            raise LookupError

    scorer = Scorer(flaky)
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})) as process:
        publisher = process.platform.publisher
        await publisher.publish_many(posts(2))
        await eventually(lambda: settled(redis))
        broker.kill()
        for file in (broker.folder / "appendonlydir").iterdir():
            file.unlink()
        broker.start()
        restarts = [("posts.deleted", "classifier"), CLASSIFIER]
        await eventually(lambda: all(counted("subscriber_restarts", pair) for pair in restarts))
        await publisher.publish_many(posts(2, 2))
        await eventually(lambda: redis.xlen(SCORED))
        await eventually(lambda: settled(redis))
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in posts(2, 2))


async def test_a_database_that_is_down_counts_no_attempt_and_stops_nobody(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, tmp_path: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(stalled_after_s=0.3)
    metadata = MetaData()
    table = Table("test_posts", metadata, Column("event_id", String, primary_key=True))
    folder = tmp_path / "not there yet"
    database = Database(f"sqlite+aiosqlite:///{folder}/x.sqlite3", metadata)

    async def store(events: list[Event[PostIngested]]) -> None:
        async with database.begin() as connection:
            await insert_new(connection, table, [{"event_id": event.id} for event in events])

    scorer = Scorer(store)
    await publisher.publish_many(posts(10))
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})) as process:
        health = process.platform.health
        await eventually(lambda: health.not_ready() == ["classifier:posts.ingested waits for a dependency"])
        await publisher.publish_many(posts(10, 10))
        await asyncio.sleep(1)
        assert health.not_alive() == []
        assert (await process.get("/livez")).status_code == 200
        unready = await process.get("/readyz")
        assert (unready.status_code, unready.json()["reason"]) == (503, "not_ready")
        assert "classifier:posts.ingested waits for a dependency" in unready.json()["detail"]
        folder.mkdir()
        await create_tables("test", database)
        await eventually(lambda: settled(redis))
        assert health.not_ready() == []
    await database.close()
    assert len(scorer.batches) >= 4
    assert {event.attempt for event in scorer.seen} == {0}
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in posts(20))
    assert await letters(redis) == []
