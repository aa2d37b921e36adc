"""The event feed: every event once per listener and in order, whatever dies in between; and nothing that was erased."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from services.reporter.console.roles import Role
from services.reporter.feed import STREAMS
from shared.bus.erasures import ask_erasure
from shared.bus.publisher import Publisher, connect
from shared.events import Event, Payload, PostScored
from shared.settings import BusSettings
from shared.streams import FLOW
from tests.console.installation import sign_up
from tests.support.doors import problem
from tests.support.feed import SSE, Follower, corrected, scored
from tests.support.ombud import Processes
from tests.support.servers import Broker, eventually

STORM, LISTENERS, PAGES = 600, 4, 2


@asynccontextmanager
async def following(*followers: Follower) -> AsyncIterator[None]:
    """Let them follow for the time of the context."""
    tasks = [asyncio.create_task(each.follow()) for each in followers]
    try:
        await eventually(lambda: all(each.opened for each in followers) or any(task.done() for task in tasks))
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ends), ends


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for this file."""
    made = Broker(tmp_path_factory.mktemp("broker"), fsync="always").start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def reporter(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Processes]:
    """The reporter in a process of its own."""
    folder = tmp_path_factory.mktemp("data")
    running = Processes(folder, broker.url, reporter_feed_listeners=8, reporter_feed_heartbeat_s=0.5)
    running.start("ingest", "reporter")
    asyncio.run(running.ready("ingest", "reporter"))
    yield running
    running.terminate()


@pytest.fixture
async def publish(broker: Broker) -> AsyncIterator[Publisher]:
    """Says what the test wants said."""
    redis = connect(broker.url)
    yield Publisher(redis, BusSettings())
    await redis.aclose()


def storm(first: int) -> list[Event[Payload]]:
    """Return scores and corrections in turn."""
    return [corrected(n) if n % 3 else scored(n) for n in range(first, first + STORM)]


def test_the_feed_knows_every_stream() -> None:
    assert set(STREAMS) == set(FLOW)


@pytest.mark.check("CON-29")
async def test_every_listener_gets_every_event_once_and_in_order_though_the_reporter_is_killed(
    reporter: Processes, publish: Publisher
) -> None:
    said = storm(0)
    async with reporter.client("reporter") as http:
        followers = [Follower(http) for _ in range(LISTENERS)]
        session = await sign_up(http, Role.REVIEWER)
        pages = [Follower(http, path="/events", session=session) for _ in range(PAGES)]
        everybody = followers + pages
        async with following(*everybody):
            await publish.publish_many(said[:200])
            await eventually(lambda: all(len(each.got) > 100 for each in everybody))
            reporter.kill("reporter")
            await publish.publish_many(said[200:400])
            reporter.start("reporter")
            await reporter.ready("reporter")
            await publish.publish_many(said[400:])
            await eventually(lambda: all(len(each.got) >= STORM for each in everybody), 60)
        for each in pages:
            assert each.ended >= 1
            assert each.positions == followers[0].positions
        for each in followers:
            assert each.ended >= 1
            assert sorted(each.ids) == sorted(event.id for event in said)
            assert each.positions == sorted(each.positions)
            scores = [document["id"] for _, stream, document in each.got if stream == "posts.scored"]
            assert scores == [event.id for event in said if event.type == PostScored.event_type()]


async def test_pages_bring_the_same_events_in_the_same_order_as_the_stream(
    reporter: Processes, publish: Publisher
) -> None:
    async with reporter.client("reporter") as http:
        begin = (await http.get("/v1/events", params={"cursor": "oldest", "types": "reports.submitted"})).json()["next"]
        await publish.publish_many(storm(10_000))
        pages, cursor = [], begin
        while True:
            page = (await http.get("/v1/events", params={"cursor": cursor, "limit": 77})).json()
            pages += page["events"]
            cursor = page["next"]
            if not page["more"]:
                break
        follower = Follower(http, {"cursor": begin})
        async with following(follower):
            await eventually(lambda: len(follower.got) >= STORM)
        assert [each["position"] for each in pages] == [str(each) for each in follower.positions]
        assert [each["event"]["id"] for each in pages] == follower.ids
        again = (await http.get("/v1/events", params={"cursor": cursor})).json()
        assert (again["events"], again["more"], again["gap"]) == ([], False, False)


async def test_filters_choose_and_no_text_is_given_out(reporter: Processes, publish: Publisher) -> None:
    wanted = scored(20_001, "zwunderquast")
    async with reporter.client("reporter") as http:
        now = (await http.get("/v1/events", params={"types": "reports.submitted"})).json()["next"]
        await publish.publish_many([scored(20_000), wanted, corrected(20_001)])
        of_post = {"cursor": now, "post": wanted.data.post.post_id}
        both = await http.get("/v1/events", params=of_post)
        assert {each["stream"] for each in both.json()["events"]} == {"posts.scored", "posts.corrected"}
        assert "zwunderquast" not in both.text and "words" not in both.text
        for query, count in (
            ({"platform": "test"}, 2),
            ({"platform": "elsewhere"}, 0),
            ({"types": "posts.corrected"}, 1),
            ({"types": ["posts.corrected", "posts.scored"]}, 3),
            ({"min_score": 1}, 0),
            ({"min_score": 0}, 2),
            ({"language": "tlh"}, 0),
            ({"status": "flagged"}, 0),
        ):
            found = (await http.get("/v1/events", params={"cursor": now, **query})).json()
            assert len(found["events"]) == count, query


async def test_what_is_being_erased_comes_out_of_no_replay(
    reporter: Processes, publish: Publisher, broker: Broker
) -> None:
    gone, kept = scored(30_000, author="somebody"), scored(30_001)
    async with reporter.client("reporter") as http:
        now = (await http.get("/v1/events", params={"types": "reports.submitted"})).json()["next"]
        await publish.publish_many([gone, kept, corrected(30_000)])
        redis = connect(broker.url)
        await ask_erasure(redis, gone.data.post.post_id)
        await redis.aclose()
        found = (await http.get("/v1/events", params={"cursor": now})).json()["events"]
        assert [each["event"]["id"] for each in found] == [kept.id]
        follower = Follower(http, {"cursor": now})
        async with following(follower):
            await eventually(lambda: follower.got)
        assert follower.ids == [kept.id]


async def test_a_quiet_feed_says_that_it_is_there_and_moves_its_place_on(reporter: Processes) -> None:
    async with reporter.client("reporter") as http:
        follower = Follower(http, {"types": "reports.submitted"})
        async with following(follower):
            first = await eventually(lambda: follower.last)
            await eventually(lambda: follower.last != first)
        assert follower.got == []


async def test_a_place_older_than_what_is_kept_is_answered_with_a_notice(reporter: Processes) -> None:
    async with reporter.client("reporter") as http:
        assert (await http.get("/v1/events", params={"cursor": "1000-0-1"})).json()["gap"] is True
        assert (await http.get("/v1/events", params={"cursor": "oldest"})).json()["gap"] is False
        follower = Follower(http, last="1000-0-1")
        async with following(follower):
            await eventually(lambda: follower.notices == ["gap"])


async def test_there_is_a_limit_on_listeners_and_a_place_is_free_again_afterwards(reporter: Processes) -> None:
    async with reporter.client("reporter") as http:
        followers = [Follower(http) for _ in range(8)]
        async with following(*followers):
            refused = await http.get("/v1/events", headers=SSE)
            problem(refused, 503, "too_many_listeners")
            assert refused.headers["retry-after"]
        follower = Follower(http)

        async def let_in() -> bool:
            with suppress(TimeoutError, AssertionError):
                await asyncio.wait_for(follower.read(), 0.5)
            return follower.opened > 0

        await eventually(let_in)


@pytest.mark.parametrize("cursor", ["x", "1-2", "-1-0-1", "1" * 30 + "-0-1", "newest"])
async def test_a_cursor_that_is_none_is_refused(cursor: str, reporter: Processes) -> None:
    async with reporter.client("reporter") as http:
        answer = await http.get("/v1/events", params={"cursor": cursor})
        problem(answer, 422, "string_pattern_mismatch", "cursor")


async def test_an_open_feed_does_not_keep_the_process_from_stopping(reporter: Processes) -> None:
    async with reporter.client("reporter") as http:
        follower = Follower(http)
        async with following(follower):
            codes = await asyncio.to_thread(reporter.terminate, "reporter", within=15)
    assert codes == {"reporter": 0}
