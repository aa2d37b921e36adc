"""STK-04: a stop may cancel a read whose entries the server has handed out; they go back before the process ends."""

from typing import Any

from redis.asyncio import Redis

from shared.bus.envelope import reader
from shared.bus.keys import consumer_name, retry_key
from shared.bus.publisher import Publisher
from shared.bus.retry import Reclaimer
from shared.settings import BusSettings
from shared.streams import FLOW
from tests.support.kit import CLASSIFIER, INGESTED, ids, pending, posts


async def test_what_a_stopped_process_had_read_goes_back_without_an_attempt(redis: Redis, publisher: Publisher) -> None:
    await publisher.publish_many(posts(3))
    await redis.xadd(INGESTED, {"__data__": "no event"})
    await redis.xreadgroup("classifier", consumer_name("classifier"), {INGESTED: ">"})
    await publisher.publish_many(posts(1, start=3))
    await redis.xreadgroup("classifier", "somebody else", {INGESTED: ">"})
    read = reader(FLOW[INGESTED])
    reclaimer = Reclaimer(redis, {CLASSIFIER: read}, BusSettings(), "me")

    assert await reclaimer.give_back() == 4
    assert await pending(redis) == 1, "what somebody else has stays with them"
    again: Any = [read(fields) for _, fields in await redis.xrange(retry_key(*CLASSIFIER))]
    assert ids(again) == ids(posts(3))
    assert [event.attempt for event in again] == [0, 0, 0]
    assert await redis.xlen(f"{INGESTED}:dead:classifier") == 1
    assert await reclaimer.give_back() == 0
