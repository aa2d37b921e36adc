"""Nobody speaks over a word they have not seen: versions of what was said about a post."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
from redis.asyncio import Redis

from services.ingest.door import Door, spoken
from services.ingest.feedback import FeedbackIn, corrected
from services.ingest.settings import IngestSettings
from shared.events import Event, PostCorrected
from shared.runtime import Platform
from shared.settings import Settings
from tests.support.doors import events, problem
from tests.support.servers import Broker


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


async def test_the_first_word_on_a_post_is_one_step_of_the_broker_and_each_later_one_two(tmp_path: Path) -> None:
    broker = Broker(tmp_path).start()
    platform = Platform(Settings(data_dir=tmp_path), broker.url)
    door, now = Door(platform, IngestSettings(), lambda: "salt"), datetime(2026, 3, 1, tzinfo=UTC)

    def word(name: str) -> Callable[[int], Event[PostCorrected]]:
        heard = FeedbackIn(post_id="p1")
        return lambda version: spoken(
            corrected(heard, correction_id=name, reviewer="r", now=now, version=version), name
        )

    async def asked() -> int:
        stats = await platform.redis.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "fcall"))

    try:
        steps, answers = [], []
        await door.speak(word("warm"), "another post", None)
        for name in ("first", "first", "second", "third"):
            before = await asked()
            answers.append(await door.speak(word(name), "p1", None))
            steps.append(await asked() - before)
        assert answers == [(True, 1), (False, 1), (True, 2), (True, 3)]
        assert steps == [1, 1, 2, 2]
        stats = await platform.redis.info("commandstats")
        assert stats["cmdstat_get"]["calls"] == sum(steps) + 1, "only the script itself looks for the version"
    finally:
        await platform.redis.aclose()
        broker.stop()
