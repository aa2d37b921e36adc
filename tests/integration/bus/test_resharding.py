"""Another number of shards for an installation that stands still: nothing is lost, settled things stay settled."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone

from services.reporter.feed import OLDEST, seen_of
from services.reporter.tail import Tail
from shared.bus.commit import Again, Dead, Done, Outcome
from shared.bus.groups import check_shards, ensure_groups
from shared.bus.keys import SHARDS, version_key
from shared.bus.letters import letters
from shared.bus.metrics import sweep
from shared.bus.publisher import Publisher, connect
from shared.bus.resharding import Resharding, StillRunning
from shared.bus.shards import group_keys, key_for, shard_for
from shared.events import Event, PostCorrected, said
from shared.settings import BusSettings
from shared.streams import FLOW, groups
from shared.vocabulary import Verdict
from tests.support.kit import INGESTED, SCORED, Scorer, entries, ids, post, posts, running, score, service
from tests.support.servers import Broker, eventually

GROUP = "classifier"


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    client = connect(broker.url)
    yield client
    await client.aclose()


def correction(n: int, version: int) -> Event[PostCorrected]:
    about = post(n).data.post.post_id
    data = PostCorrected(
        correction_id=f"c{n}-{version}",
        post_id=about,
        verdict=Verdict.CORRECT,
        version=version,
        corrected_at=post(n).time,
    )
    return said(data, by="ingest", cause=f"c{n}-{version}")


async def left_behind(redis: Redis, data: Path, url: str) -> None:
    """Leave 100 posts of which 60 were settled, 10 are dead, 10 tried later, 5 only read, and 20 not read."""
    settings = BusSettings()
    publisher = Publisher(redis, settings)

    async def handle(events: list[Event[Any]]) -> list[Outcome]:
        numbers = {post(n).id: n for n in range(80)}
        return [
            Dead("hopeless")
            if numbers[event.id] < 10
            else Again("later")
            if numbers[event.id] < 20
            else Done([score(event)])
            for event in events
        ]

    await publisher.publish_once(posts(80))
    async with running(url, data, service(GROUP, {INGESTED: handle})):
        await eventually(lambda: _letters(redis, 10))
        await eventually(lambda: _delayed(redis, 10))
    await publisher.publish_once(posts(20, start=80))
    (key, *_) = FLOW[INGESTED].keys(settings.shards)
    await redis.xreadgroup(GROUP, "somebody who died", {key: ">"}, count=5)


async def _letters(redis: Redis, count: int) -> bool:
    return len(await letters(redis, INGESTED, GROUP, BusSettings().shards)) == count


async def _delayed(redis: Redis, count: int) -> bool:
    states = await sweep(redis, group_keys(BusSettings().shards), gauges=False)
    return any(
        (each.stream, each.group, each.delayed, each.lag, each.pending) == (INGESTED, GROUP, count, 0, 0)
        for each in states
    )


@pytest.mark.parametrize(("has", "to"), [(1, 4), (4, 3), (4, 1)])
async def test_nothing_is_lost_and_nothing_settled_is_handled_again(
    has: int,
    to: int,
    broker: Broker,
    redis: Redis,
    data: Path,
    bus: Callable[..., BusSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus(backoff_base_s=3600, backoff_limit_s=3600)
    monkeypatch.setenv("OMBUD_SHARDS", str(has))
    await left_behind(redis, data, broker.url)
    assert await Publisher(redis, BusSettings()).publish_next(correction(1, 1), post(1).data.post.post_id, 1) == (
        True,
        1,
    )
    before = {event.id for key in FLOW[SCORED].keys(has) for event in await entries(redis, SCORED, key)}
    assert len(before) == 60
    tail = Tail(redis, has)
    until = await eventually(lambda: _after(redis, tail))
    told = [item.event["id"] for item in (await tail.read(tail.until(OLDEST, (SCORED,)), until, 500)).items]

    done = await Resharding(redis, BusSettings())(to)
    assert (done.entries[INGESTED], done.dead) == (100, 10)
    assert done.waiting == 20 + 10 + 60 * 3 + 1 * 4  # the classifier's, scores for three groups, a correction for four

    monkeypatch.setenv("OMBUD_SHARDS", str(to))
    await check_shards(redis, to)
    names = [each.decode() for each in await redis.keys("*")]
    assert not [each for each in names if each.endswith(":new")]
    assert {each for each in names if each.startswith("posts.ingested")} >= set(FLOW[INGESTED].keys(to))
    for key in FLOW[INGESTED].keys(to):
        assert {key_for(event, to) for event in await entries(redis, INGESTED, key)} == {key}
    # the feed goes on where it was: the same events in the same places
    assert (await redis.get(SHARDS)) == (None if to == 1 else str(to).encode())
    again = [
        item.event["id"]
        for item in (await Tail(redis, to).read(Tail(redis, to).until(OLDEST, (SCORED,)), until, 500)).items
    ]
    assert sorted(again) == sorted(told)
    # the door still knows what it has seen, and which versions stand
    publisher = Publisher(redis, BusSettings())
    assert await publisher.publish_once(posts(100)) == [False] * 100
    assert await publisher.publish_next(correction(1, 1), post(1).data.post.post_id, 1) == (False, 1)
    other = correction(1, 1).model_copy(update={"id": correction(2, 1).id})
    assert (await publisher.publish_next(other, post(1).data.post.post_id, 1))[0] is None
    assert await redis.exists(version_key(post(1).data.post.post_id, shard_for(post(1), to), to))
    # what waited is handled, what was settled is not
    assert len(await letters(redis, INGESTED, GROUP, to)) == 10
    scorer = Scorer()
    async with running(broker.url, data, service(GROUP, {INGESTED: scorer})):
        await eventually(lambda: _all_heard(scorer, 20))
        assert await _delayed(redis, 10)
    assert sorted(ids(scorer.seen)) == sorted(ids(posts(20, start=80)))


async def _after(redis: Redis, tail: Tail) -> Any:
    now = await tail.now()
    newest = [await redis.xrevrange(key, count=1) for key in tail.until(now, (SCORED,))]
    return now if all(int(each[0][0].split(b"-")[0]) < now.ms for each in newest if each) else None


async def _all_heard(scorer: Scorer, count: int) -> bool:
    return len(scorer.seen) >= count


async def test_while_somebody_reads_nothing_is_changed(
    broker: Broker, redis: Redis, data: Path, publisher: Publisher
) -> None:
    await publisher.publish_many(posts(3))
    async with running(broker.url, data, service(GROUP, {})):
        with pytest.raises(StillRunning, match="stop every service"):
            await Resharding(redis, BusSettings())(4)
    assert await redis.get(SHARDS) is None
    assert await redis.xlen(INGESTED) == 3


class Unlucky(Redis):  # type: ignore[type-arg]
    """A client whose connection breaks at the n-th command that changes something."""

    breaks_at = 0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] in ("SET", "DEL", "RENAME", "XGROUP CREATE", "SADD", "ZADD", "XADD"):
            self.breaks_at -= 1
            if self.breaks_at == 0:
                raise Gone("broken")
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


async def test_a_change_that_is_interrupted_anywhere_ends_well_when_it_is_begun_again(
    broker: Broker, redis: Redis
) -> None:
    await ensure_groups(redis, groups())
    await Publisher(redis, BusSettings()).publish_once(posts(30))
    unlucky, to, turns = Unlucky.from_url(broker.url), 4, 0
    for step in (1, 2, 3, 20, 60, 100, 150, 200, 250, 300, 350, 400):
        unlucky.breaks_at = step
        try:
            await Resharding(unlucky, BusSettings())(to)
        except Gone:
            turns += 1
            with pytest.raises(RuntimeError, match="reshard"):
                await check_shards(redis, 7)
        await Resharding(redis, BusSettings())(to)
        found = [event.id for key in FLOW[INGESTED].keys(to) for event in await entries(redis, INGESTED, key)]
        assert sorted(found) == sorted(ids(posts(30))), step
        (state,) = [
            each
            for each in await sweep(redis, group_keys(to), gauges=False)
            if (each.stream, each.group) == (INGESTED, GROUP)
        ]
        assert state.backlog == 30
        to = {4: 2, 2: 4}[to]
    await unlucky.aclose()
    assert turns >= 8


def test_a_webhook_goes_on_where_it_was_with_another_number_of_shards() -> None:
    seen = {"posts.scored": "5-1", "models.trained": "9-0"}
    four = seen_of(seen, ("posts.scored",), 4)
    assert four == {f"posts.scored.{{{n}}}": "5-1" for n in range(4)}
    four["posts.scored.{2}"] = "3-0"
    assert seen_of(seen | four, ("posts.scored",), 4) == four
    assert seen_of(four, ("posts.scored",), 1) == {"posts.scored": "3-0"}
    assert seen_of({}, ("posts.scored",), 1) == {"posts.scored": "0-0"}
