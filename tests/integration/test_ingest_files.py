"""`ombud ingest` of every layout through real HTTP: posts arrive once, with a language; rejected rows are reported."""

import asyncio
import csv
import gzip
import io
import json
import re
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from shared.events import Post
from tests.support.commands import command, surroundings
from tests.support.commands import ombud as run
from tests.support.doors import MARKER, events
from tests.support.ombud import ROOT
from tests.support.servers import eventually
from tests.support.shapes import Shared


async def ingest(ombud: Shared, file: Path, *options: object, folder: Path | None = None) -> Any:
    return await run("ingest", file, "--url", ombud.url, *options, data_dir=folder or file.parent)


async def posts_of(redis: Redis, platform: str) -> dict[str, Post]:
    """Return external id -> post of everything a platform sent; fails if something was let in twice."""
    found = [event.data.post for event in await events(redis, "posts.ingested") if event.data.post.platform == platform]
    assert len(found) == len({post.external_id for post in found})
    return {post.external_id: post for post in found}


def table(delimiter: str, *rows: Sequence[object]) -> str:
    """Return rows as delimited text."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def document(entries: Iterable[tuple[str, list[str]]]) -> str:
    """Return posts as HateXplain's own file has them: one JSON object on one line."""
    shape = {"annotators": [{"label": "normal", "annotator_id": 1, "target": ["None"]}], "rationales": []}
    return json.dumps({name: {"post_id": name, "post_tokens": tokens, **shape} for name, tokens in entries})


DUTCH, ENGLISH = "wat een mooi doelpunt van die jongen gisteren", "what a lovely goal that boy scored yesterday"
FILES = {
    "jigsaw": table(
        ",", ["id", "comment_text", "toxic", "insult"], ["0a", ENGLISH, 0, 0], ["0b", "two\n\nlines, quoted", 1, 1]
    ),
    "civilcomments": table(
        ",",
        ["id", "target", "comment_text", "created_date", "publication_id", "parent_id", "article_id"],
        ["59848", 0.0, ENGLISH, "2015-09-29 10:50:41.987077+00", 2, "59847.0", 26],
    ),
    "davidson": table(
        ",",
        ["", "count", "hate_speech", "offensive_language", "neither", "class", "tweet"],
        [0, 3, 0, 0, 3, 2, f"RT @ada: {ENGLISH} &amp; more"],
    ),
    "hatexplain": document([("1179_twitter", DUTCH.split()), ("99_gab", ["<user>", "ok"])]),
    "communitynotes": table(
        "\t",
        ["noteId", "noteAuthorParticipantId", "createdAtMillis", "tweetId", "classification", "summary"],
        ["1576080654568358821", "A0FA", 1664601884868, 1575, "NOT_MISLEADING", f"&quot;{DUTCH}&quot;"],
    ),
}
TEXTS = {
    "jigsaw": {"0a": (ENGLISH, "en"), "0b": ("two\n\nlines, quoted", None)},
    "civilcomments": {"59848": (ENGLISH, "en")},
    "davidson": {"0": (f"RT @ada: {ENGLISH} & more", "en")},
    "hatexplain": {"1179_twitter": (DUTCH, "nl"), "99_gab": ("<user> ok", None)},
    "communitynotes": {"1576080654568358821": (f'"{DUTCH}"', "nl")},
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("layout", FILES)
async def test_a_data_set_is_recognised_and_its_posts_arrive(
    layout: str, packed: bool, ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "download"
    raw = FILES[layout].encode()
    file.write_bytes(gzip.compress(raw) if packed else raw)
    done = await ingest(ombud, file, "--platform", name)
    count = len(TEXTS[layout])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} rows: {count} accepted, 0 known already, 0 rejected" in done.stdout
    found = await posts_of(redis, name)
    assert {external: (post.text, post.language) for external, post in found.items()} == TEXTS[layout]
    if layout == "communitynotes":
        (note,) = found.values()
        assert note.author and note.author != "A0FA"
        assert note.created_at and note.created_at.isoformat() == "2022-10-01T05:24:44.868000+00:00"
    if layout == "civilcomments":
        assert all(post.reply_to and post.created_at for post in found.values())


async def test_a_data_set_without_another_name_is_a_platform_of_its_own(
    ombud: Shared, redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "notes.tsv"
    file.write_text(FILES["communitynotes"])
    done = await ingest(ombud, file)
    assert done.returncode == 0 and "Community Notes (fields 'noteId', 'summary')" in done.stdout
    assert "left out: 'tweetId', 'classification'" in done.stdout
    assert set(await posts_of(redis, "communitynotes")) == {"1576080654568358821"}


async def test_rows_without_ids_keep_theirs_wherever_the_file_lies(
    ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "texts.csv"
    file.write_text(f"text,label\n{name} one,1\n{name} two,0\n")
    assert (await ingest(ombud, file, "--platform", name)).returncode == 0
    packed = tmp_path / "elsewhere.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    again = await ingest(ombud, packed, "--platform", name, "--restart")
    assert "2 rows: 0 accepted, 2 known already" in again.stdout
    assert sorted(post.text for post in (await posts_of(redis, name)).values()) == [f"{name} one", f"{name} two"]


async def test_a_file_of_another_shape_is_taken_by_the_fields_that_are_named(
    ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "turns.csv"
    file.write_text(f"conv,turn,user\n1,{name}-1,hello there\n")
    refused = await ingest(ombud, file)
    assert refused.returncode == 2 and "conv" in refused.stderr and "hello" not in refused.stderr
    done = await ingest(ombud, file, "--text", "user", "--id", "turn", "--platform", name)
    assert done.returncode == 0, done.stderr
    assert set(await posts_of(redis, name)) == {f"{name}-1"}


async def test_every_rejected_row_is_reported_by_line_field_and_reason_and_never_by_text(
    ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    file, report = tmp_path / "posts.jsonl", tmp_path / "rejected.csv"
    good = {"external_id": "1", "text": "one"}
    lines: list[Any] = [good, {"id": 2}, [MARKER], {**good, "url": MARKER}, {"id": 3, "text": MARKER + "x" * 30_000}]
    lines += [{"id": n, "text": "", "note": MARKER} for n in range(1500)]  # more than the server lists of one request
    raw = [*map(orjson.dumps, lines), b'{"text": "' + MARKER.encode(), b'{"text": "\xff"}', b"x" * 2_000_000]
    file.write_bytes(b"\n".join([*raw, orjson.dumps({"id": "last", "text": "last"})]))
    done = await ingest(ombud, file, "--platform", name, "--rejected", report)
    assert done.returncode == 1, done.stderr
    assert "1509 rows: 2 accepted, 0 known already, 1507 rejected; see" in done.stdout
    with report.open(newline="") as rows:
        found = list(csv.DictReader(rows))
    assert [int(row["line"]) for row in found] == list(range(2, 1509))
    assert [(row["field"], row["reason"]) for row in found[:4]] == [
        ("text", "string_type"),
        ("", "model_type"),
        ("url", "string_pattern_mismatch"),
        ("text", "text_too_long"),
    ]
    assert [row["reason"] for row in found[-3:]] == ["malformed_json", "malformed_json", "line_too_long"]
    assert all(row["detail"] for row in found)
    assert MARKER not in report.read_text() + done.stdout + done.stderr
    assert done.stdout.count("\nline ") < 25 and "--rejected" in done.stdout
    assert set(await posts_of(redis, name)) == {"1", "last"}


def start(words: list[str], data_dir: Path) -> subprocess.Popen[bytes]:
    """Start a command that hears Ctrl-C, also where whoever runs the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            words, env=surroundings(data_dir), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)], ids=["kill", "ctrl-c"]
)
async def test_interrupted_it_goes_on_with_the_next_row_and_one_report(
    sign: signal.Signals, code: int, ombud: Shared, redis: Redis, tmp_path: Path, name: str
) -> None:
    count, every = 9_000, 50
    file, report, folder = tmp_path / "many.csv.gz", tmp_path / "rejected.jsonl", tmp_path / "data"
    lines = [f"{n},{'' if n % every == 0 else f'number {n}'}" for n in range(count)]
    file.write_bytes(gzip.compress("\n".join(["comment_id,comment_text", *lines]).encode()))
    options = ("--platform", name, "--rejected", report)
    begun = start(command("ingest", file, "--url", ombud.url, *options), folder)
    try:
        await eventually(lambda: list((folder / "ingest").glob("*.json")), 30, 0.005)
    finally:
        begun.send_signal(sign)
        await asyncio.to_thread(begun.wait, 30)
    assert begun.returncode == code
    done = await ingest(ombud, file, *options, folder=folder)
    (going_on,) = re.findall(r"Going on after row (\d+)", done.stdout)
    assert 0 < int(going_on) < count
    ((accepted, known, rejected),) = re.findall(r"(\d+) accepted, (\d+) known already, (\d+) rejected", done.stdout)
    assert (int(accepted) + int(known), int(rejected)) == (count - count // every, count // every)
    assert int(known) <= 1_000  # at most the chunk that was under way
    assert [orjson.loads(line)["line"] for line in report.read_bytes().splitlines()] == list(range(2, count, every))
    assert {key: post.text for key, post in (await posts_of(redis, name)).items()} == {
        str(n): f"number {n}" for n in range(count) if n % every
    }
    whole = await ingest(ombud, file, *options, folder=folder)
    assert f"Going on after row {count}" in whole.stdout and whole.returncode == 1
    assert len(report.read_bytes().splitlines()) == count // every
