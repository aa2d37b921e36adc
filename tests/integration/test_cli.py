"""The command line against a running Ombud: files of posts, streams, dead letters, erasing, inviting."""

import csv
import gzip
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from shared.bus.keys import dead_key
from shared.ids import post_id
from shared.streams import FLOW, mermaid
from tests.support.commands import command, succeeds, surroundings
from tests.support.commands import ombud as run
from tests.support.doors import events, scored
from tests.support.kit import settled
from tests.support.ombud import ROOT
from tests.support.servers import eventually
from tests.support.shapes import Shared


async def texts_of(redis: Redis, platform: str) -> dict[str, str]:
    """Return external id -> text of everything a platform sent; fails if something was let in twice."""
    posts = [event.data.post for event in await events(redis, "posts.ingested") if event.data.post.platform == platform]
    assert len(posts) == len({post.external_id for post in posts})
    return {post.external_id: post.text for post in posts}


async def ingest(ombud: Shared, file: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return await run("ingest", file, "--url", ombud.url, *options, data_dir=file.parent)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_jsonl_is_sent_whole_and_rejected_rows_are_reported(
    packed: bool, ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"posts.jsonl{'.gz' if packed else ''}"
    lines = [
        {"external_id": "1", "text": "one", "platform": name},
        {"id": 2, "body": "two", "platform": name, "language": "en", "score": 7},
        "no post at all",
        {"external_id": "4", "text": "", "platform": name},
        {"external_id": "5", "text": "five\nlines", "platform": name, "edited_at": None},
    ]
    raw = b"\xef\xbb\xbf" + b"\n".join([*map(orjson.dumps, lines), b"{broken", b'{"text": "\xff"}', b""])
    file.write_bytes(gzip.compress(raw) if packed else raw)
    done = await ingest(ombud, file)
    assert done.returncode == 1
    assert "7 rows: 3 accepted, 0 known already, 4 rejected" in done.stdout
    assert re.findall(r"line (\d+):", done.stdout) == ["3", "4", "6", "7"]
    assert "malformed_json" in done.stdout
    assert await texts_of(redis, name) == {"1": "one", "2": "two", "5": "five\nlines"}


@pytest.mark.parametrize("delimiter", [",", "\t"], ids=["csv", "tsv"])
async def test_csv_is_sent_with_empty_and_surplus_cells(
    delimiter: str, ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"posts.{'csv' if delimiter == ',' else 'tsv'}"
    with file.open("w", encoding="utf-8-sig", newline="", errors="surrogateescape") as out:
        rows = csv.writer(out, delimiter=delimiter)
        rows.writerow(["external_id", "text", "author", "edited_at"])
        rows.writerow(["1", 'with "quotes", commas\nand lines', "ann", "2026-01-01T00:00:00Z"])
        rows.writerow(["2", "nobody edited this", "", ""])
        rows.writerow(["3", "", "ann", ""])
        rows.writerow(["4", "one cell too many", "ann", "", "surplus"])
        rows.writerow(["5", "été ☃"])
        rows.writerow(["6", "no UTF-8: \udce9"])
    done = await ingest(ombud, file, "--platform", name)
    assert "6 rows: 3 accepted, 0 known already, 3 rejected" in done.stdout, done.stdout + done.stderr
    assert re.findall(r"line (\d+): (\w*)", done.stdout) == [("5", "text"), ("6", "surplus"), ("8", "")]
    kept = await texts_of(redis, name)
    assert kept == {"1": 'with "quotes", commas\nand lines', "2": "nobody edited this", "5": "été ☃"}


def start(words: list[str], data_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words, env=surroundings(data_dir), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


async def test_a_killed_ingestion_goes_on_where_it_stopped_and_loses_and_doubles_nothing(
    ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    count = 12_000
    file = tmp_path / "many.csv"
    file.write_text("comment_id,comment_text\n" + "".join(f"{n},number {n}\n" for n in range(count)))
    words = command("ingest", file, "--url", ombud.url, "--platform", name)
    begun = start(words, tmp_path)
    try:
        await eventually(lambda: list((tmp_path / "ingest").glob("*.json")), 30, 0.01)
    finally:
        begun.send_signal(signal.SIGKILL)
        begun.wait()
    assert begun.returncode == -signal.SIGKILL
    done = await ingest(ombud, file, "--platform", name)
    assert done.returncode == 0, done.stdout
    (going_on,) = re.findall(r"Going on after row (\d+)", done.stdout)
    assert 0 < int(going_on) < count
    ((rows, accepted, known, rejected),) = re.findall(
        r"(\d+) rows: (\d+) accepted, (\d+) known already, (\d+) rejected", done.stdout
    )
    assert (int(rows), int(rejected)) == (count, 0)
    assert int(accepted) + int(known) == count
    assert await texts_of(redis, name) == {str(n): f"number {n}" for n in range(count)}

    again = await ingest(ombud, file, "--platform", name, "--restart")
    assert f"{count} rows: 0 accepted, {count} known already, 0 rejected" in again.stdout


async def test_what_cannot_be_sent_is_said(ombud: Shared, tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text("weather,mood\nrain,fine\n")
    unclear = await ingest(ombud, file)
    assert unclear.returncode == 2 and "weather" in unclear.stderr and "--text" in unclear.stderr
    file.write_text('{"external_id": "1", "text": "one"}\n')
    unclear = await ingest(ombud, file, "--format", "parquet")
    assert unclear.returncode == 2 and "--format" in unclear.stderr
    refused = await ingest(ombud, file, "--format", "jsonl", "--key", "ombud_nobody")
    assert refused.returncode != 0 and "not known" in refused.stdout + refused.stderr
    missing = await run("ingest", tmp_path / "nothing.csv", data_dir=tmp_path)
    assert missing.returncode == 2


async def test_flow_prints_the_flow_as_it_is(tmp_path: Path) -> None:
    assert await succeeds("flow", data_dir=tmp_path) == mermaid()


async def test_streams_shows_every_group(ombud: Shared, redis: Redis, tmp_path: Path) -> None:
    await eventually(lambda: settled(redis), 60)
    said = await succeeds("streams", data_dir=tmp_path, redis_url=ombud.broker.url)
    lines = [line.replace("│", " ").split() for line in said.splitlines()]
    rows = [words for words in lines if words and words[0] in FLOW]
    assert [(row[0], row[1]) for row in rows] == [(stream.name, g) for stream in FLOW.values() for g in stream.heard_by]
    lengths = {row[0]: int(row[2]) for row in rows}
    assert lengths["posts.ingested"] == await redis.xlen("posts.ingested")


async def letters(ombud: Shared, folder: Path, *words: str) -> str:
    return await succeeds("dead-letters", *words, data_dir=folder, redis_url=ombud.broker.url)


async def letter_since(redis: Redis, key: str, before: int) -> str:
    async def found() -> Any:
        entries = await redis.xrange(key)
        return entries[-1][0].decode() if len(entries) > before else None

    return str(await eventually(found))


async def test_a_dead_letter_is_listed_shown_repaired_by_redriving_and_gone(
    ombud: Shared, redis: Redis, tmp_path: Path
) -> None:
    key = dead_key("models.promoted", "classifier")
    ((_, fields),) = await redis.xrevrange("models.promoted", count=1)
    event = orjson.loads(fields[b"__data__"])
    artifact = ombud.data_dir / "artifacts" / event["data"]["artifact"][:2] / event["data"]["artifact"]
    good = artifact.read_bytes()
    artifact.write_bytes(good[:-1])  # somebody damaged the model's file
    try:
        await redis.xadd("models.promoted", {"__data__": orjson.dumps(event)})
        entry = await letter_since(redis, key, 0)
    finally:
        artifact.write_bytes(good)
    name = f"models.promoted/classifier/{entry}"
    listed = await letters(ombud, tmp_path, "list", "--stream", "models.promoted")
    assert name in listed and "BadArtifact" in listed and "1 dead letters" in listed
    shown = orjson.loads(await letters(ombud, tmp_path, "show", name))
    assert shown["event"]["data"] == event["data"]
    assert (shown["error"], shown["event"]["attempt"]) == ("BadArtifact", 1)
    assert "no model of ours" in shown["reason"]

    assert "1 letters are tried again" in await letters(ombud, tmp_path, "redrive", name)
    await eventually(lambda: settled(redis, ("models.promoted", "classifier")))
    assert await redis.xlen(key) == 0
    none = await run("dead-letters", "show", name, data_dir=tmp_path, redis_url=ombud.broker.url)
    assert none.returncode == 2 and "no such letter" in none.stderr


async def test_dropping_takes_the_named_letters_only(ombud: Shared, redis: Redis, tmp_path: Path) -> None:
    key = dead_key("posts.rated", "trainer")
    for n in range(3):
        await redis.xadd("posts.rated", {"__data__": f"nonsense {n}"})
        await letter_since(redis, key, n)
    (first, _), *_ = await redis.xrange(key)
    group = ("--stream", "posts.rated", "--group", "trainer")
    assert "3 dead letters" in await letters(ombud, tmp_path, "list", *group)
    assert "1 letters dropped" in await letters(ombud, tmp_path, "drop", f"posts.rated/trainer/{first.decode()}")
    refused = await run("dead-letters", "drop", *group, data_dir=tmp_path, redis_url=ombud.broker.url)
    assert refused.returncode == 2 and "--all" in refused.stderr
    assert "2 letters dropped" in await letters(ombud, tmp_path, "drop", *group, "--all")
    assert await redis.xlen(key) == 0


async def test_a_redriven_letter_that_is_still_hopeless_comes_back(ombud: Shared, redis: Redis, tmp_path: Path) -> None:
    key = dead_key("posts.rated", "trainer")
    await redis.xadd("posts.rated", {"__data__": "still nonsense"})
    entry = await letter_since(redis, key, 0)
    await letters(ombud, tmp_path, "redrive", f"posts.rated/trainer/{entry}")
    again = await eventually(lambda: _other(redis, key, entry))
    assert "still nonsense" in str(orjson.loads(await letters(ombud, tmp_path, "show", again))["event"])
    await letters(ombud, tmp_path, "drop", again)


async def _other(redis: Redis, key: str, entry: str) -> str | None:
    return next((each.decode() for each, _ in await redis.xrange(key) if each.decode() != entry), None)


async def test_erase_takes_one_post_or_everything_of_an_author(
    ombud: Shared, http: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    for n in range(4):
        post = {"platform": "test", "external_id": f"{name}{n}", "text": "to be erased", "author": f"{name}{n // 2}"}
        await http.post("/v1/posts", json=post)
    ids = [post_id("test", f"{name}{n}") for n in range(4)]
    for each in ids:
        await scored(http, each)

    async def left() -> list[int]:
        posts = [(await http.get(f"/v1/posts/{each}")).json() for each in ids]
        return [n for n, post in enumerate(posts) if post["text"]]

    def erase(*words: str) -> Any:
        return succeeds("erase", "--url", ombud.url, *words, data_dir=tmp_path)

    async def becomes(expected: list[int]) -> None:
        async def so() -> bool:
            return await left() == expected

        await eventually(so)

    await becomes([0, 1, 2, 3])
    await erase("--post", ids[3])
    await becomes([0, 1, 2])
    await erase("--post", f"{name}2", "--platform", "test")
    await becomes([0, 1])
    await erase("--author", f"{name}0", "--platform", "test")
    await becomes([])
    for words in ((), ("--author", "a"), ("--post", "a", "--author", "b", "--platform", "c")):
        refused = await run("erase", "--url", ombud.url, *words, data_dir=tmp_path)
        assert refused.returncode == 2


async def test_invite_gives_whoever_has_the_machine_one_admin_key(ombud: Shared) -> None:
    link = (await succeeds("invite", data_dir=ombud.data_dir)).strip().splitlines()[-1]
    token = httpx.URL(link).params["token"]
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        given = await anybody.post("/welcome", data={"token": token})
        assert re.search(r"ombud_[\w-]{43}", given.text)
        assert (await anybody.post("/welcome", data={"token": token})).status_code == 410
