"""The kit on a Redis Cluster of three nodes: shards lie on all of them, a commit in one slot."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.reporter.feed import OLDEST
from services.reporter.tail import Tail
from shared.bus.cluster import cluster_nodes, is_cluster, is_cluster_url, on_primaries, primaries
from shared.bus.commit import Again, Committer, Dead, Done, Outcome
from shared.bus.groups import WrongShards, check_shards, ensure_groups
from shared.bus.janitor import Janitor
from shared.bus.keys import BROKER, ERASURES, SCRUBS
from shared.bus.letters import letters, redrive
from shared.bus.metrics import sweep
from shared.bus.publisher import Publisher, connect
from shared.bus.resharding import Resharding
from shared.bus.rewriting import Rewriter
from shared.bus.shards import group_keys, key_for, shard_for
from shared.clock import utcnow
from shared.events import Event, PostDeleted, said
from shared.settings import BusSettings
from shared.streams import FLOW, shard_key
from tests.support.kit import INGESTED, SCORED, Scorer, entries, ids, post, posts, running, score, service
from tests.support.servers import BrokerCluster, eventually

N = 4
GROUP = "classifier"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerCluster]:
    cluster = BrokerCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMBUD_SHARDS", str(N))
    monkeypatch.setenv("OMBUD_BUS_LEASE_S", "1.5")


@pytest.fixture
async def redis(three: BrokerCluster) -> AsyncIterator[Redis]:
    client = connect(three.url)
    await on_primaries(client, "FLUSHALL")
    yield client
    await client.aclose()


async def at_rest(redis: Redis, *groups: str) -> bool:
    states = await sweep(redis, group_keys(N), gauges=False)
    return not any(state.backlog for state in states if state.group in groups)


async def said_of(redis: Redis, stream: str) -> list[Event[Any]]:
    return [event for key in FLOW[stream].keys(N) for event in await entries(redis, stream, key)]


def test_an_address_of_a_cluster_names_some_of_its_nodes() -> None:
    assert is_cluster_url("redis+cluster://one:7000,two")
    assert is_cluster_url("rediss+cluster://one")
    assert not is_cluster_url("redis://one:7000/0")
    assert cluster_nodes("rediss+cluster://me:a%40b@one:7000,two") == ("rediss://me:a%40b@one:7000", [("two", 6379)])


async def test_a_cluster_wants_shards_and_its_nodes_share_them(redis: Redis) -> None:
    assert is_cluster(redis)
    assert len(await primaries(redis)) == 3
    with pytest.raises(WrongShards, match="2 or more"):
        await check_shards(redis, 1)
    await check_shards(redis, N)
    cluster: Any = redis
    assert len({cluster.get_node_from_key(shard_key(SCORED, shard, N)).port for shard in range(N)}) == 3


async def test_posts_go_through_every_node_once_with_retries_dead_letters_and_the_feed(
    three: BrokerCluster, redis: Redis, data: Path
) -> None:
    publisher, heard = Publisher(redis, BusSettings()), list[str]()

    async def handle(events: list[Event[Any]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for event in events:
            if event.id == post(7).id and event.correlationid != "redriven":
                outcomes.append(Dead("hopeless") if not heard.count("redriven") else Done([score(event)]))
            else:
                outcomes.append(Again("once more") if event.attempt == 0 else Done([score(event)]))
        return outcomes

    async def listen(events: list[Event[Any]]) -> list[Outcome]:
        heard.extend(ids(events))
        return [Done()] * len(events)

    assert await publisher.publish_once(posts(60)) == [True] * 60
    assert await publisher.publish_once(posts(60)) == [False] * 60
    await publisher.publish_many(posts(20, start=60), atomic=True)
    await publisher.publish_many(posts(20, start=80))
    builds = service(GROUP, {INGESTED: handle}), service("reporter", {SCORED: listen})
    async with running(three.url, data, *builds) as process:
        await eventually(lambda: at_rest(redis, GROUP, "reporter"))
        dead = await letters(redis, None, None, N)
        assert [each.content["event"]["id"] for each in dead] == [post(7).id]
        heard.append("redriven")
        assert await redrive(redis, dead) == 1
        await eventually(lambda: _count(redis, 100))
        await eventually(lambda: at_rest(redis, GROUP, "reporter"))
        assert (await process.get("/readyz")).status_code == 200
        assert (await process.get("/livez")).status_code == 200
        heard.remove("redriven")
    assert sorted(heard) == sorted(score(event).id for event in posts(100))
    tail = Tail(redis, N)
    await tail.wait(tail.until(OLDEST, (INGESTED, SCORED)), 1000)
    read = await tail.read(tail.until(OLDEST, (INGESTED, SCORED)), await tail.now(), 500)
    assert len(read.items) == 200  # all of it was said before this millisecond of the slowest clock
    positions = [each.position for each in read.items]
    assert positions == sorted(set(positions))


async def _count(redis: Redis, count: int) -> bool:
    return len(await said_of(redis, SCORED)) == count


async def test_what_is_said_of_a_post_of_another_shard_is_said_once_however_often_the_commit_breaks(
    redis: Redis,
) -> None:
    """A correction of one post says other posts again; those may lie on another node than the correction."""
    await ensure_groups(redis, group_keys(N))
    settings = BusSettings()
    cause = post(0)
    others = [score(event) for event in posts(40)]
    elsewhere = [event for event in others if shard_for(event, N) != shard_for(cause, N)]
    assert 20 < len(elsewhere) < 40
    await Publisher(redis, settings).publish_many([cause])
    key = key_for(cause, N)
    ((_, ((entry, _),)),) = await redis.xreadgroup(GROUP, "me", {key: ">"})  # type: ignore[misc]
    committer = Committer(redis, settings)
    commit, committer._commit = committer._commit, _broken  # type: ignore[assignment]
    with pytest.raises(ConnectionError):
        await committer.settle(key, GROUP, [(entry, cause, Done(others))], origin=key)
    assert sorted(ids(await said_of(redis, SCORED))) == sorted(ids(elsewhere))  # said before, and not acknowledged
    assert (await redis.xpending(key, GROUP))["pending"] == 1
    committer._commit = commit
    assert await committer.settle(key, GROUP, [(entry, cause, Done(others))], origin=key) == 1
    assert await committer.settle(key, GROUP, [(entry, cause, Done(others))], origin=key) == 0
    assert sorted(ids(await said_of(redis, SCORED))) == sorted(ids(others))


async def _broken(**_: Any) -> int:
    raise ConnectionError


async def test_an_erasure_ends_on_every_node_and_files_of_all_are_written_anew(
    three: BrokerCluster, redis: Redis, data: Path, bus: Callable[..., BusSettings]
) -> None:
    settings = bus(rewrite_every_s=0.1)
    publisher = Publisher(redis, settings)
    gone = [post(n, text="words to forget") for n in range(12)]
    await publisher.publish_many([*gone, *posts(12, start=12)])
    names = ("ingest", GROUP, "trainer", "auditor", "reporter")
    async with running(
        three.url, data, *(service(each, {INGESTED: Scorer()} if each == GROUP else {}) for each in names)
    ):
        await eventually(lambda: at_rest(redis, *names))
        for n, event in enumerate(gone):
            name = event.data.post.post_id
            assert await publisher.withdraw(
                said(PostDeleted(post_id=name, deleted_at=utcnow()), by="ingest", cause=f"gone {n}"), name
            )
        janitor = Janitor(redis, settings, [])

        async def over() -> bool:
            await janitor.erase()
            return not any([await redis.exists(shard_key(ERASURES, shard, N)) for shard in range(N)])

        await eventually(over)
    left = [each for stream in (INGESTED, SCORED) for key in FLOW[stream].keys(N) for each in await redis.xrange(key)]
    assert len(left) == 24
    assert not [each for each in left if b"words to forget" in each[1][b"__data__"]]
    await redis.hset(SCRUBS, BROKER, "now")  # type: ignore[misc]

    async def clean() -> bool:
        await Rewriter(redis, settings)()
        return await redis.hget(SCRUBS, BROKER) is None  # type: ignore[misc]

    await eventually(clean, every=0.2)
    for node in three.nodes:
        files = [each.read_bytes() for each in (node.folder / "appendonlydir").iterdir()]
        assert not any(b"words to forget" in each for each in files)


async def test_shards_of_a_cluster_become_more(three: BrokerCluster, redis: Redis) -> None:
    await check_shards(redis, N)
    await ensure_groups(redis, group_keys(N))
    await Publisher(redis, BusSettings()).publish_once(posts(40))
    done = await Resharding(redis, BusSettings())(6)
    assert done.entries[INGESTED] == 40
    await check_shards(redis, 6)
    found = [event for key in FLOW[INGESTED].keys(6) for event in await entries(redis, INGESTED, key)]
    assert sorted(ids(found)) == sorted(ids(posts(40)))
    states = {(each.stream, each.group): each for each in await sweep(redis, group_keys(6), gauges=False)}
    assert states[INGESTED, GROUP].backlog == 40
    assert await Publisher(redis, BusSettings(shards=6)).publish_once(posts(40)) == [False] * 40
