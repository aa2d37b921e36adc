"""STK-07: whatever somebody writes to a stream of ours, it is handled or becomes a dead letter with a reason."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from shared.bus.envelope import MAX_EVENT_BYTES
from shared.bus.keys import retry_key
from shared.bus.publisher import Publisher
from shared.events import Event, PostIngested
from tests.support.kit import (
    CLASSIFIER,
    INGESTED,
    Scorer,
    entries,
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

MINIMAL = {"specversion": "1.0", "id": "42", "source": "somebody", "type": "ombud.PostIngested.v1"}
POST = {"post": {"post_id": "p", "platform": "x", "external_id": "1", "text": "hello"}}


def envelope(**changes: Any) -> bytes:
    return orjson.dumps(MINIMAL | {"data": POST} | changes)


BAD: dict[str, tuple[dict[Any, Any], str]] = {
    "no JSON": ({"__data__": b"{not json"}, "ValidationError: event: json_invalid"),
    "not UTF-8": ({"__data__": b'{"id": "\xff\xfe"}'}, "ValidationError: event: json_invalid"),
    "FastStream's binary format": ({"__data__": b"\x89BIN\r\n\x1a\n\x00\x01\x00\x00"}, "ValidationError: event"),
    "a JSON list": ({"__data__": b"[]"}, "ValidationError: event"),
    "another type": ({"__data__": score(post(0)).wire()}, "type is not ombud.PostIngested.v1"),
    "an unknown version": ({"__data__": envelope(type="ombud.PostIngested.v2")}, "type is not ombud.PostIngested.v1"),
    "CloudEvents 0.3": ({"__data__": envelope(specversion="0.3")}, "ValidationError: specversion"),
    "no id": ({"__data__": envelope(id="")}, "ValidationError: id"),
    "no data": ({"__data__": orjson.dumps(MINIMAL)}, "ValidationError: data"),
    "a field is missing": ({"__data__": envelope(data={"post": {"post_id": "p"}})}, "ValidationError: data.post"),
    "a time without a zone": ({"__data__": envelope(time="2026-01-01T00:00:00")}, "ValidationError: time"),
    "no field __data__": ({"data": "x", "headers": "y"}, "no field __data__"),
    "names that are not UTF-8": ({b"\xff": b"\xfe"}, "no field __data__"),
    "empty": ({"__data__": b""}, "ValidationError: event: json_invalid"),
    "nested without end": ({"__data__": b"[" * 100_000}, "ValidationError: event"),
    "too large": ({"__data__": envelope(pad="x" * MAX_EVENT_BYTES)}, "larger than one MiB"),
}


async def test_every_bad_entry_becomes_a_dead_letter_with_its_reason_and_good_ones_between_are_handled(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    for n, (fields, _) in enumerate(BAD.values()):
        await redis.xadd(INGESTED, fields)
        await publisher.publish_many([post(n)])
    async with running(broker.url, data, service("classifier", {INGESTED: Scorer()})):
        await eventually(lambda: settled(redis))
    found = await letters(redis)
    assert len(found) == len(BAD)
    for letter, (name, (_, reason)) in zip(found, BAD.items(), strict=True):
        assert letter["reason"].startswith(reason), name
        assert letter["error"] == "Malformed"
        assert letter["entry"]
    assert sorted(await said_ids(redis)) == sorted(score(event).id for event in posts(len(BAD)))


async def test_a_letter_keeps_the_bytes_as_they_came(
    broker: Broker, redis: Redis, publisher: Publisher, data: Path
) -> None:
    raw = b'{"id": "\xff\xfe"}'
    await redis.xadd(INGESTED, {"__data__": raw})
    await redis.xadd(INGESTED, {"a": "b"})
    async with running(broker.url, data, service("classifier", {})):
        await eventually(lambda: settled(redis))
    ((_, first), (_, second)) = await redis.xrange(f"{INGESTED}:dead:classifier")
    assert first[b"__data__"] == raw
    assert orjson.loads(second[b"__data__"]) == {"a": "b"}


async def test_a_malformed_entry_is_not_tried_again(broker: Broker, redis: Redis, data: Path) -> None:
    await redis.xadd(INGESTED, {"__data__": b"{"})
    await redis.xadd(retry_key(*CLASSIFIER), {"__data__": b"["})
    async with running(broker.url, data, service("classifier", {})):
        await eventually(lambda: settled(redis))
    assert sorted(letter["event"] for letter in await letters(redis)) == ["[", "{"]
    assert (await redis.xinfo_stream(retry_key(*CLASSIFIER)))["entries-added"] == 1


@pytest.mark.parametrize(
    "extra",
    [{}, {"time": None}, {"subject": "p", "unknownextension": "kept"}, {"dataschema": "https://example.org/schema"}],
    ids=["minimal", "null time", "an extension", "a schema"],
)
async def test_a_cloudevent_of_any_client_is_handled_with_minimal_attributes(
    extra: dict[str, Any], broker: Broker, redis: Redis, data: Path
) -> None:
    await redis.xadd(INGESTED, {"__data__": envelope(**extra)})
    scorer = Scorer()
    async with running(broker.url, data, service("classifier", {INGESTED: scorer})):
        await eventually(lambda: settled(redis))
    (event,) = scorer.seen
    assert (event.id, event.data.post.text, event.time, event.correlationid) == ("42", "hello", None, None)
    assert await letters(redis) == []
    (said,) = await entries(redis, "posts.scored")
    assert said.correlationid == "42"


async def test_unknown_attributes_and_fields_survive_a_retry_and_newer_data_is_read(
    broker: Broker, redis: Redis, data: Path
) -> None:
    newer = {"post": POST["post"] | {"mood": "new field"}}
    await redis.xadd(INGESTED, {"__data__": envelope(data=newer, myextension="7", partitionkey="k")})

    async def always(events: list[Event[PostIngested]]) -> None:
        raise LookupError

    async with running(broker.url, data, service("classifier", {INGESTED: Scorer(always)})):
        (letter,) = await eventually(lambda: letters(redis))
    assert (letter["event"]["myextension"], letter["event"]["partitionkey"]) == ("7", "k")
