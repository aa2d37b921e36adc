"""Five services on a Redis Cluster of three nodes: posts pass every shard, a killed classifier loses nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.keys import holders_key
from shared.bus.letters import letters
from shared.bus.metrics import sweep
from shared.bus.publisher import connect
from shared.bus.shards import group_keys
from shared.ids import post_id
from shared.streams import FLOW, shard_key, shard_of
from tests.support.inside import query
from tests.support.installed import install
from tests.support.kit import entries
from tests.support.ombud import Processes
from tests.support.servers import BrokerCluster, eventually

N, POSTS = 4, 240
NAMES = ("ingest", "classifier", "classifier@2", "trainer", "auditor", "reporter")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[BrokerCluster]:
    three = BrokerCluster(tmp_path / "cluster")
    yield three.start()
    three.stop()


def posts(begin: int, end: int) -> list[dict[str, Any]]:
    return [
        {"platform": "cluster", "external_id": f"p{n}", "text": f"Post number {n} says hello.", "author": f"a {n % 5}"}
        for n in range(begin, end)
    ]


async def at_rest(redis: Redis) -> bool:
    states = await sweep(redis, group_keys(N), gauges=False)
    assert not {(each.stream, each.group): each.backlog for each in states if each.backlog}
    return True


async def said(redis: Redis, stream: str) -> list[Any]:
    return [event for key in FLOW[stream].keys(N) for event in await entries(redis, stream, key)]


async def test_the_whole_way_over_three_nodes_with_a_classifier_killed_on_it(
    tmp_path: Path, cluster: BrokerCluster
) -> None:
    redis = connect(cluster.url)
    await asyncio.to_thread(install, tmp_path)  # tables of an Ombud that has run once; its broker stays behind
    processes = Processes(tmp_path / "data", cluster.url, shards=N, bus_lease_s=3, bus_reclaim_idle_s=3)
    processes.start(*NAMES)
    try:
        await processes.ready(*NAMES)
        async with processes.client("ingest") as ingest, processes.client("reporter") as reporter:
            await eventually(lambda: _shared_by(redis, 2), 30)
            await _send(ingest, 0, POSTS // 2)
            processes.kill("classifier@2")
            await _send(ingest, POSTS // 2, POSTS)
            await eventually(lambda: at_rest(redis), 90)
            corrected = post_id("cluster", "p1")
            body = {"post_id": corrected, "verdict": "incorrect", "expected_categories": ["insult"]}
            (await ingest.post("/v1/feedback", json=body)).raise_for_status()
            rating = {"post_id": post_id("cluster", "p2"), "rating": 3}
            (await ingest.post("/v1/ratings", json=rating)).raise_for_status()
            (await ingest.delete(f"/v1/posts/{post_id('cluster', 'p3')}")).raise_for_status()
            erased = {"platform": "cluster", "author": "a 4"}
            (await ingest.post("/v1/erasures", json=erased)).raise_for_status()
            await eventually(lambda: at_rest(redis), 60)
            answer = await reporter.get("/v1/events", params={"cursor": "oldest", "limit": 1000})
            assert answer.status_code == 200, answer.text
        assert await letters(redis, None, None, N) == []
        used = {key for key in FLOW["posts.scored"].keys(N) if await redis.xlen(key)}
        assert used == {shard_key("posts.scored", shard, N) for shard in range(N)}
        for stream in ("posts.scored", "posts.status_changed"):
            counts = Counter(event.id for event in await said(redis, stream))
            assert {name: count for name, count in counts.items() if count > 1} == {}, stream
        first = await entries(redis, "posts.scored", "posts.scored.{0}")
        assert {shard_of(event.subject, N) for event in first} == {0}
        file = tmp_path / "data" / "reporter.sqlite3"
        known = query(file, "SELECT post_id, overall, status, text FROM reporter_posts")
        assert len(known) == POSTS
        assert all(overall is not None and status for _, overall, status, _ in known)
        gone = {post_id("cluster", f"p{n}") for n in range(POSTS) if n == 3 or n % 5 == 4}
        assert {name for name, _, _, text in known if text is None} == gone
        (rated,) = query(tmp_path / "data" / "trainer.sqlite3", "SELECT count(*) FROM trainer_rating_log")
        assert rated == (1,)
        assert {each["stream"] for each in answer.json()["events"]} >= {
            "posts.scored",
            "posts.corrected",
            "posts.deleted",
        }
    finally:
        processes.terminate()
        await redis.aclose()


async def _send(ingest: httpx.AsyncClient, begin: int, end: int) -> None:
    for start in range(begin, end, 20):
        (await ingest.post("/v1/posts", json=posts(start, min(end, start + 20)))).raise_for_status()


async def _shared_by(redis: Redis, count: int) -> bool:
    held: Any = await redis.hgetall(holders_key("classifier"))  # type: ignore[misc]
    return len(held) == N and len(set(held.values())) == count
