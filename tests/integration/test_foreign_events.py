"""A CloudEvent that a stranger writes with redis-cli is scored if valid, and a dead letter with a reason if not."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.keys import dead_key
from tests.support.doors import MARKER, scored
from tests.support.kit import settled
from tests.support.servers import eventually

STREAM, DEAD = "posts.ingested", dead_key("posts.ingested", "classifier")


def event(name: str, **changes: Any) -> dict[str, Any]:
    """Return the least a stranger has to write."""
    post = {"post_id": name, "platform": "stranger", "external_id": name, "text": f"Hello from outside {MARKER}"}
    return {
        "specversion": "1.0",
        "id": f"event-{name}",
        "source": "//stranger.example/feed",
        "type": "ombud.PostIngested.v1",
        "data": {"post": post},
    } | changes


async def xadd(redis: Redis, *fields: str | bytes) -> str:
    """Append an entry as redis-cli would."""
    return str((await redis.execute_command("XADD", STREAM, "*", *fields)).decode())


async def letter_of(redis: Redis, entry: str) -> dict[bytes, bytes]:
    """Wait for the dead letter of an entry."""

    async def found() -> Any:
        letters = await redis.xrange(DEAD)
        return next((fields for _, fields in letters if fields[b"entry"] == entry.encode()), None)

    return dict(await eventually(found))


async def test_the_least_valid_event_is_scored(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    await xadd(redis, "__data__", json.dumps(event(name)))
    post = await scored(http, name)
    assert (post["platform"], post["text"]) == ("stranger", f"Hello from outside {MARKER}")
    assert (await http.get(f"/v1/posts/{name}/status")).json()["sequence"] == 1


async def test_what_the_envelope_and_the_post_say_beyond_that_does_no_harm(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    rich = event(
        name,
        time="2026-01-01T00:00:00Z",
        subject="whatever",
        datacontenttype="application/json",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        correlationid="their-own",
        comexampleextension=5,
    )
    rich["data"]["post"]["karma"] = 12
    rich["data"]["later"] = {"field": True}
    before = await redis.xlen("posts.scored")
    await xadd(redis, "__data__", json.dumps(rich, indent=2), "note", "another field")
    await scored(http, name)
    (said,) = [json.loads(fields[b"__data__"]) for _, fields in (await redis.xrange("posts.scored"))[before:]]
    assert said["correlationid"] == "their-own"
    assert said["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in event("bad").items() if name != key}


INVALID = {
    "no JSON": ("zwunderquast {", "json_invalid"),
    "an empty field": ("", "json_invalid"),
    "no object": ("[1, 2]", "model_type"),
    "another specversion": (json.dumps(event("bad", specversion="0.3")), "specversion"),
    "no id": (json.dumps(without("id")), "id: missing"),
    "an empty id": (json.dumps(event("bad", id="")), "id: string_too_short"),
    "no source": (json.dumps(without("source")), "source: missing"),
    "no type": (json.dumps(without("type")), "type: missing"),
    "another type": (json.dumps(event("bad", type="ombud.PostIngested.v9")), "type is not ombud.PostIngested.v1"),
    "a time without a zone": (json.dumps(event("bad", time="2026-01-01T00:00:00")), "time: timezone_aware"),
    "no data": (json.dumps(without("data")), "data: missing"),
    "a post without text": (
        json.dumps(event("bad", data={"post": {"post_id": "b", "platform": "b", "external_id": "b"}})),
        "data.post.text: missing",
    ),
    "over a mebibyte": (json.dumps(event("bad", note="x" * 1_048_576)), "larger than one MiB"),
}


@pytest.mark.parametrize("kind", INVALID)
async def test_an_invalid_event_is_a_dead_letter_with_a_reason_and_harms_no_neighbour(
    kind: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    raw, reason = INVALID[kind]
    await xadd(redis, "__data__", json.dumps(event(f"{name}-before")))
    entry = await xadd(redis, "__data__", raw)
    await xadd(redis, "__data__", json.dumps(event(f"{name}-after")))
    letter = await letter_of(redis, entry)
    assert reason in letter[b"reason"].decode()
    assert MARKER.encode() not in letter[b"reason"]
    assert (letter[b"__data__"].decode(), letter[b"error"]) == (raw, b"Malformed")
    for neighbour in ("before", "after"):
        await scored(http, f"{name}-{neighbour}")
    await eventually(lambda: settled(redis))


async def test_bytes_that_are_no_text_and_entries_without_our_field_are_dead_letters_too(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    bytes_ = await xadd(redis, "__data__", b"\xff\xfe\x00")
    stranger = await xadd(redis, "data", json.dumps(event(name)), "\udcff".encode("utf-8", "surrogateescape"), "x")
    assert (await letter_of(redis, bytes_))[b"reason"].startswith(b"ValidationError")
    assert (await letter_of(redis, stranger))[b"reason"] == b"no field __data__"
    await eventually(lambda: settled(redis))


async def test_a_correction_of_a_stranger_counts_like_any_other(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    await xadd(redis, "__data__", json.dumps(event(name)))
    await scored(http, name)
    data = {
        "correction_id": f"c-{name}",
        "post_id": name,
        "verdict": "incorrect",
        "expected_categories": ["insult"],
        "corrected_at": "2030-01-01T00:00:00Z",
    }
    correction = event(name, type="ombud.PostCorrected.v1", data=data)
    await redis.execute_command("XADD", "posts.corrected", "*", "__data__", json.dumps(correction))

    async def flagged() -> bool:
        return (await http.get(f"/v1/posts/{name}/status")).json()["rule"] == "reviewer"

    await eventually(flagged)
