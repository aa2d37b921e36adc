"""The collector of Mastodon timelines, with the real Mastodon.py, against a scripted server: nothing is skipped."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.changes import Batch, Pause, PostGone
from services.ingest.mastodon import PAGE, follow, id_at
from services.ingest.sources import MastodonTimelines
from tests.support.mastodon import MastodonServer, account, iso, snowflake, status, timeline

SECOND = timedelta(seconds=1)


@pytest.fixture
def server() -> Iterator[MastodonServer]:
    with MastodonServer(timeline(100, datetime.now(UTC) - SECOND, SECOND)) as each:
        yield each


def source(server: MastodonServer, **changed: Any) -> MastodonTimelines:
    given = {"kind": "mastodon", "base_url": server.url, "timelines": ["public"], "every_s": 0.01, "backfill_s": 7_200}
    return MastodonTimelines.model_validate(given | changed)


def names(batch: Batch) -> list[str]:
    return [each.external_id if isinstance(each, PostGone) else each["external_id"] for each in batch.changes]


async def read(
    connected: MastodonTimelines, cursor: Mapping[str, Any] | None = None, *, batches: int = 1_000, rounds: int = 1
) -> tuple[list[str], Batch]:
    """Return the ids that a collector brings until so many batches, or whole rounds, are over, and the last batch."""
    found: list[str] = []
    async with aclosing(follow(connected, cursor)) as following:
        first = await anext(following)
        found, last, empty = names(first), first, 0
        for _ in range(batches):
            last = await anext(following)
            found += names(last)
            empty += not last.changes
            if empty == rounds:
                break
    return found, last


def numbers(statuses: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in statuses]


async def test_a_first_round_brings_everything_since_the_backfill_oldest_first(server: MastodonServer) -> None:
    found, _ = await read(source(server), rounds=3)
    assert found == numbers(server.statuses)
    found, _ = await read(source(server, backfill_s=50), rounds=3)
    assert 45 <= len(found) <= 50
    assert found == numbers(server.statuses)[-len(found) :]


async def test_without_a_backfill_it_begins_now(server: MastodonServer) -> None:
    found, last = await read(source(server, backfill_s=0))
    assert found == []
    server.statuses.append(status(snowflake(datetime.now(UTC) + SECOND)))
    found, _ = await read(source(server, backfill_s=0), last.cursor, batches=1)
    assert found == [server.statuses[-1]["id"]]


async def test_the_beginning_is_fixed_before_anything_is_read(server: MastodonServer) -> None:
    async with aclosing(follow(source(server), None)) as following:
        first = await anext(following)
    assert first.changes == [] and server.pages() == []
    assert abs(int(first.cursor["public"]["after"]) - int(id_at(datetime.now(UTC) - timedelta(hours=2)))) < 10_000 << 16


async def test_whoever_begins_at_a_cursor_misses_nothing_and_repeats_nothing(server: MastodonServer) -> None:
    found, last = await read(source(server), batches=1)
    assert len(found) == PAGE
    rest, _ = await read(source(server), last.cursor, batches=2)
    assert found + rest == numbers(server.statuses)


async def test_a_burst_between_two_rounds_is_read_in_order(server: MastodonServer) -> None:
    _, last = await read(source(server))
    late = timeline(130, datetime.now(UTC) + 200 * SECOND, SECOND)
    server.statuses += late
    found, _ = await read(source(server), last.cursor, batches=4)
    assert found == numbers(late)


async def test_edits_and_late_arrivals_of_the_newest_page_are_seen_once(server: MastodonServer) -> None:
    _, last = await read(source(server))
    edited = server.statuses[-5] | {"edited_at": iso(datetime.now(UTC)), "content": "<p>after</p>"}
    server.statuses[-5] = edited
    moment = datetime.fromtimestamp((int(server.statuses[-3]["id"]) >> 16) / 1000, UTC)
    late = status(snowflake(moment, 999))
    server.statuses.insert(-2, late)
    found, last = await read(source(server), last.cursor, batches=1)
    assert sorted(found) == sorted([edited["id"], late["id"]])
    assert {each["text"] for each in last.changes if isinstance(each, dict)} == {"after", "Goal!"}
    found, _ = await read(source(server), last.cursor, rounds=3)
    assert found == []


async def test_nothing_older_than_the_beginning_is_taken_when_the_newest_page_is_read_again(
    server: MastodonServer,
) -> None:
    server.statuses[-50] |= {"edited_at": iso(datetime.now(UTC))}
    server.statuses[-30] |= {"edited_at": iso(datetime.now(UTC))}
    found, _ = await read(source(server, backfill_s=10), rounds=2)
    assert 5 <= len(found) <= 10


async def test_timelines_hashtags_and_accounts_are_read_side_by_side(server: MastodonServer) -> None:
    moment = datetime.now(UTC)
    soup = status(snowflake(moment, 1), tags=[{"name": "soup", "url": "https://town.example/tags/soup"}])
    eve = account("eve@far.example", "11")
    unlisted = status(snowflake(moment, 2), visibility="unlisted", account=eve)
    boost = status(snowflake(moment, 3), account=eve, reblog=soup)
    private = status(snowflake(moment, 4), account=eve, visibility="private")
    server.accounts.append(eve)
    server.statuses = [soup, unlisted, boost, private]
    every = source(server, timelines=["public", "local"], hashtags=["Soup"], accounts=["eve@far.example", "nobody"])
    found, last = await read(every)
    assert set(found) == {soup["id"], unlisted["id"]}
    assert set(last.cursor) == {"public", "local", "#Soup", "@eve@far.example"}
    assert {each.query.get("exclude_reblogs") for each in server.asked if each.path.endswith("11/statuses")} == {"1"}


async def test_a_long_feed_does_not_keep_a_short_one_waiting(server: MastodonServer) -> None:
    eve = account("eve", "11")
    server.accounts.append(eve)
    server.statuses[0] = server.statuses[0] | {"account": eve}
    async with aclosing(follow(source(server, accounts=["eve"]), None)) as following:
        sizes = [len((await anext(following)).changes) for _ in range(5)]
    assert sizes == [0, 40, 1, 40, 20]


async def test_the_rate_limit_is_a_pause_until_the_server_says(server: MastodonServer) -> None:
    server.remaining, server.reset = 1, datetime.now(UTC) + timedelta(seconds=90)
    async with aclosing(follow(source(server), None)) as following:
        await anext(following)
        page = await anext(following)
        with pytest.raises(Pause) as pause:
            await anext(following)
    assert 85 <= pause.value.seconds <= 91
    server.remaining = 1_000
    rest, _ = await read(source(server), page.cursor, batches=2)
    assert names(page) + rest == numbers(server.statuses)


async def test_a_limit_that_names_no_time_is_a_minute(server: MastodonServer) -> None:
    server.script, server.reset = [429], datetime(2000, 1, 1, tzinfo=UTC)
    with pytest.raises(Pause) as pause:
        await read(source(server))
    assert pause.value.seconds == 60


@pytest.mark.parametrize("refusal", [401, 403, 404, 500, 502, 503, 504])
async def test_a_failing_server_ends_the_round_and_the_cursor_stands(refusal: int, server: MastodonServer) -> None:
    server.script = [200, refusal]
    with pytest.raises(Exception, match=str(refusal)) as failure:
        await read(source(server))
    assert type(failure.value).__module__ == "mastodon.errors"
    found, _ = await read(source(server), batches=3)
    assert found == numbers(server.statuses)


async def test_what_is_no_status_harms_no_other(server: MastodonServer) -> None:
    server.statuses[-1] = server.statuses[-1] | {"account": {"id": "1"}}
    server.statuses[50] = server.statuses[50] | {"created_at": "soon"}
    found, last = await read(source(server), batches=3)
    bad = {server.statuses[-1]["id"], server.statuses[50]["id"]}
    assert found == [each for each in numbers(server.statuses) if each not in bad]
    assert last.cursor["public"]["after"] == server.statuses[-1]["id"]


async def test_the_token_is_sent_and_a_wrong_one_refused(server: MastodonServer) -> None:
    server.token = "right"
    found, _ = await read(source(server, token="right"), batches=1)
    assert len(found) == PAGE
    with pytest.raises(Exception, match="401"):
        await read(source(server, token="wrong"), batches=1)


async def test_a_server_that_is_not_there_is_an_error_of_the_client(server: MastodonServer) -> None:
    with pytest.raises(OSError, match="Could not complete request"):
        await read(source(server, base_url="http://127.0.0.1:9"))


async def test_the_loop_goes_on_while_a_server_is_slow(server: MastodonServer) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with server._lock:
        reading = asyncio.create_task(read(source(server), batches=1))
        await asyncio.sleep(0.3)
    await reading
    ticking.cancel()
    assert ticks > 20
