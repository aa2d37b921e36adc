"""Streams in four shards on one server: every post its way within its shard, and nothing else is different."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus.commit import Again, Dead, Done, Outcome
from shared.bus.erasures import ask_erasure, author_subject, pending_among
from shared.bus.groups import WrongShards, check_shards
from shared.bus.janitor import Janitor
from shared.bus.keys import ERASURES, SHARDS, dead_key
from shared.bus.letters import letters, newest_letters, redrive
from shared.bus.metrics import sweep
from shared.bus.publisher import Publisher, connect
from shared.bus.shards import group_keys, key_for, keyed
from shared.clock import utcnow
from shared.events import Event, PostDeleted, said
from shared.settings import BusSettings
from shared.streams import FLOW, shard_key
from tests.support.kit import INGESTED, SCORED, Scorer, entries, ids, post, posts, running, score, service
from tests.support.servers import Broker, eventually

N = 4


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMBUD_SHARDS", str(N))
    monkeypatch.setenv("OMBUD_BUS_LEASE_S", "1")


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    client = connect(broker.url)
    yield client
    await client.aclose()


async def at_rest(redis: Redis, *groups: str) -> bool:
    """Return whether the classifier, or other groups, have nothing before them in any shard."""
    states = await sweep(redis, group_keys(N), gauges=False)
    return not any(state.backlog for state in states if state.group in (groups or ("classifier",)))


class Ear:
    """A reporter that remembers which scores it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, events: list[Event]) -> Sequence[Outcome]:  # type: ignore[type-arg]
        self.heard += ids(events)
        return [Done()] * len(events)


async def test_every_post_is_handled_once_and_what_is_said_of_it_stays_in_its_shard(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    scorer, ear = Scorer(), Ear()
    assert await publisher.publish_once(posts(100)) == [True] * 100
    assert await publisher.publish_once(posts(110)) == [False] * 100 + [True] * 10
    await publisher.publish_many(posts(10, start=110), atomic=True)
    builds = service("classifier", {INGESTED: scorer}), service("reporter", {SCORED: ear})
    async with running(broker.url, data, *builds) as process:
        await eventually(lambda: at_rest(redis, "classifier", "reporter"))
        assert (await process.get("/readyz")).status_code == 200
        state = next(each for each in process.platform.states if (each.stream, each.group) == (INGESTED, "classifier"))
        assert len(state.shards) == N
    assert sorted(ids(scorer.seen)) == sorted(ids(posts(120)))
    assert sorted(ear.heard) == sorted(score(event).id for event in posts(120))
    assert not await redis.exists(INGESTED, SCORED)
    for shard in range(N):
        for stream in (INGESTED, SCORED):
            key = shard_key(stream, shard, N)
            found = await entries(redis, stream, key)
            assert found
            assert {key_for(each, N) for each in found} == {key}


async def test_retries_dead_letters_and_their_redrive_stay_in_the_shard(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    failed: set[str] = set()

    async def handle(events: list[Event]) -> list[Outcome]:  # type: ignore[type-arg]
        outcomes: list[Outcome] = []
        for event in events:
            if event.id in {post(3).id, post(4).id} and event.id not in failed and event.attempt == 0:
                outcomes.append(Dead("hopeless today"))
            elif event.attempt == 0 and event.id not in failed:
                outcomes.append(Again("once more"))
            else:
                outcomes.append(Done([score(event)]))
            failed.add(event.id)
        return outcomes

    await publisher.publish_many(posts(20))
    async with running(broker.url, data, service("classifier", {INGESTED: handle})):
        await eventually(lambda: at_rest(redis))
        dead = await letters(redis, INGESTED, "classifier", N)
        assert {each.content["event"]["id"] for each in dead} == {post(3).id, post(4).id}
        assert {each.stream for each in dead} == {key_for(post(n), N) for n in (3, 4)}
        assert [each.name for each in await letters(redis, dead[0].stream, None, N)] == [
            each.name for each in dead if each.stream == dead[0].stream
        ]
        newest = await newest_letters(redis, INGESTED, "classifier", 1, N)
        assert newest == [max(dead, key=lambda each: tuple(map(int, each.entry.split("-"))))]
        (summed,) = await sweep(redis, keyed([(INGESTED, "classifier")], N), gauges=False)
        assert (summed.stream, summed.dead, summed.length) == (INGESTED, 2, 20)
        await redrive(redis, dead)
        await eventually(lambda: said_all(redis, 20))
    assert await letters(redis, None, None, N) == []


async def said_all(redis: Redis, count: int) -> bool:
    return sum([await redis.xlen(key) for key in FLOW[SCORED].keys(N)]) == count


async def test_an_erasure_reaches_every_shard(broker: Broker, redis: Redis, publisher: Publisher, data: Path) -> None:
    kept = [post(n) for n in range(10)]
    of_author = [post(n, text="words of ann", author="ann") for n in range(10, 20)]
    gone = post(20, text="words to forget")
    await publisher.publish_many([*kept, *of_author, gone])
    name, ann = gone.data.post.post_id, author_subject("test", "ann")
    async with running(broker.url, data, service("classifier", {INGESTED: Scorer()}), service("ingest", {})):
        await eventually(lambda: at_rest(redis))
        deletion = said(PostDeleted(post_id=name, deleted_at=utcnow()), by="ingest", cause="gone")
        assert await publisher.withdraw(deletion, name)
        assert not await publisher.withdraw(deletion, name)
        author = said(PostDeleted(platform="test", author="ann", deleted_at=utcnow()), by="ingest", cause="ann")
        assert await publisher.withdraw(author, ann)
        assert set(await pending_among(redis, {name, ann, "another"}, N)) == {name, ann}
    await ask_erasure(redis, name, shards=N)
    names = ("classifier", "trainer", "auditor", "reporter")
    async with running(broker.url, data, *(service(each, {}) for each in names)):
        await eventually(lambda: at_rest(redis, *names))
        janitor = Janitor(redis, BusSettings(), [])

        async def over() -> bool:
            await janitor.erase()
            return not any([await redis.exists(shard_key(ERASURES, shard, N)) for shard in range(N)])

        await eventually(over)
    left = [each for stream in (INGESTED, SCORED) for key in FLOW[stream].keys(N) for each in await redis.xrange(key)]
    assert left
    assert not [each for each in left if b"words" in each[1][b"__data__"]]
    assert await redis.hget("ombud:scrubs", "classifier")


async def test_another_number_of_shards_is_refused_and_the_way_out_is_named(broker: Broker, redis: Redis) -> None:
    await check_shards(redis, N)
    assert await redis.get(SHARDS) == b"4"
    await check_shards(redis, N)
    for wrong in (1, 3):
        with pytest.raises(WrongShards, match=rf"ombud reshard {wrong}`"):
            await check_shards(redis, wrong)


async def test_streams_of_one_shard_are_not_left_behind_by_a_setting(broker: Broker, redis: Redis) -> None:
    await Publisher(redis, BusSettings(shards=1)).publish_many(posts(1))
    with pytest.raises(WrongShards, match="has 1 shards"):
        await check_shards(redis, N)
    await check_shards(redis, 1)
    assert not await redis.exists(SHARDS)


async def test_events_of_one_post_are_handled_in_their_order(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: object
) -> None:
    seen: dict[str, list[str]] = {}

    async def handle(events: list[Event]) -> list[Outcome]:  # type: ignore[type-arg]
        for event in events:
            seen.setdefault(event.subject or "", []).append(event.data.post.text)
        await asyncio.sleep(0.001)
        return [Done()] * len(events)

    await publisher.publish_many(
        [
            post(n, text=f"revision {turn}").model_copy(update={"id": f"{turn}-{n}"})
            for turn in range(5)
            for n in range(30)
        ]
    )
    async with running(broker.url, data, service("classifier", {INGESTED: handle})):
        await eventually(lambda: at_rest(redis))
    assert len(seen) == 30
    assert {tuple(texts) for texts in seen.values()} == {tuple(f"revision {turn}" for turn in range(5))}


async def test_a_dead_letter_of_work_after_the_handler_lies_in_the_posts_shard(
    redis: Redis, publisher: Publisher
) -> None:
    await publisher.bury(post(1), "classifier", "no answer", "LlmFailed")
    assert await redis.xlen(dead_key(key_for(post(1), N), "classifier")) == 1
