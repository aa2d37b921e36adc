"""Replicas share the shards of a group: fairly, without a gap, and nothing is lost or doubled when they come and go."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.keys import SHARDS, holders_key, replicas_key
from shared.bus.metrics import sweep
from shared.bus.publisher import Publisher, connect
from shared.bus.scripts import script
from shared.bus.shards import keyed
from shared.settings import BusSettings
from shared.streams import FLOW
from tests.support.kit import INGESTED, SCORED, entries, ids, post, posts, score
from tests.support.servers import Broker, eventually
from tests.support.worker import SLOW

N = 4
GROUP = "classifier"


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMBUD_SHARDS", str(N))
    monkeypatch.setenv("OMBUD_BUS_LEASE_S", "1.5")
    monkeypatch.setenv("OMBUD_BUS_BATCH_SIZE", "5")


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    client = connect(broker.url)
    yield client
    await client.aclose()


class Group:
    """The script of leases as processes call it."""

    def __init__(self, redis: Redis) -> None:
        self._script = script(redis, "lease")

    async def speak(self, name: str, *released: int, lasts_ms: int = 60_000) -> tuple[int, list[int]]:
        """Return how many shards a process should have, and those it has."""
        keys = [replicas_key(GROUP), holders_key(GROUP)]
        share, *mine = await self._script(keys=keys, args=[name, lasts_ms, N, *released])
        return share, mine


async def test_one_replica_reads_everything_and_a_second_gets_half_of_it(redis: Redis) -> None:
    group = Group(redis)
    assert await group.speak("a") == (4, [0, 1, 2, 3])
    assert await group.speak("b") == (2, [])  # the first still reads them
    assert await group.speak("a") == (2, [0, 1, 2, 3])
    assert await group.speak("a", 2, 3) == (2, [0, 1])
    assert await group.speak("b") == (2, [2, 3])


async def test_shares_differ_by_one_at_most_and_whoever_is_too_many_waits(redis: Redis) -> None:
    group, names = Group(redis), list("abcdef")
    for _ in range(4):
        for name in names:
            share, mine = await group.speak(name)
            await group.speak(name, *mine[share:])
    found = {name: (await group.speak(name))[1] for name in names}
    assert sorted(shard for some in found.values() for shard in some) == list(range(N))
    assert sorted(map(len, found.values())) == [0, 0, 1, 1, 1, 1]


async def test_what_a_silent_replica_read_is_free_when_its_word_is_over_and_at_once_when_it_leaves(
    redis: Redis,
) -> None:
    group = Group(redis)
    await group.speak("a", lasts_ms=200)
    assert (await group.speak("b"))[1] == []
    share, mine = await eventually(lambda: _all_of(group, "b"))
    assert (share, mine) == (4, [0, 1, 2, 3])
    await group.speak("c")
    await group.speak("b", *range(N), lasts_ms=0)
    assert await group.speak("c") == (4, [0, 1, 2, 3])
    assert await group.speak("b") == (2, [])  # it lost them; whoever comes back begins anew


async def _all_of(group: Group, name: str) -> tuple[int, list[int]] | None:
    share, mine = await group.speak(name)
    return (share, mine) if len(mine) == N else None


async def holders(redis: Redis) -> dict[int, str]:
    found: Any = await redis.hgetall(holders_key(GROUP))
    alive: Any = await redis.zrange(replicas_key(GROUP), 0, -1)
    return {int(shard): name.decode() for shard, name in found.items() if name in alive}


async def held_by(redis: Redis, *workers: "subprocess.Popen[bytes]") -> list[int]:
    """Return how many shards each worker holds; nothing as long as some shard is nobody's."""
    found = await holders(redis)
    if len(found) < N:
        return []
    return [sum(f"-{worker.pid}-" in name for name in found.values()) for worker in workers]


async def behind(redis: Redis) -> int:
    (state,) = await sweep(redis, keyed([(INGESTED, GROUP)], N), gauges=False)
    return state.backlog


async def said_once(redis: Redis, count: int) -> bool:
    said = [event.id for key in FLOW[SCORED].keys(N) for event in await entries(redis, SCORED, key)]
    assert len(said) == len(set(said)), "doubled"
    assert len(said) == count
    assert not await behind(redis)
    return True


async def test_replicas_come_go_and_die_and_every_post_is_scored_once(
    redis: Redis, start_worker: Callable[[], "subprocess.Popen[bytes]"], bus: Callable[..., BusSettings]
) -> None:
    settings = bus(reclaim_idle_s=2)
    publisher, total = Publisher(redis, settings), 0

    async def publish(count: int) -> None:
        nonlocal total
        await publisher.publish_many([post(n, SLOW if n % 10 == 0 else "a post") for n in range(total, total + count)])
        total += count

    first = start_worker()
    await eventually(lambda: _is(held_by(redis, first), [4]))
    await publish(100)
    second = start_worker()  # it gets half of them while both have work
    await eventually(lambda: _is(held_by(redis, first, second), [2, 2]))
    await publish(100)
    third = start_worker()
    await eventually(lambda: _shares(held_by(redis, first, second, third), [1, 1, 2]))
    await publish(200)
    await eventually(lambda: _busy(redis))
    second.kill()  # what it had read waits until it has been idle, then somebody else takes it over
    await eventually(lambda: _shares(held_by(redis, first, third), [2, 2]))
    await publish(50)
    first.terminate()  # an orderly stop leaves at once
    assert await asyncio.to_thread(first.wait, 20) == 0
    await eventually(lambda: _is(held_by(redis, third), [4]))
    await publish(50)
    await eventually(lambda: said_once(redis, total), 60)
    said = {event.id for key in FLOW[SCORED].keys(N) for event in await entries(redis, SCORED, key)}
    assert said == {score(event).id for event in posts(total)} and len(set(ids(posts(total)))) == total


async def _is(work: Any, wanted: list[int]) -> bool:
    return bool(await work == wanted)


async def _shares(work: Any, wanted: list[int]) -> bool:
    return sorted(await work) == wanted


async def _busy(redis: Redis) -> bool:
    return await behind(redis) > 50


async def test_a_replica_that_was_silent_for_too_long_reads_no_more_what_others_read(
    broker: Broker, redis: Redis, start_worker: Callable[[], "subprocess.Popen[bytes]"], data: Path
) -> None:
    import signal

    first = start_worker()
    await eventually(lambda: _is(held_by(redis, first), [4]))
    second = start_worker()
    await eventually(lambda: _is(held_by(redis, first, second), [2, 2]))
    first.send_signal(signal.SIGSTOP)
    try:
        await eventually(lambda: _is(held_by(redis, second), [4]))
        await Publisher(redis, BusSettings()).publish_many(posts(40))
        await eventually(lambda: said_once(redis, 40))
    finally:
        with suppress(ProcessLookupError):
            first.send_signal(signal.SIGCONT)
    await eventually(lambda: _is(held_by(redis, first, second), [2, 2]))
    await Publisher(redis, BusSettings()).publish_many(posts(40, start=40))
    await eventually(lambda: said_once(redis, 80))
    assert await redis.get(SHARDS) == b"4"
