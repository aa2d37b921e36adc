"""The two ways to append: in order, or once per id."""

import asyncio
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from redis.asyncio import Redis

from shared.bus.keys import seen_keys
from shared.bus.publisher import Publisher, connect
from shared.clock import millis
from shared.settings import BusSettings
from shared.streams import STREAM_OF
from tests.support.kit import INGESTED, SCORED, entries, ids, post, posts, said_ids, score
from tests.support.servers import Broker


async def test_publish_many_keeps_the_order_over_chunks_and_streams(redis: Redis, publisher: Publisher) -> None:
    mixed = [each for event in posts(650) for each in (event, score(event))]
    assert await publisher.publish_many(each for each in mixed) == 1300
    assert await said_ids(redis, INGESTED) == ids(posts(650))
    assert await said_ids(redis, SCORED) == [score(event).id for event in posts(650)]


async def test_what_was_said_is_read_back_as_it_was(redis: Redis, publisher: Publisher) -> None:
    event = post(1, text='Zürich ☃ \x00 👍🏽 \n"quoted"', author="ann")
    await publisher.publish_many([event])
    (found,) = await entries(redis, INGESTED)
    assert found.model_dump() == event.model_dump()
    assert STREAM_OF[found.type].name == INGESTED


async def test_an_atomic_chunk_appears_at_once(broker: Broker, redis: Redis, publisher: Publisher) -> None:
    lengths: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        with broker.client() as client:
            while not done.is_set():
                lengths.add(int(client.xlen(INGESTED)))  # type: ignore[arg-type]

    watching = asyncio.create_task(asyncio.to_thread(watch))
    await publisher.publish_many([post(n, "x" * 2000) for n in range(3000)], atomic=True)
    done.set()
    await watching
    assert {length % 500 for length in lengths} == {0}
    assert await redis.xlen(INGESTED) == 3000


async def test_publish_once_appends_an_id_once_within_the_window(redis: Redis, publisher: Publisher) -> None:
    assert await publisher.publish_once(posts(3)) == [True, True, True]
    assert await publisher.publish_once(posts(4)) == [False, False, False, True]
    assert await said_ids(redis, INGESTED) == ids(posts(4))


async def test_duplicates_inside_one_call_are_seen_in_any_order(redis: Redis, publisher: Publisher) -> None:
    order = [5, 1, 5, 3, 1, 1, 2, 5]
    fresh = await publisher.publish_once([post(n) for n in order])
    assert fresh == [True, True, False, True, False, False, True, False]
    assert await said_ids(redis, INGESTED) == ids(post(n) for n in (5, 1, 3, 2))


async def test_more_than_one_chunk_is_answered_in_order(redis: Redis, publisher: Publisher) -> None:
    await publisher.publish_once(posts(1200)[::3])
    assert await publisher.publish_once(posts(1200)) == [n % 3 != 0 for n in range(1200)]
    assert sorted(await said_ids(redis, INGESTED)) == sorted(ids(posts(1200)))


async def test_nothing_at_all_is_fine(redis: Redis, publisher: Publisher) -> None:
    assert await publisher.publish_once([]) == []
    assert await publisher.publish_many([]) == 0


@pytest.mark.parametrize(
    ("later_s", "fresh"), [(30, False), (60, False), (119, False), (180, True)], ids=lambda value: str(value)
)
async def test_an_id_is_refused_for_a_whole_window_after_it_came(
    later_s: int, fresh: bool, redis: Redis, bus: Callable[..., BusSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(redis, bus(dedup_window_s=60))
    start = millis() // 60_000 * 60_000  # the beginning of a window
    monkeypatch.setattr("shared.bus.publisher.millis", lambda: start)
    assert await publisher.publish_once([post(0)]) == [True]
    monkeypatch.setattr("shared.bus.publisher.millis", lambda: start + later_s * 1000)
    assert await publisher.publish_once([post(0)]) == [fresh]


async def test_remembered_ids_leave_by_themselves(redis: Redis, bus: Callable[..., BusSettings]) -> None:
    await Publisher(redis, bus(dedup_window_s=60)).publish_once(posts(2))
    keys = [key async for key in redis.scan_iter("ombud:seen:*")]
    assert keys[0].decode() in (*seen_keys(INGESTED, millis() / 1000, 60),)
    assert 100 < await redis.ttl(keys[0]) <= 120
    assert await redis.smembers(keys[0]) == {UUID(event.id).bytes for event in posts(2)}


async def test_concurrent_callers_append_an_id_once(broker: Broker, redis: Redis, publisher: Publisher) -> None:
    other = connect(broker.url)
    calls = [Publisher(client, BusSettings()).publish_once(posts(100)) for client in (redis, other) for _ in range(5)]
    answers = await asyncio.gather(*calls)
    assert sum(sum(answer) for answer in answers) == 100
    assert await redis.xlen(INGESTED) == 100
    await other.aclose()
