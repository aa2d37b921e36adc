"""`ombud harvest` against a running Ombud, servers with the harvest tool's endpoints, and files."""

import csv
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pandas as pd
import pytest

from services.cli import pages
from tests.support.commands import ombud as run
from tests.support.coral import suggested
from tests.support.ombud import KEY
from tests.support.scripted import Quiet, Scripted
from tests.support.servers import eventually
from tests.support.shapes import Shared

Answer = tuple[int, dict[str, str], bytes]


def line(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "text": text,
        "feedback_type": "false_positive",
        "expected_categories": [],
        "actual_categories": ["insult"],
        "timestamp": "2026-03-01T12:00:00+00:00",
    } | fields


def written(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in path.read_bytes().splitlines()]


def said(answer: Any, status: int = 200, **headers: str) -> Answer:
    return status, headers, answer if isinstance(answer, bytes) else orjson.dumps(answer)


@contextmanager
def remote(script: Callable[[str, dict[str, list[str]], int], Answer]) -> Iterator[tuple[str, list[Any]]]:
    """Serve what `script` says to (path, query, how many times it was asked); yield the address and the requests."""
    requests: list[Any] = []
    lock = threading.Lock()

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            asked = urlsplit(self.path)
            with lock:
                times = sum(each[0] == self.path for each in requests)
                requests.append((self.path, self.headers.get("Authorization")))
            status, headers, body = script(asked.path, parse_qs(asked.query), times)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with Scripted(Handler) as server:
        yield server.url, requests


def seed(lines: Any) -> Callable[[str, dict[str, list[str]], int], Answer]:
    """Return a server that gives everything at once and knows nothing else, as the harvest tool's own does."""

    def script(path: str, query: dict[str, list[str]], times: int) -> Answer:
        return said(lines) if path == "/api/v1/feedback" else said({"detail": "Not Found"}, 404)

    return script


async def harvest(tmp_path: Path, *options: object, **settings: object) -> subprocess.CompletedProcess[str]:
    return await run("harvest", "--output", tmp_path / "out.jsonl", *options, data_dir=tmp_path, **settings)


async def test_what_was_said_to_a_running_ombud_becomes_lines_and_what_was_taken_back_goes_again(
    ombud: Shared, http: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    texts = [f"{word} {name}" for word in ("out", "in", "undone")]
    moments = ["2026-03-01T00:30:00+02:00", "2026-02-28T23:30:00-02:00", "2026-03-02T12:00:00+00:00"]
    sent = [line(text, timestamp=at) for text, at in zip(texts, moments, strict=True)]
    ids = [(await http.post("/api/v1/feedback", json=each)).json()["id"] for each in sent]
    out = tmp_path / "out.jsonl"

    async def arrived() -> bool:
        return all([(await http.get(f"/v1/corrections/{each}")).status_code == 200 for each in ids])

    await eventually(arrived)
    command = ("--url", ombud.url, "--since", "2026-03-01")
    done = await harvest(tmp_path, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    mine = {each["text"]: each for each in written(out) if name in each["text"]}
    assert sorted(mine) == sorted(texts[1:])
    assert mine[texts[1]]["labels"] == {"insult": 0}
    assert mine[texts[1]]["corrections"] == [ids[1]]

    before = out.read_bytes()
    assert (await harvest(tmp_path, *command)).returncode == 0
    assert out.read_bytes() == before

    await http.post("/v1/feedback", json={"retracts": ids[2]})

    async def undone() -> bool:
        return bool((await http.get(f"/v1/corrections/{ids[2]}")).json()["retracted"])

    await eventually(undone)
    assert (await harvest(tmp_path, *command)).returncode == 0
    assert [each["text"] for each in written(out) if name in each["text"]] == [texts[1]]
    frame = pd.read_json(out, lines=True)
    assert frame[frame["text"] == texts[1]]["labels"].item() == {"insult": 0}


async def test_a_correction_of_every_door_stands_in_the_one_ledger_and_a_guess_says_that_it_is_one(
    ombud: Shared, http: httpx.AsyncClient, tmp_path: Path, name: str
) -> None:
    texts = {door: f"{door} says {name}" for door in ("feedback", "lines", "approved", "rejected")}
    post = {"platform": "test", "external_id": name, "text": texts["feedback"]}
    post_id = (await http.post("/v1/posts", json=post)).json()["post_id"]
    given = [
        await http.post("/v1/feedback", json={"post_id": post_id, "actual_categories": ["insult"]}),
        await http.post("/api/v1/feedback", json=line(texts["lines"])),
    ]
    for number, door in enumerate(("approved", "rejected")):
        body = suggested(texts[door], f"{name}{number}", number)
        given.append(
            await http.post(f"/v1alpha1/comments:suggestscore?key={KEY}", json=body, headers={"Authorization": ""})
        )
    assert [each.status_code for each in given] == [202, 201, 200, 200], [each.text for each in given]

    async def arrived() -> bool:
        lines = (await http.get("/api/v1/feedback?limit=1000")).json()
        return {each["text"] for each in lines} >= set(texts.values())

    await eventually(arrived)
    done = await harvest(tmp_path, "--url", ombud.url)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["text"]: (each["labels"], each.get("weights")) for each in written(tmp_path / "out.jsonl")}
    assert [found[text] for text in texts.values()] == [
        ({"insult": 0}, None),
        ({"insult": 0}, None),
        ({"toxic": 0}, None),
        ({"toxic": 1}, {"toxic": 0.5}),
    ]


async def test_a_seeds_server_gives_everything_at_once_and_gets_no_key_of_ours(tmp_path: Path) -> None:
    with remote(seed([line("one"), line("two", timestamp="2026-02-28T23:59:59Z"), line("One!")])) as (url, requests):
        done = await harvest(tmp_path, "--inference-url", url, "--since", "2026-03-01")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 corrections read: 1 texts added" in done.stdout
    assert "1 too old" in done.stdout
    assert [each["text"] for each in written(tmp_path / "out.jsonl")] == ["One!"]
    assert {key for _, key in requests} == {None}
    assert "since=2026-03-01" in requests[0][0]


async def test_pages_are_followed_with_the_key_that_was_given_and_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    def script(path: str, query: dict[str, list[str]], times: int) -> Answer:
        if path.endswith("retractions"):
            return said([])
        if times == 0:
            return said(b"busy", 503, **{"Retry-After": "0"})
        page = int(query.get("page", ["0"])[0])
        return said([line(f"page {page}")], Link=f'<?page={page + 1}>; rel="next"' if page < 2 else "")

    with remote(script) as (url, requests):
        done = await harvest(tmp_path, "--inference-url", url, "--key", "theirs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [each["text"] for each in written(tmp_path / "out.jsonl")] == ["page 0", "page 1", "page 2"]
    assert {key for _, key in requests} == {"Bearer theirs"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(b"<html>words of somebody"), "no JSON"),
        (said({"items": []}), "no JSON array"),
        (said(b'[{"text": "words of'), "no JSON"),
        (said(["words of somebody"], 401), "HTTP 401, it wants a key"),
        (said([], Link='<http://127.0.0.1:9/api/v1/feedback>; rel="next"'), "another server"),
        (said([], Link='</api/v1/feedback?circle=1>; rel="next"'), "circle"),
        (said(b"[" + b" " * (pages.MOST_BYTES + 1) + b"]"), "64 MiB"),
    ],
    ids=["html", "object", "cut", "key", "elsewhere", "circle", "huge"],
)
async def test_a_server_that_gives_no_list_is_told_from_one_that_does_and_no_file_is_made(
    answer: Answer, reason: str, tmp_path: Path
) -> None:
    with remote(lambda *_: answer) as (url, _):
        done = await harvest(tmp_path, "--inference-url", url)
    told = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert done.returncode == 2
    assert reason in told
    assert "words of" not in told
    assert not (tmp_path / "out.jsonl").exists()


async def test_a_file_is_read_line_by_line_and_malformed_ones_are_reported_by_number(tmp_path: Path) -> None:
    lines = [
        orjson.dumps(line("one")),
        b"",
        b'{"text": "secret words"',
        orjson.dumps(line("secret words", timestamp="soon")),
        orjson.dumps(line("two", expected_categories=["rudeness", "threat"])),
        b"\xff\xfe",
    ]
    (tmp_path / "corrections.jsonl").write_bytes(b"\n".join(lines))
    report = tmp_path / "rejected.csv"
    done = await harvest(tmp_path, "--corrections", tmp_path / "corrections.jsonl", "--rejected", report)
    assert done.returncode == 1
    assert "2 texts added" in done.stdout
    assert "3 malformed, 1 unknown" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    with report.open() as file:
        found = [(row["line"], row["reason"]) for row in csv.DictReader(file)]
    assert found == [
        ("3", "malformed_json"),
        ("4", "timestamp"),
        ("6", "malformed_json"),
        ("5", "unknown_category"),
    ]


async def test_without_a_name_the_file_is_named_after_the_day_in_utc(tmp_path: Path) -> None:
    (tmp_path / "corrections.jsonl").write_bytes(orjson.dumps(line("one")))
    done = await run("harvest", "--corrections", tmp_path / "corrections.jsonl", data_dir=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (tmp_path / "feedback").iterdir()
    (found,) = written(made)
    assert made.name == f"harvest_{found['harvested_at'][:10].replace('-', '')}.jsonl"


async def test_a_file_that_is_no_harvest_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "corrections.jsonl").write_bytes(orjson.dumps(line("one")))
    (tmp_path / "out.jsonl").write_text('{"colour": "blue"}\n')
    done = await harvest(tmp_path, "--corrections", tmp_path / "corrections.jsonl")
    assert done.returncode == 2
    assert (tmp_path / "out.jsonl").read_text() == '{"colour": "blue"}\n'
