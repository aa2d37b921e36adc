"""Nobody speaks over a word they have not seen: versions of what was said about a post."""

import asyncio
from uuid import uuid4

import httpx
from redis.asyncio import Redis

from tests.support.doors import events, problem


async def said(redis: Redis, post_id: str) -> list[tuple[str, int | None]]:
    found = [each.data for each in await events(redis, "posts.corrected")]
    return [(each.verdict.value, each.version) for each in found if each.post_id == post_id]


async def test_a_word_on_an_old_version_is_refused_and_changes_nothing(http: httpx.AsyncClient, redis: Redis) -> None:
    post = str(uuid4())
    first = await http.post("/v1/feedback", json={"post_id": post, "verdict": "correct", "seen_version": 0})
    assert (first.status_code, first.json()["version"]) == (202, 1)
    late = await http.post("/v1/feedback", json={"post_id": post, "verdict": "incorrect", "seen_version": 0})
    assert problem(late, 409, "stale_version", "seen_version")["version"] == 1
    back = {"post_id": post, "verdict": "correct", "retracts": first.json()["id"], "seen_version": 1}
    assert (await http.post("/v1/feedback", json=back)).json()["version"] == 2
    assert await said(redis, post) == [("correct", 1), ("correct", 2)]


async def test_of_many_at_once_who_saw_the_same_one_is_heard(http: httpx.AsyncClient, redis: Redis) -> None:
    post = str(uuid4())
    words = [
        {"post_id": post, "verdict": "incorrect", "seen_version": 0, "batch_id": f"reviewer {n}"} for n in range(12)
    ]
    answers = await asyncio.gather(*(http.post("/v1/feedback", json=each) for each in words))
    assert sorted(each.status_code for each in answers) == [202] + [409] * 11
    assert await said(redis, post) == [("incorrect", 1)]


async def test_who_does_not_say_what_they_saw_is_next_in_any_case(http: httpx.AsyncClient, redis: Redis) -> None:
    post = str(uuid4())
    words = [{"post_id": post, "verdict": "unsure", "batch_id": str(n)} for n in range(8)]
    answers = await asyncio.gather(*(http.post("/v1/feedback", json=each) for each in words))
    assert {each.status_code for each in answers} == {202}
    assert sorted(each.json()["version"] for each in answers) == list(range(1, 9))
    assert await said(redis, post) == [("unsure", n) for n in range(1, 9)]


async def test_the_same_word_again_is_a_duplicate_and_no_conflict(http: httpx.AsyncClient, redis: Redis) -> None:
    post, at = str(uuid4()), "2026-03-01T11:00:00Z"
    word = {"post_id": post, "verdict": "correct", "seen_version": 0, "timestamp": at}
    first, again = [await http.post("/v1/feedback", json=word) for _ in range(2)]
    assert [first.json()["duplicate"], again.json()["duplicate"]] == [False, True]
    assert first.json()["id"] == again.json()["id"]
    assert await said(redis, post) == [("correct", 1)]


async def test_who_saw_more_than_the_broker_remembers_is_believed(http: httpx.AsyncClient, redis: Redis) -> None:
    post = str(uuid4())
    answer = await http.post("/v1/feedback", json={"post_id": post, "verdict": "correct", "seen_version": 6})
    assert answer.json()["version"] == 7


async def test_a_hold_is_said_with_the_word(http: httpx.AsyncClient, redis: Redis) -> None:
    post = str(uuid4())
    await http.post("/v1/feedback", json={"post_id": post, "verdict": "correct", "hold_s": 30})
    (heard,) = [each.data for each in await events(redis, "posts.corrected") if each.data.post_id == post]
    assert heard.hold_until is not None
    assert (heard.hold_until - heard.corrected_at).total_seconds() == 30
