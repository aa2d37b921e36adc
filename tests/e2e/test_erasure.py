"""An author of a thousand posts wants to be forgotten: afterwards no word of theirs is left anywhere.

`ombud up` as people run it: private broker with an append-only file, SQLite files, artifacts, a log.
"""

import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis

from services.cli.connection import KEY_FILE, read_running
from shared.bus.keys import dead_key, delay_key
from shared.ids import post_id
from tests.support.commands import command, surroundings
from tests.support.databases import Databases
from tests.support.everywhere import files, places, rewritten, tables, tables_of_postgresql, uncompressed
from tests.support.inside import LocalInside, query
from tests.support.ombud import ROOT
from tests.support.servers import eventually

pytestmark = pytest.mark.slow

PLATFORM = "forum"
OTHERS = 100
TEXT, AUTHOR, CONTROL = "zwunderquast", "vorhemundra", "quizzelbrandt"
"""A word of every text of the author, the author's name, and a word of everybody else's texts."""
WORDS = (TEXT, AUTHOR)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
BOUND_S = 60.0
"""Time within which nothing may be left, with a janitor that comes every half second."""


@dataclass
class Running:
    """An `ombud up` of the test."""

    data: Path
    url: str
    redis_url: str
    process: subprocess.Popen[bytes]
    posts: int
    database_url: str | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def http(self) -> httpx.AsyncClient:
        key = (self.data / KEY_FILE).read_text()
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    @property
    def inside(self) -> LocalInside:
        return LocalInside(self.data, self.redis_url)

    async def left(self) -> list[str]:
        """Return every place that still holds a word of the author."""
        found = places(self.data, self.redis_url, WORDS)
        if self.database_url:
            found += [f"{each} ({word})" for word in WORDS for each in await self.rows(word)]
        return found

    async def rows(self, word: str) -> dict[str, int]:
        """Return table.column -> rows that hold a word."""
        if self.database_url:
            return await tables_of_postgresql(self.database_url, word)
        return {place.split(": ")[1]: counted(self.data, place, word) for place in tables(self.data, word)}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0


@asynccontextmanager
async def up(data: Path, output: Path, posts: int, database_url: str | None) -> AsyncIterator[Running]:
    settings: dict[str, object] = {"bus_janitor_every_s": 0.5, "bus_rewrite_every_s": 2, "port": 0}
    settings |= {"trainer_corrections_per_run": 20} | ({"database_url": database_url} if database_url else {})
    with output.open("wb") as out:
        process = subprocess.Popen(
            command("up", "--no-sample"),
            env=surroundings(data, key=None, log_level="DEBUG", **settings),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def ready() -> bool:
        assert process.poll() is None, output.read_text()
        return "Ctrl-C" in output.read_text()

    try:
        await eventually(ready, 120)
        running = read_running(data)
        assert running is not None
        uncompressed(running.redis_url)
        yield Running(data, running.url, running.redis_url, process, posts, database_url)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(40)


def post(n: int, word: str, author: str, *, edit: int = 0) -> dict[str, Any]:
    """Return post `n` of an author; every one and every edit has words of its own beside the common one."""
    name = f"{word}-{n}"
    body: dict[str, Any] = {
        "platform": PLATFORM,
        "external_id": f"{'mine' if word == TEXT else 'theirs'}-{n}",
        "text": f"you fool, {name} edit {edit} " + f"{word} " * (1 + n % 40) * (1 + 9 * (n % 50 == 7)),
        "author": author,
        "url": f"https://forum.example/@{author.replace(' ', '-')}/{n}",
    }
    return body | ({"edited_at": (NOW + timedelta(minutes=edit)).isoformat()} if edit else {})


def ids(word: str, count: int) -> list[str]:
    return [post_id(PLATFORM, post(n, word, "")["external_id"]) for n in range(count)]


async def send(http: httpx.AsyncClient, *posts: dict[str, Any]) -> None:
    answer = await http.post("/v1/posts", json=list(posts))
    assert answer.status_code == 202 and answer.json()["rejected_total"] == 0, answer.text


async def listed(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    found, after = {}, ""
    while after is not None:
        page = (await http.get(f"/v1/posts?platform={PLATFORM}&limit=1000{after and f'&after={after}'}")).json()
        found |= {each["post_id"]: each for each in page["posts"]}
        after = page["next"]
    return found


async def fill(ombud: Running) -> None:
    """Leave words of the author in every place that can hold some, and words of others beside them."""
    mine, theirs = ids(TEXT, ombud.posts), ids(CONTROL, OTHERS)
    author = f"{AUTHOR} tesselwick"
    async with ombud.http as http:
        for start in range(0, ombud.posts, 100):
            await send(http, *(post(n, TEXT, author) for n in range(start, start + 100)))
        await send(http, *(post(n, CONTROL, f"somebody {n % 7}") for n in range(OTHERS)))
        edits = [post(n, TEXT, author, edit=1) for n in range(0, ombud.posts, 10)]
        for nameless in edits[:5]:
            del nameless["author"]  # some bridges name the author only once
        await send(http, *edits)

        async def scored() -> bool:
            posts = await listed(http)
            edited = sum(each["revision"] > 0 for each in posts.values())
            return (
                len(posts) == ombud.posts + OTHERS and edited == len(edits) and all(p["status"] for p in posts.values())
            )

        await eventually(scored, 120, 0.5)
        # people speak about them: with the text, enough for the model to learn from it, and with a rating
        for n, name in enumerate([*mine[:30], *theirs[:10]]):
            text = post(n if name in mine else n - 30, TEXT if name in mine else CONTROL, author)["text"]
            said = {"post_id": name, "text": text, "feedback_type": "false_positive", "actual_categories": ["insult"]}
            assert (await http.post("/v1/feedback", json=said)).status_code == 202
            assert (await http.post("/v1/ratings", json={"post_id": name, "rating": n % 5})).status_code == 202

        async def learned() -> bool:
            runs = (await http.get("/v1/runs")).json()
            return any(run["trigger"] == "corrections" and run["finished_at"] and run["corrections"] for run in runs)

        await eventually(learned, 180, 0.5)
        # a complete report and a draft quote them
        evidence = [*mine[:3], mine[-1], *theirs[:2]]
        draft = (await http.post("/v1/reports", json={"post_ids": evidence})).json()
        change = {
            "version": draft["version"],
            "title": "Harmless posts are flagged",
            "error_type": "over-sensitive",
            "audit_category": "accuracy",
            "summary": "Posts that insult nobody were flagged.",
            "judgements": dict.fromkeys(evidence, "not_toxic"),
        }
        changed = (await http.patch(f"/v1/reports/{draft['id']}", json=change)).json()
        done = await http.post(f"/v1/reports/{draft['id']}/complete", json={"version": changed["version"]})
        assert done.status_code == 200, done.text
        assert (await http.post("/v1/reports", json={"post_ids": [mine[5], theirs[5]]})).status_code == 201
        pseudonym = (await http.get(f"/v1/posts/{mine[0]}")).json()["author"]
    with redis.Redis.from_url(ombud.redis_url) as client:
        # one that nobody can read becomes a dead letter, one waits for another try
        event = orjson.loads(client.xrange("posts.ingested", count=1)[0][1][b"__data__"])  # type: ignore[index]
        event["data"]["post"] |= {"revision": "many", "text": f"{TEXT} poison", "author": pseudonym}
        client.xadd("posts.ingested", {"__data__": orjson.dumps(event)})
        await eventually(lambda: client.xlen(dead_key("posts.ingested", "classifier")) == 1)
        for entry in client.xrange("posts.scored"):  # type: ignore[union-attr]
            if TEXT.encode() in entry[1][b"__data__"]:
                client.zadd(delay_key("posts.scored", "trainer"), {entry[1][b"__data__"]: time.time() * 1000 + 9e6})
                break


async def found_in(ombud: Running, kind: str) -> set[str]:
    """Return the places of the author's words whose names begin with `kind`."""
    return {re.sub(r"\W*\(\w+\)$", "", place) for place in await ombud.left() if place.startswith(kind)}


async def the_search_finds_everything(ombud: Running) -> None:
    """A search that finds nothing proves something only if it found all of this before."""
    assert {
        "classifier_posts.text",
        "classifier_posts.url",
        "trainer_posts.text",
        "trainer_corrections.text",
        "auditor_posts.text",
        "reporter_posts.text",
        "reporter_evidence.text",
        "reporter_reports.document",
    } <= (await ombud.rows(TEXT)).keys() | (await ombud.rows(AUTHOR)).keys()
    assert await found_in(ombud, "broker key") == {
        "broker key posts.ingested",
        "broker key posts.scored",
        "broker key posts.corrected",
        f"broker key {dead_key('posts.ingested', 'classifier')}",
        f"broker key {delay_key('posts.scored', 'trainer')}",
    }
    on_disk = await found_in(ombud, "file")
    assert any(".incr.aof" in place for place in on_disk), on_disk
    for service in () if ombud.database_url else ("classifier", "trainer", "auditor", "reporter"):
        assert any(place.startswith(f"file {service}.sqlite3") for place in on_disk), on_disk
    rewritten(ombud.redis_url)
    assert any(".base." in place for place in await found_in(ombud, "file")), "a rewritten file can be searched, too"


async def controls(ombud: Running) -> dict[str, Any]:
    """Return what is kept of everybody else: rows per column, and entries per stream."""
    streams = ("posts.ingested", "posts.scored", "posts.corrected")
    said = {name: sum(CONTROL in orjson.dumps(each).decode() for each in ombud.inside.said(name)) for name in streams}
    return await ombud.rows(CONTROL) | said


def counted(data: Path, place: str, word: str) -> int:
    """Return how many rows of `file: table.column` hold a word."""
    file, column = place.split(": ")
    table, name = column.split(".")
    sql = f"SELECT count(*) FROM {table} WHERE CAST({name} AS TEXT) LIKE '%{word}%'"  # noqa: S608
    return int(query(data / file, sql)[0][0])


async def erase(ombud: Running) -> None:
    async with ombud.http as http:
        answer = await http.post("/v1/erasures", json={"platform": PLATFORM, "author": f"{AUTHOR} tesselwick"})
        assert answer.status_code == 202


async def nothing_left(ombud: Running, what: str) -> None:
    begun, left = time.monotonic(), ["not searched yet"]
    while left and time.monotonic() - begun < BOUND_S:
        left = await ombud.left()
    assert left == [], f"{what}: still there after {BOUND_S:.0f} s"
    ombud.figures[what] = time.monotonic() - begun


async def tombstones_stand(ombud: Running) -> None:
    async with ombud.http as http:
        posts = await listed(http)
        history = (await http.get(f"/v1/posts/{ids(TEXT, 1)[0]}/status")).json()
    for name in ids(TEXT, ombud.posts):
        gone = posts[name]
        assert (gone["text"], gone["author"], bool(gone["deleted_at"])) == (None, None, True)
        assert gone["scores"] and gone["status"] and gone["external_id"]
    assert history["history"]
    for name in ids(CONTROL, OTHERS):
        assert CONTROL in posts[name]["text"] and posts[name]["author"] and not posts[name]["deleted_at"]


async def send_again(ombud: Running) -> None:
    """A bridge that missed the deletion sends what it has: the same posts, edits of them, and a quotation."""
    author = f"{AUTHOR} tesselwick"
    nameless = {name: value for name, value in post(2, TEXT, author, edit=7).items() if name != "author"}
    again = [*(post(n, TEXT, author, edit=5) for n in range(20)), nameless, post(ombud.posts + 1, TEXT, author)]
    before = appended(ombud)
    async with ombud.http as http:
        await send(http, *again)
        said = {"post_id": ids(TEXT, 4)[3], "text": f"{TEXT} quoted", "feedback_type": "false_positive"}
        assert (await http.post("/v1/feedback", json=said)).status_code == 202
    # the janitor may have been quicker than any search, but the streams count what they ever held
    assert appended(ombud) == (before[0] + len(again), before[1] + 1)


def appended(ombud: Running) -> tuple[int, int]:
    """Return how many posts and how many corrections were ever appended."""
    with redis.Redis.from_url(ombud.redis_url) as client:
        posts, corrections = (client.xinfo_stream(name) for name in ("posts.ingested", "posts.corrected"))
    return posts["entries-added"], corrections["entries-added"]  # type: ignore[index]


@pytest.mark.parametrize(("dialect", "posts"), [("sqlite", 1000), ("postgresql", 200)])
async def test_an_author_of_a_thousand_posts_leaves_no_text_anywhere(
    dialect: str, posts: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, databases = tmp_path / "data", Databases(tmp_path)
    where = (posts, databases.url(dialect) if dialect == "postgresql" else None)
    try:
        async with up(data, tmp_path / "first.txt", *where) as ombud:
            await fill(ombud)
            await the_search_finds_everything(ombud)
            before = await controls(ombud)
            await erase(ombud)
            await nothing_left(ombud, "erasure asked -> nothing left: s")
            await tombstones_stand(ombud)
            await send_again(ombud)
            await nothing_left(ombud, "sent again -> nothing left: s")
            await tombstones_stand(ombud)
            assert await controls(ombud) == before and len(before) >= 9
            figures = ombud.figures
            ombud.stop()
        assert files(data, WORDS) == []
        async with up(data, tmp_path / "second.txt", *where) as ombud:
            await tombstones_stand(ombud)
            assert await ombud.left() == []
            assert await controls(ombud) == before
            ombud.stop()
    finally:
        databases.stop()
    assert list((data / "artifacts").iterdir()), "models were searched as well"
    with capsys.disabled():
        print(f"\n{posts} posts of one author beside {OTHERS} of others, {dialect}")
        for what, value in figures.items():
            print(f"  {what:<40} {value:8.1f}")
