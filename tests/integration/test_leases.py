"""Leases of posts on a real broker: who holds a post, how it is handed over, when it ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from services.reporter.console.leases import HANDED_MS, LEASE_MS, Leases, token_of
from services.reporter.console.members import Member, Preferences
from services.reporter.console.presence import News, Presence
from services.reporter.console.roles import Role
from shared.bus.keys import handed_key, lease_key
from shared.bus.publisher import connect
from tests.support.servers import Broker, eventually

FAKED_MS = 1
"""What the broker is told is left of a lease, as if the rest of its time had passed."""


def member(name: str, session: str = "one") -> Member:
    return Member(f"id-{name}", name, name.title(), Role.REVIEWER, Preferences(), f"{name} {session}")


NOOR, SAM, ADA = member("noor"), member("sam"), member("ada")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    running = Broker(tmp_path_factory.mktemp("broker")).start()
    yield running
    running.stop()


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    each = connect(broker.url)
    await each.flushall()
    yield each
    await each.aclose()


@pytest.fixture
async def heard(redis: Redis) -> AsyncIterator[list[News]]:
    """What open pages are told."""
    presence, said = Presence(redis), list[News]()
    with presence.listening(lambda: None) as news:
        await eventually(lambda: presence._reader is not None)

        async def subscribed() -> bool:
            return bool((await redis.pubsub_numsub("ombud:held"))[0][1])

        await eventually(subscribed)

        async def keep() -> None:
            while True:
                said.extend(news.popleft() for _ in range(len(news)))
                await asyncio.sleep(0.01)

        keeping = asyncio.create_task(keep())
        yield said
        keeping.cancel()
    await presence.stop()


async def passes(redis: Redis, post: str) -> None:
    """Let the time of a lease pass."""
    assert await redis.pexpire(lease_key(post), FAKED_MS)

    async def over() -> bool:
        return not await redis.exists(lease_key(post))

    await eventually(over)


@pytest.mark.check("CON-17")
async def test_a_post_is_one_persons_until_its_time_has_passed_or_they_give_it_back(redis: Redis) -> None:
    leases = Leases(redis)
    assert await leases.take(NOOR, "p") and not await leases.take(SAM, "p")
    assert await leases.take(member("noor", "another session"), "p"), "of the same person"
    assert await leases.take(NOOR, "p")
    for who, token in (
        (SAM, None),
        (SAM, token_of(NOOR, "p")),
        (NOOR, token_of(SAM, "p")),
        (NOOR, token_of(NOOR, "q")),
    ):
        assert not await leases.release(who, "p", token), "a foreign token"
    assert LEASE_MS - 60_000 < await redis.pttl(lease_key("p")) <= LEASE_MS
    await passes(redis, "p")
    assert await leases.of(["p"]) == {}
    assert await leases.take(SAM, "p") and not await leases.release(NOOR, "p") and await leases.release(SAM, "p")
    assert await leases.take(NOOR, "p")


async def test_a_post_that_is_handed_over_waits_for_its_new_person_who_is_told(redis: Redis, heard: list[News]) -> None:
    leases = Leases(redis)
    assert await leases.take(NOOR, "p")
    assert not await leases.hand_over(ADA, "p", SAM.id, SAM.name), "it is not hers"
    assert await leases.hand_over(NOOR, "p", SAM.id, SAM.name)
    assert not await leases.take(NOOR, "p") and not await leases.release(NOOR, "p")
    (found,) = (await leases.handed(SAM)).values()
    assert found.person_id == NOOR.id and LEASE_MS // 1000 < found.left_s <= HANDED_MS // 1000
    assert await leases.handed(NOOR) == {}
    await eventually(lambda: len(heard) == 2)
    assert heard[1] == News("p", SAM.id, "Sam", HANDED_MS // 1000, "Noor")

    assert await leases.take(SAM, "p"), "opened"
    assert list(await leases.handed(SAM)) == ["p"]
    assert await leases.hand_over(SAM, "p", ADA.id, ADA.name), "and handed on"
    assert await leases.handed(SAM) == {} and list(await leases.handed(ADA)) == ["p"]
    assert await leases.take(ADA, "p")
    await leases.settle(ADA, "p")
    assert await leases.handed(ADA) == {}

    assert await leases.hand_over(NOOR, "q", SAM.id, SAM.name), "what nobody held"
    await passes(redis, "q")
    assert await leases.handed(SAM) == {} and await leases.take(NOOR, "q"), "nobody came"
    assert 0 < await redis.pttl(handed_key(SAM.id)) <= HANDED_MS
