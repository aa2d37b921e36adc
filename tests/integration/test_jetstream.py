"""Bluesky as an operator connects it: our collector on both wires, from frames to what the API shows."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.keys import ERASURES
from shared.bus.publisher import connect
from shared.ids import post_id
from tests.support.doors import events, scored
from tests.support.jetstream import POSTS, V1, V2, Background, background, did
from tests.support.ombud import ROOT, client
from tests.support.servers import eventually
from tests.support.shapes import Shared, one_process

REPLAY = ROOT / "tests" / "support" / "jetstream_v1.jsonl"
WIRES = {"v1": V1, "v2": V2}
both = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(scope="module")
def stream() -> Iterator[Background]:
    """A Jetstream that both sources follow, each on its wire."""
    with background() as made:
        yield made


@pytest.fixture(scope="module")
def ombud(stream: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An Ombud that is connected to it twice; the posts of a wire have its name as platform."""
    sources = {
        wire: {"kind": "jetstream", "wire": wire, "url": stream.script.url(path), "ping_s": 1.0}
        for wire, path in WIRES.items()
    }
    with one_process(
        tmp_path_factory.mktemp("ombud"),
        log_level="DEBUG",
        trainer_corrections_per_run=100_000,
        ingest_sources=json.dumps(sources),
        ingest_collector_backoff_limit_s=0.2,
        bus_janitor_every_s=0.2,
    ) as running:
        yield running


@pytest.fixture
async def http(ombud: Shared, stream: Background) -> Any:
    """A client with an admin key, once both collectors listen."""
    await eventually(lambda: stream.script.listeners == 2, 30)
    async with client(ombud.url) as each:
        yield each


@pytest.fixture
async def redis(ombud: Shared) -> Any:
    """A client of the Ombud's broker."""
    each = connect(ombud.broker.url)
    yield each
    await each.aclose()


@pytest.fixture
def who(request: pytest.FixtureRequest) -> str:
    """An author whom no other test knows."""
    return did(abs(hash(request.node.name)) % 10**9)


def id_of(wire: str, who: str, rkey: str) -> str:
    """Return our id of a record."""
    return post_id(wire, f"at://{who}/{POSTS}/{rkey}")


async def ingested(redis: Redis, *ids: str) -> list[Any]:
    """Return the posts on posts.ingested that have one of these ids, in order."""
    found = [event.data.post for event in await events(redis, "posts.ingested")]
    return [post for post in found if post.post_id in ids]


async def read(http: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Return a post as the API shows it, empty while it is not there."""
    answer = await http.get(f"/v1/posts/{name}")
    return dict(answer.json()) if answer.status_code == 200 else {}


async def becomes(http: httpx.AsyncClient, name: str, **values: Any) -> dict[str, Any]:
    """Wait until a post has these values."""

    async def so() -> dict[str, Any] | None:
        post = await read(http, name)
        return post if post and {key: post[key] for key in values} == values else None

    return dict(await eventually(so))


async def listed(http: httpx.AsyncClient) -> set[str]:
    """Return the ids of all posts in the list."""
    found: set[str] = set()
    after: dict[str, str] = {}
    while True:
        page = (await http.get("/v1/posts", params=after)).json()
        found |= {each["post_id"] for each in page["posts"]}
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def kept(data_dir: Path, word: str) -> list[str]:
    """Return the tables of all services in which a word stands."""
    found = []
    for path in data_dir.glob("*.sqlite3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
                found += [f"{path.stem}.{table}" for row in rows if word in repr(row)][:1]
    return sorted(found)


def everywhere(data_dir: Path, word: str) -> list[str]:
    """Return the tables in which a word stands once every service that keeps texts has it, else nothing."""
    places = kept(data_dir, word)
    services = {place.partition(".")[0] for place in places}
    return places if services >= {"auditor", "classifier", "reporter", "trainer"} else []


async def said(redis: Redis, word: str) -> list[str]:
    """Return the streams on which a word stands."""
    names = [name.decode() async for name in redis.scan_iter(_type="stream")]
    return [name for name in names if word in repr(await redis.xrange(name))]


@both
async def test_a_post_arrives_with_everything_the_record_says(
    wire: str, http: httpx.AsyncClient, redis: Redis, stream: Background, who: str
) -> None:
    parent = f"at://{did(1)}/{POSTS}/3k0"
    stream.happen(lambda script: script.commit(who, "create", "3k1", "Nice goal!", reply={"parent": {"uri": parent}}))
    name = id_of(wire, who, "3k1")
    post = await scored(http, name)
    assert (post["text"], post["language"], post["external_id"]) == ("Nice goal!", "en", f"at://{who}/{POSTS}/3k1")
    (event,) = await ingested(redis, name)
    assert event.url == f"https://bsky.app/profile/{who}/post/3k1"
    assert event.reply_to == id_of(wire, did(1), "3k0")
    assert event.created_at is not None
    assert who not in (event.author or who)  # a pseudonym


@both
async def test_an_update_is_a_new_revision_and_scored_again(
    wire: str, http: httpx.AsyncClient, stream: Background, who: str
) -> None:
    name = id_of(wire, who, "3k1")
    stream.happen(lambda script: script.commit(who, "create", "3k1", "Nice goal!"))
    before = await scored(http, name)
    stream.happen(lambda script: script.commit(who, "update", "3k1", "You are all idiots"))
    after = await becomes(http, name, text="You are all idiots")
    assert (before["revision"], after["revision"] > 0) == (0, True)
    assert after["overall"] > before["overall"]


@both
async def test_a_delete_erases_the_text_everywhere(
    wire: str, ombud: Shared, http: httpx.AsyncClient, redis: Redis, stream: Background, who: str
) -> None:
    word = f"quastelwort{wire}"
    stream.happen(
        lambda script: script.commit(who, "create", "3k1", f"Nice {word}"),
        lambda script: script.commit(who, "create", "3k2", "stays"),
    )
    await scored(http, id_of(wire, who, "3k1"))
    assert len(kept(ombud.data_dir, word)) >= 2
    stream.happen(lambda script: script.commit(who, "delete", "3k1"))
    post = await becomes(http, id_of(wire, who, "3k1"), text=None)
    assert (post["deleted_at"] is not None, post["hidden"], post["overall"] is not None) == (True, False, True)
    await eventually(lambda: not kept(ombud.data_dir, word))

    async def silent() -> bool:
        return not await said(redis, word)

    await eventually(silent)
    await becomes(http, id_of(wire, who, "3k2"), text="stays")


@both
async def test_a_deleted_account_loses_all_of_its_posts_and_nobody_else_does(
    wire: str, ombud: Shared, http: httpx.AsyncClient, stream: Background, who: str
) -> None:
    word = f"allgone{wire}"
    for n in range(3):
        stream.happen(lambda script, n=n: script.commit(who, "create", f"3k{n}", f"{word} {n}"))  # type: ignore[misc]
    stream.happen(lambda script: script.commit(did(1), "create", f"stays{wire}", "somebody else's"))
    names = [id_of(wire, who, f"3k{n}") for n in range(3)]
    for name in names:
        await scored(http, name)
    stream.happen(lambda script: script.account(who, False, "deleted"))
    for name in names:
        await becomes(http, name, text=None, author=None, hidden=False)
    await eventually(lambda: not kept(ombud.data_dir, word))
    await becomes(http, id_of(wire, did(1), f"stays{wire}"), text="somebody else's")


@both
async def test_a_suspended_account_is_hidden_and_back_without_a_loss(
    wire: str, ombud: Shared, http: httpx.AsyncClient, redis: Redis, stream: Background, who: str
) -> None:
    word = f"hiddenword{wire}"
    first, second = id_of(wire, who, "3k1"), id_of(wire, who, "3k2")
    stream.happen(lambda script: script.commit(who, "create", "3k1", f"{word} one"))
    await scored(http, first)
    places = await eventually(lambda: everywhere(ombud.data_dir, word))
    stream.happen(lambda script: script.account(who, False, "suspended"))
    await becomes(http, first, text=None, hidden=True, deleted_at=None)
    # who writes while hidden is hidden
    stream.happen(lambda script: script.commit(who, "create", "3k2", f"{word} two"))
    await becomes(http, second, text=None, hidden=True)
    assert not {first, second} & await listed(http)
    # nobody erased anything, and nobody was asked to
    assert set(kept(ombud.data_dir, f"{word} one")) >= set(places)
    author = (await ingested(redis, first))[0].author
    assert not [name for name in await redis.zrange(ERASURES, 0, -1) if author.encode() in name]
    stream.happen(lambda script: script.account(who, True))
    await becomes(http, first, text=f"{word} one", hidden=False)
    await becomes(http, second, text=f"{word} two", hidden=False)
    assert {first, second} <= await listed(http)


def _after(stream: Background, wire: str, broken: Callable[[], Any]) -> Any:
    """Break the connections; return what a wire asks for when it comes back."""
    known = len(stream.script.asked)
    broken()
    return lambda: next((each for each in stream.script.asked[known:] if each.wire == WIRES[wire]), None)


async def dead(stream: Background) -> None:
    """Let every connection hang."""
    stream.script.hang()


BREAKS: dict[str, Callable[[Background], Any]] = {
    "restart": lambda stream: stream.run(stream.script.close(1012)),
    "farewell": lambda stream: stream.run(stream.script.close(1000)),
    "too slow": lambda stream: stream.run(stream.script.fail("ConsumerTooSlow")),
    "dead link": lambda stream: stream.run(dead(stream)),
}


@both
@pytest.mark.parametrize("trouble", BREAKS)
async def test_whatever_ends_the_connection_reading_goes_on_and_nothing_is_said_twice(
    wire: str, trouble: str, http: httpx.AsyncClient, redis: Redis, stream: Background, who: str
) -> None:
    stream.happen(*(lambda script, n=n: script.commit(who, "create", f"3k{n}", f"words {n}") for n in range(5)))  # type: ignore[misc]
    names = [id_of(wire, who, f"3k{n}") for n in range(6)]

    async def arrived(count: int) -> bool:
        came = [names.index(post.post_id) for post in await ingested(redis, *names)]
        assert len(came) >= count, f"{came} of {stream.script.asked[known:]}"
        return True

    known = len(stream.script.asked)
    await eventually(lambda: arrived(5))
    back = _after(stream, wire, lambda: BREAKS[trouble](stream))
    asked = await eventually(back)
    newest = stream.script.log[-1]
    expected = newest.seq if wire == "v2" else newest.time_us - 1_000_000
    assert asked.cursor == expected
    stream.happen(lambda script: script.commit(who, "create", "3k5", "words 5"))
    await eventually(lambda: arrived(6))
    assert [post.post_id for post in await ingested(redis, *names)] == names


@both
async def test_frames_that_say_nothing_are_counted_and_the_next_post_arrives(
    wire: str, http: httpx.AsyncClient, stream: Background, who: str
) -> None:
    connections = len(stream.script.asked)
    stream.happen(
        lambda script: script.garbage(b"\xff\xfe"),
        lambda script: script.garbage(b"{"),
        lambda script: script.garbage(b"[1]"),
        lambda script: script.garbage(b'{"kind":"commit","did":7}'),
        lambda script: script.say("commit", who, {"operation": "merge", "collection": POSTS, "rkey": "3k0"}),
        lambda script: script.say("commit", who, {"operation": "create", "collection": POSTS, "rkey": "3k0"}),
        lambda script: script.commit(who, "create", "3k0", "", langs=7, createdAt=[], embed=7),
        lambda script: script.commit(who, "create", "3k1", "Nice goal!", langs=7, createdAt=[], embed=7),
    )
    await scored(http, id_of(wire, who, "3k1"))
    assert len(stream.script.asked) == connections
    metrics = (await http.get("/metrics")).text
    for reason in ("not_json", "not_an_object", "unknown_operation", "no_record"):
        assert f'ombud_ingest_skipped_frames_total{{reason="{reason}",source="{wire}"}}' in metrics


async def test_a_diverged_repository_is_named_in_the_log(
    ombud: Shared, http: httpx.AsyncClient, stream: Background, who: str
) -> None:
    stream.happen(lambda script: script.sync(who))
    await eventually(lambda: f'"author": "{who}"' in ombud.log or f'"author":"{who}"' in ombud.log)


@both
async def test_a_gap_is_logged_with_both_ends_and_reading_goes_on(
    wire: str, ombud: Shared, http: httpx.AsyncClient, stream: Background, who: str
) -> None:
    script = stream.script
    reason = {"v1": "clamped", "v2": "CursorTooOld"}[wire]
    stream.happen(lambda script: script.commit(who, "create", "3k1", "before"))
    await scored(http, id_of(wire, who, "3k1"))

    async def lose() -> None:
        before = script.log[-1].at
        script.refuse = (503, "Unavailable")
        await script.close(1012)
        script.commit(who, "create", "3k2", "lost", after=timedelta(minutes=10))
        script.commit(who, "create", "3k3", "found", after=timedelta(minutes=10))
        script.floor, script.refuse = len(script.log), None
        assert before < script.log[-2].at

    stream.run(lose())
    await eventually(lambda: script.listeners == 2)
    stream.happen(lambda script: script.commit(who, "create", "3k4", "after"))
    await scored(http, id_of(wire, who, "3k4"))
    gaps = [json.loads(line) for line in ombud.log.splitlines() if '"gap"' in line]
    gap = [each for each in gaps if each["source"] == wire and each["reason"] == reason][-1]
    assert gap["since"] < gap["until"]
    assert not await read(http, id_of(wire, who, "3k2"))


async def test_a_recorded_v1_stream_ends_in_the_posts_that_are_still_there(
    http: httpx.AsyncClient, redis: Redis, stream: Background
) -> None:
    lines = REPLAY.read_bytes().splitlines()
    frames = [json.loads(line) for line in lines]
    stream.happen(*(lambda script, line=line: script.garbage(line) for line in lines))  # type: ignore[misc]
    asleep, mole, picture = (id_of("v1", frames[n]["did"], frames[n]["commit"]["rkey"]) for n in (1, 2, 6))
    post = await becomes(http, asleep, text="The referee was asleep again, all of them were")
    assert post["created_at"] == "2024-09-09T19:46:01.950000Z"
    await becomes(http, mole, text=None)
    await becomes(http, picture, text="A mole with a whistle")

    async def told() -> list[Any]:
        """Return what was said, once the last of it was; the store knows of a post before its stream does."""
        found = await ingested(redis, asleep, mole, picture)
        return found if found and found[-1].post_id == picture else []

    said = await eventually(told)
    erased = [post for post in said if post.post_id != mole]  # the janitor may have taken the deleted one out already
    assert [post.post_id for post in erased] == [asleep, asleep, picture]
    assert erased[1].edited_at.isoformat().startswith("2024-09-09T19:46:02")
    assert all(post.reply_to == asleep for post in said if post.post_id == mole)
