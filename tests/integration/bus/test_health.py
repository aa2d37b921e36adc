"""What liveness and readiness see: dead subscribers, stalled loops, stalled groups; and whom they leave alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus.commit import Done, Outcome
from shared.bus.health import Health, Watchdog
from shared.bus.metrics import GroupState, sweep
from shared.bus.publisher import Publisher
from shared.events import Event, PostIngested
from shared.settings import BusSettings
from shared.streams import FLOW, groups, heard_by
from tests.support.kit import CLASSIFIER, INGESTED, SCORED, pending, posts, running, score, service, settled, stand
from tests.support.servers import Broker, eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("shared.bus.health.monotonic", made)
    return made


def state(lag: int, pair: tuple[str, str] = CLASSIFIER) -> GroupState:
    return GroupState(*pair, length=lag, lag=lag, pending=0, delayed=0, dead=0, oldest_pending_s=0)


async def test_a_dead_subscriber_is_seen_and_started_again(broker: Broker, redis: Redis, data: Path) -> None:
    async with running(broker.url, data, service("classifier", {})) as process:
        health, subscribers = process.platform.health, process.platform.broker.subscribers
        assert (await process.get("/livez")).json() == {"status": "alive"}

        async def refused() -> list[tuple[str, str]]:
            raise ConnectionError

        victim = next(each for each in subscribers if each.stream_sub.name == INGESTED)
        await victim.stop()
        with pytest.raises(ConnectionError):
            await Watchdog(process.platform.broker, health, refused)()
        assert health.not_alive() == ["subscriber posts.ingested does not run"]
        assert (await process.get("/livez")).status_code == 503
        await eventually(lambda: victim.running)
        await eventually(lambda: not health.not_alive())
        await process.platform.publisher.publish_many(posts(3))
        await eventually(lambda: settled(redis))


def test_a_loop_that_stands_still_is_seen_when_its_time_is_over(clock: Clock) -> None:
    health = Health(60)
    health.ticked("pump", 10.0)
    health.ticked("janitor", 50.0)
    clock.now += 10
    assert health.not_alive() == []
    clock.now += 1
    assert health.not_alive() == ["loop pump stands still"]
    clock.now += 40
    assert health.not_alive() == ["loop pump stands still", "loop janitor stands still"]
    health.ticked("pump", 10.0)
    assert health.not_alive() == ["loop janitor stands still"]


async def test_every_loop_of_a_process_ticks(broker: Broker, data: Path) -> None:
    async with running(broker.url, data, service("classifier", {})) as process:
        names = {"watchdog", "pump", "reclaimer", "janitor", "rewriter", "presence", "classifier scrub", "sweep"}
        await eventually(lambda: set(process.platform.health._ticks) == names)


async def test_a_group_that_hangs_is_seen_and_a_group_that_works_is_not(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(stalled_after_s=0.5, batch_size=1)
    release = asyncio.Event()

    async def hangs(events: list[Event[PostIngested]]) -> list[Outcome]:
        await release.wait()
        return [Done()] * len(events)

    async with running(broker.url, data, service("classifier", {INGESTED: hangs})) as process:
        health = process.platform.health
        await asyncio.sleep(0.8)
        assert health.not_alive() == [], "nothing to do is no reason"
        await publisher.publish_many(posts(2))
        await eventually(lambda: health.not_alive() == ["classifier makes no progress on posts.ingested"])
        release.set()
        await eventually(lambda: not health.not_alive())


async def test_the_standstill_of_a_service_elsewhere_is_not_ours(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(stalled_after_s=0.3)
    await publisher.publish_many([score(event) for event in posts(5)])
    async with running(broker.url, data, service("classifier", {})) as process:
        await asyncio.sleep(1)
        assert (await stand(redis, (SCORED, "auditor"))).lag == 5
        assert process.platform.health.not_alive() == []
        assert (await process.get("/livez")).status_code == 200


async def test_a_missing_group_makes_us_unready(broker: Broker, redis: Redis, data: Path) -> None:
    async with running(broker.url, data, service("classifier", {})) as process:
        assert (await process.get("/readyz")).status_code == 200
        await redis.xgroup_destroy("posts.scored", "trainer")
        await eventually(lambda: any(each.missing for each in process.platform.states))
        answer = await process.get("/readyz")
        assert answer.status_code == 503
        assert "group posts.scored/trainer is missing" in answer.json()["detail"]


async def test_a_process_looks_at_the_groups_it_runs_and_at_those_that_hear_it(broker: Broker, data: Path) -> None:
    async with running(broker.url, data, service("classifier", {})) as process:
        seen = {(each.stream, each.group) for each in process.platform.states}
        heard = {(stream.name, "classifier") for stream in heard_by("classifier")}
        assert seen == heard | {("posts.scored", group) for group in FLOW["posts.scored"].heard_by}


async def test_a_broker_that_is_away_makes_us_unready_not_dead(broker: Broker, data: Path) -> None:
    async with running(broker.url, data, service("classifier", {})) as process:
        broker.kill()
        answer = await process.get("/readyz")
        assert answer.status_code == 503
        assert "the broker does not answer" in answer.json()["detail"]
        assert (await process.get("/livez")).status_code == 200
        broker.start()
        assert (await process.get("/readyz")).status_code == 200


async def test_one_look_tells_length_lag_pending_delayed_and_dead(redis: Redis, publisher: Publisher) -> None:
    await publisher.publish_many(posts(5))
    await redis.xreadgroup("classifier", "me", {INGESTED: ">"}, count=2)
    await redis.zadd(f"{INGESTED}:delay:classifier", {"x": 1})
    await redis.xadd(f"{INGESTED}:dead:classifier", {"__data__": "x"})
    await redis.xadd(f"{INGESTED}:retry:classifier", {"__data__": "x"})
    await asyncio.sleep(0.05)
    found = {(each.stream, each.group): each for each in await sweep(redis, groups())}
    seen = found[CLASSIFIER]
    assert (seen.length, seen.lag, seen.pending, seen.delayed, seen.dead) == (5, 4, 2, 1, 1)
    assert 0.05 <= seen.oldest_pending_s < 5
    assert seen.backlog == 7
    assert not seen.missing
    assert await pending(redis) == 2
    assert {pair for pair, each in found.items() if each.backlog} == {CLASSIFIER}


async def test_the_oldest_event_counts_whether_it_was_read_or_not(redis: Redis, publisher: Publisher) -> None:
    async def ages() -> tuple[float, float]:
        seen = {(each.stream, each.group): each for each in await sweep(redis, groups())}[CLASSIFIER]
        return seen.oldest_s, seen.oldest_pending_s

    assert await ages() == (0, 0)
    first = await redis.xadd(INGESTED, {"__data__": "x"}, id="1000-0")
    await redis.xadd(INGESTED, {"__data__": "x"}, id="9000000000000-0")
    late, pending_s = await ages()
    assert late > 1e9 and pending_s == 0  # said in 1970, never read
    (read,) = await redis.xreadgroup("classifier", "me", {INGESTED: ">"}, count=1)
    assert read[1][0][0] == first
    assert min(await ages()) > 1e9  # read, not settled
    await redis.xack(INGESTED, "classifier", first)
    assert (await ages())[0] <= 0  # what is left was said by a clock ahead of ours


def test_a_group_that_commits_is_alive_although_its_lag_grows(clock: Clock) -> None:
    health = Health(60)
    for lag in range(1, 5):
        health.committed(*CLASSIFIER)
        health.saw([state(lag)])
        clock.now += 50
        assert health.not_alive() == []
