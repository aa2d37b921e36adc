"""The same post again is the same post; a newer edit is scored again, an older one changes nothing."""

import asyncio
from collections import Counter
from itertools import groupby
from typing import Any

import httpx
from redis.asyncio import Redis

from services.auditor.status.live import Policy
from shared.events import PostScored
from shared.ids import post_id
from tests.support.doors import events, scored
from tests.support.inside import LocalInside
from tests.support.kit import settled
from tests.support.servers import eventually
from tests.support.shapes import Shared


def post(name: str, **fields: Any) -> dict[str, Any]:
    return {"platform": "test", "external_id": name, "text": "What a lovely day."} | fields


def inside(ombud: Shared) -> LocalInside:
    return LocalInside(ombud.data_dir, ombud.broker.url)


async def scores_said(redis: Redis, post_id: str) -> list[PostScored]:
    return [event.data for event in await events(redis, "posts.scored") if event.data.post.post_id == post_id]


async def test_the_same_post_twice_is_a_duplicate_with_one_score(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    answers = [await http.post("/v1/posts", json=post(name)) for _ in range(3)]
    answers.append(await http.post("/v1/posts", json=post(name, text="Another text under the same id.")))
    bodies = [each.json() for each in answers]
    assert [each["duplicate"] for each in bodies] == [False, True, True, True]
    assert {each["post_id"] for each in bodies} == {post_id("test", name)}
    assert len({each["event_id"] for each in bodies}) == 1
    kept = await scored(http, post_id("test", name))
    await eventually(lambda: settled(redis))
    assert kept["text"] == "What a lovely day."
    assert len(await scores_said(redis, kept["post_id"])) == 1
    assert Counter(post for post, _ in inside(ombud).scores())[kept["post_id"]] == 1


async def test_of_many_senders_at_once_one_is_first(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    before = await redis.xlen("posts.ingested")
    answers = await asyncio.gather(*(http.post("/v1/posts", json=post(name)) for _ in range(20)))
    assert sorted(each.json()["duplicate"] for each in answers) == [False] + [True] * 19
    assert await redis.xlen("posts.ingested") == before + 1


async def test_a_newer_edit_is_scored_again_and_an_older_one_is_ignored(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    texts = {
        None: "What a lovely day.",
        "2026-03-01T12:00:00+01:00": "You are an idiot and everybody hates you.",
        "2026-03-01T10:59:59Z": "This edit was made one second before the other.",
        "2026-03-02T00:00:00Z": "What a lovely evening.",
    }
    id_ = post_id("test", name)

    async def send(edited_at: str | None) -> None:
        answer = await http.post("/v1/posts", json=post(name, text=texts[edited_at], edited_at=edited_at))
        assert answer.json()["duplicate"] is False
        await eventually(lambda: settled(redis))

    await send(None)
    await scored(http, id_, 0)
    await send("2026-03-01T12:00:00+01:00")
    second = await scored(http, id_, 1_772_362_800_000)
    await send("2026-03-01T10:59:59Z")
    assert (await scored(http, id_))["text"] == second["text"]
    await send("2026-03-02T00:00:00Z")
    last = await scored(http, id_, 1_772_409_600_000)
    assert last["text"] == "What a lovely evening."
    said = await scores_said(redis, id_)
    assert [each.post.text for each in said] == [
        text for edited_at, text in texts.items() if edited_at != "2026-03-01T10:59:59Z"
    ]
    status = (await http.get(f"/v1/posts/{id_}/status")).json()
    stood = [Policy().status_of(each.overall, each.flagged) for each in said]
    assert [step["status"] for step in status["history"]] == [each for each, _ in groupby(stood)]


async def test_an_edit_in_the_same_request_as_its_post_wins(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    edited = post(name, text="The edit.", edited_at="2026-03-01T00:00:00Z")
    answer = await http.post("/v1/posts", json=[edited, post(name), edited])
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 1)
    await eventually(lambda: settled(redis))
    assert (await scored(http, post_id("test", name), 1_772_323_200_000))["text"] == "The edit."


async def test_a_post_that_comes_again_after_its_deletion_brings_no_text_back(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    word = f"w{name}"
    id_ = (await http.post("/v1/posts", json=post(name, text=f"Here is {word}."))).json()["post_id"]
    await scored(http, id_)
    assert (await http.delete(f"/v1/posts/{id_}")).status_code == 202

    async def erased() -> bool:
        return (await http.get(f"/v1/posts/{id_}")).json()["text"] is None

    await eventually(erased)
    again = post(name, text=f"Here is {word} again.", edited_at="2026-03-01T00:00:00Z")
    assert (await http.post("/v1/posts", json=again)).status_code == 202
    await eventually(lambda: settled(redis))
    await asyncio.sleep(0.5)
    assert await erased()
    assert [place for place in inside(ombud).places_of(word) if "sqlite3" in place] == []


async def test_platforms_do_not_share_ids(http: httpx.AsyncClient, name: str) -> None:
    one = (await http.post("/v1/posts", json=post(name))).json()
    two = (await http.post("/v1/posts", json=post(name, platform="other"))).json()
    assert one["post_id"] != two["post_id"]
    assert (one["duplicate"], two["duplicate"]) == (False, False)
