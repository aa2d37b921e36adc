"""STK-03, 06, 08 and 12: what becomes of a batch whose worker dies or is slow. The workers are real processes."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import select

from shared.bus.batch import Consumer
from shared.bus.commit import Committer, Done
from shared.bus.envelope import Batch, reader
from shared.bus.health import Health
from shared.bus.keys import retry_key
from shared.bus.publisher import Publisher
from shared.bus.retry import Reclaimer
from shared.db import Database, url_for
from shared.settings import BusSettings
from shared.streams import FLOW
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    SCORED,
    Scorer,
    counted,
    entries,
    ids,
    letters,
    pending,
    post,
    posts,
    running,
    said_ids,
    score,
    service,
    settled,
)
from tests.support.servers import Broker, eventually
from tests.support.worker import CRASH, DIED, KILLER, SLOW, metadata, scores

Start = Callable[[], subprocess.Popen[bytes]]


async def test_kill_9_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing(
    redis: Redis, publisher: Publisher, start_worker: Start, bus: Callable[..., BusSettings]
) -> None:
    bus(batch_size=40)
    sent = [post(n, SLOW if n in (25, 65) else "quick") for n in range(200)]
    await publisher.publish_many(sent)
    worker = start_worker()
    await eventually(lambda: _in_the_middle(redis))
    worker.kill()
    await asyncio.to_thread(worker.wait)
    stranded = await pending(redis)
    assert stranded > 0
    start_worker()
    await eventually(lambda: settled(redis), within=30)
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in sent)
    assert await letters(redis) == []


async def _in_the_middle(redis: Redis) -> bool:
    return bool(await redis.xlen(SCORED)) and await pending(redis) > 0


async def test_an_event_that_kills_its_process_ends_alone_in_the_dead_letters(
    redis: Redis, publisher: Publisher, start_worker: Start, bus: Callable[..., BusSettings]
) -> None:
    bus(attempts=3, reclaim_idle_s=0.5)
    killer = post(7, KILLER)
    sent = [*posts(7), killer, *posts(12, 8)]
    await publisher.publish_many(sent, atomic=True)
    deaths, worker = 0, start_worker()
    while not await letters(redis):
        if worker.poll() is not None:
            assert worker.returncode == DIED
            deaths += 1
            assert deaths <= 3, "it kills more often than the limit allows"
            worker = start_worker()
        await asyncio.sleep(0.05)
    await eventually(lambda: settled(redis))
    assert deaths == 3
    (letter,) = await letters(redis)
    assert letter["event"]["id"] == killer.id
    assert (letter["error"], letter["reason"]) == ("WorkerLost", "the worker that had it is gone")
    assert letter["event"]["attempt"] == 3
    expected = [score(event).id for event in sent if event.id != killer.id]
    assert sorted(await said_ids(redis)) == sorted(expected)


async def test_a_crash_between_the_two_commits_says_the_stored_score_with_the_same_id_once(
    redis: Redis, publisher: Publisher, start_worker: Start, data: Path
) -> None:
    sent = [post(n, CRASH) for n in range(5)]
    await publisher.publish_many(sent, atomic=True)
    first = start_worker()
    assert await asyncio.to_thread(first.wait, 20) == DIED
    assert await said_ids(redis) == []
    stored = await _stored(data)
    assert set(stored) == set(ids(sent)), "the first process committed its tables"
    start_worker()
    await eventually(lambda: settled(redis))
    said = {event.id: event.data.model_version for event in await entries(redis, SCORED)}
    assert len(said) == await redis.xlen(SCORED) == 5
    assert said == {score(event).id: stored[event.id] for event in sent}


async def _stored(data: Path) -> dict[str, str]:
    database = Database(url_for("classifier", data, None), metadata)
    try:
        async with database.read() as connection:
            rows = await connection.execute(select(scores.c.event_id, scores.c.version))
            return {row.event_id: row.version for row in rows}
    finally:
        await database.close()


async def test_a_slow_worker_whose_batch_was_taken_over_says_nothing(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(reclaim_idle_s=60)
    release = asyncio.Event()

    async def first_is_slow(events: list[object]) -> None:
        if len(events) > 1:
            await release.wait()

    scorer = Scorer(first_is_slow)
    taken = counted("reclaimed_events")
    await publisher.publish_many(posts(10), atomic=True)
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: pending(redis))
        impatient = BusSettings().model_copy(update={"reclaim_idle_s": 0.001})
        reclaimer = Reclaimer(redis, {CLASSIFIER: reader(FLOW[INGESTED])}, impatient, "another")
        await asyncio.sleep(0.01)
        assert await reclaimer._take_over(INGESTED, *CLASSIFIER, reader(FLOW[INGESTED])) == 10
        await eventually(lambda: settled(redis))
        assert len(scorer.seen) == 20
        release.set()
        await asyncio.sleep(0.2)
        assert await settled(redis)
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in posts(10))
    assert {event.attempt for batch in scorer.batches if len(batch) == 1 for event in batch} == {1}
    assert counted("reclaimed_events") == taken + 10


async def test_what_is_taken_over_at_the_limit_or_unreadable_is_counted_as_dead(
    redis: Redis, publisher: Publisher
) -> None:
    died, taken = counted("dead_events"), counted("reclaimed_events")
    await publisher.publish_many([post(0), post(1).model_copy(update={"attempt": 4})])
    await redis.xadd(INGESTED, {"__data__": b"{"})
    await redis.xreadgroup("classifier", "gone", {INGESTED: ">"})
    await asyncio.sleep(0.01)
    impatient = BusSettings().model_copy(update={"reclaim_idle_s": 0.001})
    assert await Reclaimer(redis, {CLASSIFIER: reader(FLOW[INGESTED])}, impatient, "me")() == 3
    assert [letter["error"] for letter in await letters(redis)] == ["WorkerLost", "Malformed"]
    assert (counted("dead_events"), counted("reclaimed_events")) == (died + 2, taken + 3)
    (retry,) = await redis.xrange(retry_key(*CLASSIFIER))
    assert reader(FLOW[INGESTED])(retry[1]).attempt == 1  # type: ignore[union-attr]
    assert await pending(redis) == 0


async def test_the_heartbeat_keeps_a_slow_batch(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(reclaim_idle_s=0.6)

    async def slowly(_: object) -> None:
        await asyncio.sleep(2)

    scorer = Scorer(slowly)
    taken = counted("reclaimed_events")
    await publisher.publish_many(posts(5), atomic=True)
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: settled(redis))
    assert len(scorer.batches) == 1
    assert counted("reclaimed_events") == taken
    assert await said_ids(redis) == [score(event).id for event in posts(5)]


async def test_the_heartbeat_counts_no_delivery(redis: Redis, publisher: Publisher) -> None:
    settings = BusSettings().model_copy(update={"reclaim_idle_s": 0.15})
    consumer = Consumer(redis, settings, Health(60), "classifier", "me")
    await publisher.publish_many(posts(1))
    ((_, ((entry, fields),)),) = await redis.xreadgroup("classifier", "me", {INGESTED: ">"})
    item = reader(FLOW[INGESTED])(fields)
    async with consumer._heartbeat(Batch(INGESTED, [entry], [item])):
        await asyncio.sleep(0.4)
    (row,) = await redis.xpending_range(INGESTED, "classifier", "-", "+", 10)
    assert row["times_delivered"] == 1
    assert row["time_since_delivered"] < 300


async def test_a_commit_repeated_after_a_lost_answer_says_nothing_twice(redis: Redis, publisher: Publisher) -> None:
    await publisher.publish_many(posts(3))
    ((_, read),) = await redis.xreadgroup("classifier", "me", {INGESTED: ">"})
    batch = [(entry, post(n), Done([score(post(n))])) for n, (entry, _) in enumerate(read)]
    committer = Committer(redis, BusSettings())
    assert await committer.settle(INGESTED, "classifier", batch, origin=INGESTED) == 3
    assert await committer.settle(INGESTED, "classifier", batch, origin=INGESTED) == 0
    assert await said_ids(redis) == [score(event).id for event in posts(3)]
    assert await pending(redis) == 0
