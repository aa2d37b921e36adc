"""Collectors that are killed while they catch up: what a platform said is on the streams, each once, in order."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from shared.clock import monotonic
from shared.ids import post_id, revision_of, stable_id
from tests.support.jetstream import POSTS, V1, V2, Jetstream, did, jetstream
from tests.support.mastodon import MastodonServer, timeline
from tests.support.servers import eventually
from tests.support.world import World

EVENTS = 20_000
STATUSES = 2_000
KILLS = 4
AUTHORS = 400
QUICK: dict[str, object] = {"ingest_collector_lease_s": 1.0, "ingest_collector_backoff_limit_s": 0.5}
"""What a dead process held is free after a second, and nobody waits long to try again."""

# -- for every kind of collector ------------------------------------------------------------------------------


def connected(source: str, **fields: Any) -> dict[str, object]:
    """Return the settings of an Ombud that collects one source."""
    return QUICK | {"ingest_sources": json.dumps({source: fields})}


async def collecting(ombud: World, source: str) -> None:
    """Start ingest and wait until its collector has a cursor, so that from now on nothing may be missed."""
    ombud.processes.start("ingest")
    await ombud.processes.ready("ingest")
    question = f"SELECT cursor FROM ingest_cursors WHERE source = '{source}' AND cursor IS NOT NULL"  # noqa: S608
    await eventually(lambda: ombud.ledger.ask("ingest", question))


async def killed_on_the_way(ombud: World, random: Random, goal: int, kills: int) -> list[int]:
    """Kill -9 ingest each time another part of `goal` events is on posts.ingested; return how many were there."""
    points = sorted(random.sample(range(goal // 20, goal * 9 // 10), kills))
    found = []
    for point in points:
        await eventually(lambda point=point: ombud.ledger.length("posts.ingested") >= point, 60, every=0.005)  # type: ignore[misc]
        await asyncio.to_thread(ombud.processes.kill, "ingest")
        found.append(ombud.ledger.length("posts.ingested"))
        ombud.processes.start("ingest")
    return found


def said_once(ombud: World, stream: str) -> list[dict[str, Any]]:
    """Return the events of a stream, and fail if one is there twice."""
    events = ombud.ledger.events(stream)
    twice = [name for name, count in Counter(event["id"] for event in events).items() if count > 1]
    assert not twice, f"{len(twice)} events of {stream} are there more than once"
    return events


def revisions(events: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return post and revision of each event, in order."""
    return [(event["data"]["post"]["post_id"], event["data"]["post"]["revision"]) for event in events]


# -- Jetstream ------------------------------------------------------------------------------------------------


def live(script: Jetstream, random: Random, count: int) -> None:
    """Let some hundred authors write, edit, delete and leave."""
    there: list[tuple[str, str]] = []
    for n in range(count):
        who, kind = did(random.randrange(AUTHORS)), random.random()
        if kind < 0.04:
            script.identity(who)
        elif kind < 0.12 and there:
            script.commit(*_split(random.choice(there), "update"), f"words {n}, and more of them")
        elif kind < 0.20 and there:
            script.commit(*_split(there.pop(random.randrange(len(there))), "delete"))
        elif kind < 0.21:
            script.account(who, random.random() < 0.5, "suspended")
        else:
            there.append((who, f"3k{n:07}"))
            script.commit(*_split(there[-1], "create"), f"words {n}")


def _split(record: tuple[str, str], operation: str) -> tuple[str, str, str]:
    return record[0], operation, record[1]


def expected(script: Jetstream, platform: str) -> tuple[list[tuple[str, int]], list[str], int]:
    """Return revisions in order, deleted posts in order, and how often an author was hidden or shown."""
    written, gone, turned = [], [], 0
    for said in script.log:
        name = post_id(platform, f"at://{said.did}/{POSTS}/{said.body.get('rkey')}")
        operation = said.body.get("operation")
        if operation in ("create", "update"):
            written.append((name, revision_of(said.at if operation == "update" else None)))
        elif operation == "delete":
            gone.append(name)
        turned += said.kind == "account"
    return written, gone, turned


@pytest.mark.slow
@pytest.mark.parametrize(("wire", "path"), [("v1", V1), ("v2", V2)], ids=["v1", "v2"])
async def test_a_jetstream_is_replayed_whole_and_once_while_ingest_is_killed(
    wire: str, path: str, empty_world: Callable[..., World]
) -> None:
    random = Random(wire)
    async with jetstream() as script:
        ombud = empty_world(**connected("bluesky", kind="jetstream", wire=wire, url=script.url(path)))
        beginning = asyncio.create_task(collecting(ombud, "bluesky"))
        await eventually(lambda: script.listeners == 1, 60)
        script.commit(did(0), "create", "first", "the first words")
        await script.publish()
        await beginning
        live(script, random, EVENTS)
        written, gone, turned = expected(script, "bluesky")
        script.pause_s = 0.02
        started = monotonic()
        await script.publish()
        kills = await killed_on_the_way(ombud, random, len(written), KILLS)
        await whole(lambda: ombud.ledger.length("posts.ingested"), len(written))
        print(
            f"{wire}: {len(script.log)} events, {script.sent} frames, killed at {kills}, {monotonic() - started:.1f} s"
        )
        await eventually(lambda: ombud.ledger.length("posts.deleted") >= len(gone) + turned)
        assert revisions(said_once(ombud, "posts.ingested")) == written
        deleted = said_once(ombud, "posts.deleted")
        assert [event["data"]["post_id"] for event in deleted if "post_id" in event["data"]] == gone
        assert len(deleted) == len(gone) + turned
        assert len(kills) == KILLS and max(kills) < len(written), "it was over before it was killed"
        assert script.sent > len(script.log), "nothing came again, so nothing was proved"
        cursors = [each.cursor or 0 for each in script.asked[1:]]
        assert cursors == sorted(cursors) and len(set(cursors)) > 1, "it did not go on where it was"


async def whole(length: Callable[[], int], goal: int, within: float = 60) -> None:
    """Wait until everything is there, and a little longer for what should not come."""
    await eventually(lambda: length() >= goal, within)
    await asyncio.sleep(1)


# -- Mastodon -------------------------------------------------------------------------------------------------


async def test_a_backfill_of_mastodon_is_read_whole_and_once_while_ingest_is_killed(
    empty_world: Callable[..., World],
) -> None:
    statuses = timeline(STATUSES, datetime.now(UTC) - timedelta(seconds=1), timedelta(milliseconds=500))
    town = {"kind": "mastodon", "timelines": ["public"], "every_s": 0.1, "backfill_s": 7_200}
    with MastodonServer(statuses, delay_s=0.03) as server:
        ombud = empty_world(**connected("town", **town, base_url=server.url))
        ombud.processes.start("ingest")
        kills = await killed_on_the_way(ombud, Random(22), STATUSES, KILLS)
        await whole(lambda: ombud.ledger.length("posts.ingested"), STATUSES)
        ombud.processes.kill("ingest")
        events = said_once(ombud, "posts.ingested")
        wanted = [(post_id("town", each["id"]), 0) for each in statuses]
        assert revisions(events) == wanted
        assert [event["id"] for event in events] == [
            stable_id(f"{name}|{revision}", "ombud.PostIngested.v1", 0) for name, revision in wanted
        ]
        asked = [int(each.query["min_id"]) for each in server.pages() if "min_id" in each.query]
        print(f"\n{STATUSES} statuses, killed at {kills}, {len(server.pages())} pages read")
        assert len(kills) == KILLS and max(kills) < STATUSES, "it was over before it was killed"
        assert asked == sorted(asked) and len(set(asked)) > STATUSES // 40, "it did not go on where it was"
        assert len(asked) > len(set(asked)), "nothing was read again, so nothing was proved"
