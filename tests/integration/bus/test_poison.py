"""STK-05: an event that cannot be handled ends as a dead letter after the attempt limit, and hurts nobody else."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus.commit import Again, Committer, Dead, Done, Outcome, backoff_s
from shared.bus.keys import delay_key
from shared.bus.publisher import Publisher
from shared.clock import millis
from shared.events import Event, PostIngested
from shared.settings import BusSettings
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    Scorer,
    counted,
    delayed,
    entries,
    ids,
    letters,
    post,
    posts,
    running,
    said_ids,
    score,
    service,
    settled,
)
from tests.support.servers import Broker, eventually

POISON = {post(3).id, post(17).id}


async def poisoned(events: list[Event[PostIngested]]) -> None:
    if any(event.id in POISON for event in events):
        raise ZeroDivisionError("the text of the post, which no letter may quote")


async def test_poison_is_tried_exactly_as_often_as_allowed_and_its_neighbours_are_said_once(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    died = counted("dead_events")
    scorer = Scorer(poisoned)
    await publisher.publish_many(posts(20))
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: settled(redis))
    alone = Counter(batch[0].id for batch in scorer.batches if len(batch) == 1)
    assert {name: alone[name] for name in POISON} == dict.fromkeys(POISON, 5)
    attempts = [event.attempt for event in scorer.seen if event.id == post(3).id]
    assert sorted(set(attempts)) == [0, 1, 2, 3, 4]
    expected = [score(event).id for event in posts(20) if event.id not in POISON]
    assert sorted(await said_ids(redis)) == sorted(expected)
    assert {event.attempt for event in await entries(redis, "posts.scored")} == {0}
    assert counted("dead_events") == died + 2


async def test_a_dead_letter_has_the_event_the_reason_and_the_class_of_the_error(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    await publisher.publish_many(posts(20))
    async with running(broker.url, data, service("classifier", {INGESTED: Scorer(poisoned)})):
        found = await eventually(lambda: _two_letters(redis))
    assert {letter["event"]["id"] for letter in found} == POISON
    for letter in found:
        assert letter["error"] == "ZeroDivisionError"
        assert letter["reason"].startswith("ZeroDivisionError at test_poison.py:")
        assert "no letter may quote" not in str(letter)
        assert letter["event"]["attempt"] == 5
        assert letter["event"]["data"]["post"]["text"] == "a post"
        assert letter["entry"]


async def _two_letters(redis: Redis) -> list[dict[str, object]]:
    found = await letters(redis)
    return found if len(found) == 2 else []


async def test_a_handler_may_decide_per_event(broker: Broker, redis: Redis, publisher: Publisher, data: Path) -> None:
    tries: Counter[str] = Counter()

    async def decide(events: list[Event[PostIngested]]) -> list[Outcome]:
        tries.update(ids(events))
        hopeless, flaky = post(1).id, post(2).id
        return [
            Dead("we do not want it") if event.id == hopeless
            else Again("not now", "Flaky") if event.id == flaky and event.attempt < 2
            else Done([score(event)])
            for event in events
        ]  # fmt: skip

    await publisher.publish_many(posts(4))
    async with running(broker.url, data, service("classifier", {INGESTED: decide})):
        await eventually(lambda: settled(redis))
    assert tries == {post(0).id: 1, post(1).id: 1, post(2).id: 3, post(3).id: 1}
    assert sorted(await said_ids(redis)) == sorted(score(post(n)).id for n in (0, 2, 3))
    (letter,) = await letters(redis)
    assert (letter["reason"], letter["error"], letter["event"]["attempt"]) == ("we do not want it", "Dead", 1)


async def test_a_handler_that_forgets_an_outcome_loses_nothing(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    async def forgets(events: list[Event[PostIngested]]) -> list[Outcome]:
        return [Done([score(event)]) for event in events if event.id != post(1).id]

    await publisher.publish_many(posts(4))
    async with running(broker.url, data, service("classifier", {INGESTED: forgets})):
        await eventually(lambda: settled(redis))
    assert sorted(await said_ids(redis)) == sorted(score(post(n)).id for n in (0, 2, 3))
    assert [letter["event"]["id"] for letter in await letters(redis)] == [post(1).id]


async def test_another_group_sees_nothing_of_a_retry(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    tries: dict[str, list[str]] = {"trainer": [], "auditor": []}

    async def trainer(events: list[Event[PostIngested]]) -> list[Outcome]:
        tries["trainer"] += ids(events)
        return [Again("not now") if event.attempt < 2 else Done() for event in events]

    async def auditor(events: list[Event[PostIngested]]) -> list[Outcome]:
        tries["auditor"] += ids(events)
        return [Done()] * len(events)

    await publisher.publish_many([score(event) for event in posts(3)])
    both = [service("trainer", {"posts.scored": trainer}), service("auditor", {"posts.scored": auditor})]
    async with running(broker.url, data, *both):
        await eventually(lambda: settled(redis, ("posts.scored", "trainer")))
        await eventually(lambda: settled(redis, ("posts.scored", "auditor")))
    assert (len(tries["trainer"]), len(tries["auditor"])) == (9, 3)


async def test_retries_are_read_one_at_a_time(broker: Broker, redis: Redis, publisher: Publisher, data: Path) -> None:
    sizes: list[tuple[int, int]] = []

    async def first_fails(events: list[Event[PostIngested]]) -> list[Outcome]:
        sizes.append((events[0].attempt, len(events)))
        return [Again("not now") if event.attempt == 0 else Done() for event in events]

    await publisher.publish_many(posts(30), atomic=True)
    async with running(broker.url, data, service("classifier", {INGESTED: first_fails})):
        await eventually(lambda: settled(redis))
    assert [size for attempt, size in sizes if attempt == 1] == [1] * 30
    assert max(size for attempt, size in sizes if attempt == 0) > 1


async def test_the_pause_before_each_attempt_is_four_times_the_one_before_up_to_the_limit(
    redis: Redis, publisher: Publisher, bus: Callable[..., BusSettings]
) -> None:
    settings = bus(backoff_base_s=2, backoff_limit_s=20, attempts=10)
    event, pauses = post(0), []
    for _ in range(4):
        await publisher.publish_many([event])
        ((_, ((entry, _),)),) = await redis.xreadgroup("classifier", "me", {INGESTED: ">"})
        before = millis()
        await Committer(redis, settings).settle(
            INGESTED, "classifier", [(entry, event, Again("not now"))], origin=INGESTED
        )
        ((raw, due),) = await redis.zpopmin(delay_key(*CLASSIFIER))
        pauses.append((due - before) / 1000)
        event = Event[PostIngested].model_validate_json(raw)
    for pause, centre in zip(pauses, (2, 8, 20, 20), strict=True):
        assert 0.8 * centre <= pause <= 1.2 * centre + 0.1
    assert event.attempt == 4


@pytest.mark.parametrize(("attempt", "expected"), [(1, 2.0), (2, 8.0), (3, 32.0), (4, 128.0), (5, 512.0), (9, 900.0)])
def test_backoff_is_two_seconds_four_times_more_each_time_and_never_over_fifteen_minutes(
    attempt: int, expected: float
) -> None:
    assert backoff_s(attempt, 2.0, 900.0, 0.5) == pytest.approx(expected)
    assert backoff_s(attempt, 2.0, 900.0, 0.0) == pytest.approx(0.8 * expected)


async def test_nothing_is_tried_again_before_it_is_due(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path, bus: Callable[..., BusSettings]
) -> None:
    bus(backoff_base_s=30)
    scorer = Scorer(poisoned)
    await publisher.publish_many([post(3)])
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: delayed(redis))
        await asyncio.sleep(0.3)
    assert len(scorer.seen) == 1
    assert len(await delayed(redis)) == 1
