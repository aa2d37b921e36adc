"""STK-01, 02, 04 and 14: nothing is missed before, between and at the end of a group's processes."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus.groups import WrongKeyType, ensure_groups, unknown_groups
from shared.bus.keys import dead_key, delay_key, retry_key
from shared.bus.publisher import Publisher, connect
from shared.clock import monotonic
from shared.settings import BusSettings
from shared.streams import FLOW, groups
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    SCORED,
    Scorer,
    ids,
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
from tests.support.worker import SLOW


async def test_events_said_before_the_first_process_of_a_group_are_handled(broker: Broker, data: Path) -> None:
    early = connect(broker.url)
    await Publisher(early, BusSettings()).publish_many(posts(30))
    scorer = Scorer()
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: settled(early))
    assert ids(scorer.seen) == ids(posts(30))
    await early.aclose()


async def test_a_group_is_made_at_the_beginning_of_its_stream_and_only_once(broker: Broker) -> None:
    client = connect(broker.url)
    await Publisher(client, BusSettings()).publish_many(posts(3))
    made = await ensure_groups(client, groups())
    assert set(groups()) <= set(made)
    assert (await client.xinfo_groups(INGESTED))[0]["lag"] == 3
    assert await ensure_groups(client, groups()) == []
    await client.aclose()


async def test_a_restart_handles_what_came_meanwhile(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    for start in (0, 10, 20):
        scorer = Scorer()
        await publisher.publish_many(posts(10, start))
        async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
            await eventually(lambda: settled(redis))
        assert ids(scorer.seen) == ids(posts(10, start))
    assert await said_ids(redis) == [score(event).id for event in posts(30)]


async def test_a_stop_finishes_the_running_batch_and_strands_nothing(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(batch_size=20)
    begun = asyncio.Event()

    async def slowly(_: object) -> None:
        begun.set()
        await asyncio.sleep(0.3)

    scorer = Scorer(slowly)
    await publisher.publish_many(posts(100))
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await asyncio.wait_for(begun.wait(), 5)
    assert await pending(redis) == 0
    assert 20 <= len(scorer.seen) < 100
    assert await said_ids(redis) == [score(event).id for event in scorer.seen]


async def test_sigterm_strands_nothing(
    redis: Redis,
    publisher: Publisher,
    start_worker: Callable[[], subprocess.Popen[bytes]],
    bus: Callable[..., BusSettings],
) -> None:
    bus(batch_size=10, reclaim_idle_s=60)
    await publisher.publish_many([post(n, SLOW) for n in range(100)])
    worker = start_worker()
    await eventually(lambda: pending(redis))
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 10) == 0
    assert await pending(redis) == 0
    said = await said_ids(redis)
    assert 10 <= len(said) < 100
    assert said == [score(event).id for event in posts(len(said))]


async def test_a_stop_right_after_the_start_ends_at_once(
    broker: Broker, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(janitor_every_s=30)
    for _ in range(3):  # the loops are still connecting
        async with running(broker.url, data, service("classifier", {})):
            started = monotonic()
        assert monotonic() - started < 5


@pytest.mark.parametrize(
    "key", [SCORED, retry_key(*CLASSIFIER), dead_key(*CLASSIFIER), delay_key(*CLASSIFIER), delay_key(SCORED, "auditor")]
)
async def test_a_key_of_the_wrong_type_stops_the_start_and_is_named(key: str, broker: Broker, data: Path) -> None:
    client = connect(broker.url)
    await client.set(key, "not ours")
    with pytest.raises(WrongKeyType, match=f"{key}$"):
        async with running(broker.url, data, service("classifier", {})):
            pass
    assert await client.get(key) == b"not ours"
    await client.aclose()


async def test_a_group_that_the_flow_does_not_know_is_found(redis: Redis) -> None:
    assert await unknown_groups(redis) == []
    await redis.xgroup_create(SCORED, "stranger", id="0")
    assert await unknown_groups(redis) == [(SCORED, "stranger")]


async def test_every_group_of_the_flow_exists_after_any_process_started(broker: Broker, data: Path) -> None:
    async with running(broker.url, data, service("auditor", {})) as process:
        for stream, group in groups():
            for key in (stream, retry_key(stream, group)):
                assert group.encode() in [info["name"] for info in await process.platform.redis.xinfo_groups(key)]
        own = {stream.name for stream in FLOW.values() if stream.said_by == "auditor" or "auditor" in stream.heard_by}
        assert own == {state.stream for state in process.platform.states}
        assert (await process.get("/readyz")).json() == {"status": "ready"}
