"""What is left on the broker of a deleted post or an erased author: nothing, once everybody has settled it."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus.commit import Again, Committer, Dead, Done, Outcome
from shared.bus.erasures import ask_erasure, author_subject
from shared.bus.janitor import Janitor
from shared.bus.keys import BROKER, ERASURES, SCRUBS, dead_key, retry_key
from shared.bus.publisher import Publisher
from shared.bus.retry import Pump
from shared.clock import millis, monotonic, utcnow
from shared.errors import Unavailable
from shared.events import Event, PostDeleted, PostIngested, said
from shared.settings import BusSettings
from shared.streams import FLOW, SERVICES
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    SCORED,
    Scorer,
    delayed,
    ids,
    letters,
    post,
    posts,
    running,
    said_ids,
    score,
    service,
    settled,
    stand,
)
from tests.support.servers import Broker, eventually

DELETED = "posts.deleted"
HEARERS = FLOW[SCORED].heard_by
GONE = post(2)


@pytest.fixture
def janitor(redis: Redis) -> Janitor:
    return Janitor(redis, BusSettings(), [INGESTED, SCORED])


async def take(redis: Redis, count: int = 100, stream: str = INGESTED, group: str = "classifier") -> list[bytes]:
    answer = await redis.xreadgroup(group, "me", {stream: ">"}, count=count)
    return [entry for entry, _ in answer[0][1]] if answer else []


async def settle_all(redis: Redis, stream: str, *groups: str) -> None:
    for group in groups:
        for key in (stream, retry_key(stream, group)):
            if found := await take(redis, 1000, key, group):
                await redis.xack(key, group, *found)


async def asked(redis: Redis) -> list[bytes]:
    return await redis.zrange(ERASURES, 0, -1)  # type: ignore[no-any-return]


async def rounds(janitor: Janitor, count: int = 3) -> None:
    """Let the janitor pass a few times, each in a later millisecond."""
    for _ in range(count):
        await asyncio.sleep(0.003)
        await janitor()


async def test_settled_entries_of_a_deleted_post_vanish_and_those_of_others_stay(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many(posts(5))
    await publisher.publish_many([score(event) for event in posts(5)])
    await settle_all(redis, INGESTED, "classifier")
    await settle_all(redis, SCORED, *HEARERS)
    await ask_erasure(redis, GONE.data.post.post_id)
    await rounds(janitor)
    others = [event for event in posts(5) if event.id != GONE.id]
    assert await said_ids(redis, INGESTED) == ids(others)
    assert await said_ids(redis, SCORED) == [score(event).id for event in others]
    assert await asked(redis) == []


async def test_every_post_of_an_erased_author_vanishes_and_namesakes_elsewhere_stay(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    authors = ["ann", "bob", "ann", None]
    await publisher.publish_many([post(n, author=author) for n, author in enumerate(authors)])
    await settle_all(redis, INGESTED, "classifier")
    await ask_erasure(redis, author_subject("elsewhere", "bob"))
    await ask_erasure(redis, author_subject("test", "ann"))
    await rounds(janitor)
    assert await said_ids(redis, INGESTED) == ids([post(1), post(3)])


async def test_delayed_events_and_dead_letters_of_a_deleted_post_vanish(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many(posts(4))
    outcomes = [Again("not now"), Dead("no"), Again("not now"), Dead("no")]
    batch = list(zip(await take(redis), posts(4), outcomes, strict=True))
    await Committer(redis, BusSettings()).settle(INGESTED, "classifier", batch, origin=INGESTED)
    await ask_erasure(redis, post(2).data.post.post_id)
    await ask_erasure(redis, post(3).data.post.post_id)
    await rounds(janitor)
    assert [Event[PostIngested].model_validate_json(raw).id for raw in await delayed(redis)] == [post(0).id]
    assert [letter["event"]["id"] for letter in await letters(redis)] == [post(1).id]


async def test_unread_and_pending_entries_stay_until_they_are_settled(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many(posts(5))
    await ask_erasure(redis, GONE.data.post.post_id)
    await rounds(janitor)
    assert await said_ids(redis, INGESTED) == ids(posts(5)), "unread"
    read = await take(redis)
    await rounds(janitor)
    assert await said_ids(redis, INGESTED) == ids(posts(5)), "pending"
    await redis.xack(INGESTED, "classifier", read[0], read[1], read[3], read[4])
    await rounds(janitor)
    assert await said_ids(redis, INGESTED) == ids(posts(5)), "it alone is pending"
    assert await asked(redis)
    await redis.xack(INGESTED, "classifier", read[2])
    await rounds(janitor)
    assert GONE.id not in await said_ids(redis, INGESTED)
    assert await asked(redis) == []


async def test_one_slow_group_is_waited_for(redis: Redis, publisher: Publisher, janitor: Janitor) -> None:
    await publisher.publish_many([score(event) for event in posts(5)])
    await settle_all(redis, SCORED, "trainer", "reporter")
    await ask_erasure(redis, GONE.data.post.post_id)
    await rounds(janitor)
    assert await redis.xlen(SCORED) == 5
    assert len(await take(redis, 5, SCORED, "auditor")) == 5


async def test_a_copy_that_is_said_after_the_erasure_was_asked_for_vanishes_too(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many([GONE])
    read = await take(redis)
    await ask_erasure(redis, GONE.data.post.post_id)
    await asyncio.sleep(0.005)
    await publisher.publish_many([score(post(0))])
    await settle_all(redis, SCORED, *HEARERS)
    await publisher.publish_many([score(GONE)])  # nobody has read it
    await redis.xack(INGESTED, "classifier", *read)
    await rounds(janitor)
    assert await asked(redis), "one copy is still to be read"
    await settle_all(redis, SCORED, *HEARERS)
    await rounds(janitor)
    assert await said_ids(redis, SCORED) == [score(post(0)).id]
    assert await asked(redis) == []


async def test_lag_stays_a_number_that_is_true_once_all_is_read(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many(posts(6))
    first = await take(redis, 3)
    await redis.xack(INGESTED, "classifier", *first)
    await ask_erasure(redis, GONE.data.post.post_id)  # the last one that was read
    await rounds(janitor)
    assert await redis.xlen(INGESTED) == 5
    assert (await stand(redis)).lag == 3
    rest = await take(redis)
    assert len(rest) == 3
    assert (await stand(redis)).lag == 0
    await redis.xack(INGESTED, "classifier", *rest)
    await publisher.publish_many(posts(2, 6))
    assert (await stand(redis)).lag == 2


async def test_a_copy_on_the_retry_stream_keeps_the_erasure_waiting(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many([GONE])
    (entry,) = await take(redis)
    committer = Committer(redis, BusSettings())
    await committer.settle(INGESTED, "classifier", [(entry, GONE, Again("not now"))], origin=INGESTED)
    await asyncio.sleep(0.05)
    assert await Pump(redis, [CLASSIFIER])() == 1
    (retry,) = await take(redis, stream=retry_key(*CLASSIFIER))
    await ask_erasure(redis, GONE.data.post.post_id)
    await rounds(janitor)
    assert await asked(redis), "a worker still has it in hand"
    failed = GONE.again("not now")
    await committer.settle(retry_key(*CLASSIFIER), "classifier", [(retry, failed, Dead("no"))], origin=INGESTED)
    assert len(await letters(redis)) == 1
    await rounds(janitor)
    assert await letters(redis) == []
    assert await asked(redis) == []


async def test_an_erasure_ends_although_the_newest_entry_was_erased_before(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.publish_many(posts(3))
    await settle_all(redis, INGESTED, "classifier")
    for n in (2, 1):
        await ask_erasure(redis, post(n).data.post.post_id)
        await rounds(janitor)
        assert await asked(redis) == []
    assert await said_ids(redis, INGESTED) == [post(0).id]


async def test_unread_entries_are_safe_from_a_janitor_whose_clock_is_ahead(
    redis: Redis, publisher: Publisher, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.janitor.millis", lambda: millis() + 60_000)
    await publisher.publish_many([post(0)])
    await settle_all(redis, INGESTED, "classifier")
    await ask_erasure(redis, GONE.data.post.post_id)
    page, xrange = [], redis.xrange

    async def late(name: str, *args: object, **options: object) -> object:
        if name == INGESTED and not page:
            page.append(await publisher.publish_many([GONE]))
        return await xrange(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(redis, "xrange", late)
    await janitor.erase()
    assert page
    assert (await stand(redis)).lag == 1
    assert len(await take(redis)) == 1, "it came after the look, nobody has read it"


async def test_a_running_process_erases_what_it_was_asked_for(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    await publisher.publish_many(posts(5))
    hears = {"trainer": {}, "auditor": {}, "reporter": {}, "classifier": {INGESTED: Scorer()}}
    async with running(broker.url, data, *(service(name, handlers) for name, handlers in hears.items())):
        await ask_erasure(redis, GONE.data.post.post_id)
        for group in HEARERS:
            await eventually(lambda group=group: settled(redis, (SCORED, group)))
        await eventually(lambda: _forgotten(redis))
    others = [event for event in posts(5) if event.id != GONE.id]
    assert await said_ids(redis, INGESTED) == ids(others)
    assert sorted(await said_ids(redis, SCORED)) == sorted(score(event).id for event in others)


async def _forgotten(redis: Redis) -> bool:
    return not await asked(redis)


# -- the deletion itself -----------------------------------------------------------------------------------


def gone(n: int = 2) -> Event[PostDeleted]:
    """Return the deletion of post `n`."""
    name = post(n).data.post.post_id
    return said(PostDeleted(post_id=name, deleted_at=utcnow()), by="ingest", cause=f"{name}|deleted")


async def test_a_deletion_and_its_erasure_appear_together_and_a_repetition_asks_again(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    name = GONE.data.post.post_id
    assert await publisher.withdraw(gone(), name)
    (entry, _), *none = await redis.xrange(DELETED)
    assert none == [] and await redis.zscore(ERASURES, name) == int(entry.split(b"-")[0])
    await settle_all(redis, DELETED, *FLOW[DELETED].heard_by)
    await rounds(janitor)
    assert await asked(redis) == []
    assert not await publisher.withdraw(gone(), name), "the stream says it once"
    assert await redis.xlen(DELETED) == 1 and await asked(redis) == [name.encode()]


async def test_an_erasure_waits_until_every_service_has_erased_its_tables(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.withdraw(gone(), GONE.data.post.post_id)
    first, *others = FLOW[DELETED].heard_by
    await settle_all(redis, DELETED, *others)
    await rounds(janitor)
    assert await asked(redis), "one has not heard of it"
    await take(redis, 1, DELETED, first)
    await rounds(janitor)
    assert await asked(redis), "one is at it"
    assert not await redis.exists(SCRUBS)
    await redis.xack(DELETED, first, (await redis.xrange(DELETED))[0][0])
    await rounds(janitor)
    assert await asked(redis) == []
    assert {name.decode() for name in await redis.hkeys(SCRUBS)} == {BROKER, *SERVICES}


async def test_a_deletion_that_failed_keeps_the_erasure_waiting(
    redis: Redis, publisher: Publisher, janitor: Janitor
) -> None:
    await publisher.withdraw(gone(), GONE.data.post.post_id)
    first, *others = FLOW[DELETED].heard_by
    await settle_all(redis, DELETED, *others)
    (entry,) = await take(redis, 1, DELETED, first)
    committer = Committer(redis, BusSettings())
    await committer.settle(DELETED, first, [(entry, gone(), Again("not now"))], origin=DELETED)
    await rounds(janitor)
    assert await asked(redis), "it waits for another try"
    await asyncio.sleep(0.05)
    await Pump(redis, [(DELETED, first)])()
    (retry,) = await take(redis, 1, retry_key(DELETED, first), first)
    await rounds(janitor)
    assert await asked(redis), "it is tried again"
    failed = [(retry, gone().again("not now"), Dead("no"))]
    await committer.settle(retry_key(DELETED, first), first, failed, origin=DELETED)
    await Janitor(redis, BusSettings(), [DELETED])()
    await rounds(janitor)
    assert await asked(redis), "nobody has erased: an operator has to redrive it"
    await redis.delete(dead_key(DELETED, first))
    await rounds(janitor)
    assert await asked(redis) == []


async def test_an_erasure_that_is_asked_for_again_while_the_janitor_looks_stays(
    redis: Redis, publisher: Publisher, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = GONE.data.post.post_id
    await ask_erasure(redis, name)
    await asyncio.sleep(0.005)
    zrange = redis.zrange

    async def looks(*args: object, **options: object) -> object:
        found = await zrange(*args, **options)  # type: ignore[arg-type]
        await ask_erasure(redis, name)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(redis, "zrange", looks)
        await janitor.erase()
    assert await asked(redis) == [name.encode()]
    await rounds(janitor)
    assert await asked(redis) == []


async def test_what_met_a_tombstone_leaves_the_streams_although_its_erasure_was_over(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    async def buried(events: list[Event[PostIngested]]) -> list[Outcome]:
        met = {event.data.post.post_id for event in events} & {GONE.data.post.post_id}
        return [Done(erase=met if event.id == GONE.id else ()) for event in events]

    async with running(broker.url, data, service("classifier", {INGESTED: buried})):
        await publisher.publish_many(posts(5))  # a bridge repeats itself; nobody has asked for anything yet
        await eventually(lambda: settled(redis))
        await eventually(lambda: _forgotten(redis))
    assert await said_ids(redis, INGESTED) == ids(event for event in posts(5) if event.id != GONE.id)


async def test_who_cannot_reach_the_broker_is_told_to_come_again() -> None:
    away = Redis(host="127.0.0.1", port=1)
    with pytest.raises(Unavailable):
        await ask_erasure(away, "p1")
    with pytest.raises(Unavailable):
        await Publisher(away, BusSettings()).withdraw(gone(), "p1")
    await away.aclose()


async def test_looking_through_long_streams_leaves_time_for_the_rest(
    redis: Redis, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    erase = janitor.erase

    async def slow() -> int:
        looks.append(monotonic())
        await asyncio.sleep(0.25)
        return await erase()

    monkeypatch.setattr(janitor, "erase", slow)
    await ask_erasure(redis, GONE.data.post.post_id)
    while len(looks) < 2:
        await janitor()
    assert looks[1] - looks[0] > 2
    assert await asked(redis) == []
