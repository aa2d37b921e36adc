"""`ombud up` as a newcomer runs it: shows the sample, drains on Ctrl-C, finds its data again, leaves no process."""

import re
import signal
import time
from pathlib import Path

import httpx

from shared.sample import rows
from tests.support.commands import ombud as run
from tests.support.commands import succeeds
from tests.support.servers import eventually
from tests.support.ups import processes_on, stop, up

SAMPLE = [row.text for row in rows("post")]


async def test_up_shows_the_sample_stops_orderly_and_finds_its_data_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with up(data, tmp_path / "first.txt") as (process, url):
        said = (tmp_path / "first.txt").read_text()
        assert f"{len(SAMPLE)} posts scored" in said
        assert str(len(SAMPLE)) in page(f"{url}/overview")
        assert "swagger" in page(f"{url}/docs")
        brokers = processes_on(data)
        assert brokers and all(re.search("valkey|redis", words) for words in brokers)

        # other commands find it by its folder alone, with the key of this machine
        assert "posts.ingested" in await command_here(data, "streams")
        file = tmp_path / "one.jsonl"
        file.write_text('{"external_id": "mine", "text": "zwunderquast"}\n')
        assert "1 accepted" in await command_here(data, "ingest", file)
        assert "errors: 0, warnings: 0" in await command_here(data, "doctor")
        second = await run("up", data_dir=data)
        assert second.returncode == 2 and "another Ombud already runs" in second.stderr

        # the printed link works once
        token = httpx.URL(re.findall(r"http://\S+/welcome\?token=\S+", said)[0]).params["token"]
        key = first_key(url, token)
        await eventually(lambda: counts(url, key)["scored"] == len(SAMPLE) + 1)
        before = counts(url, key)
        assert stop(process, signal.SIGINT) < 20
    assert "Drained and stopped" in (tmp_path / "first.txt").read_text()
    assert processes_on(data) == []

    begun = time.monotonic()
    async with up(data, tmp_path / "second.txt") as (process, url):
        assert time.monotonic() - begun < 20
        assert counts(url, key) == before
        assert "accepted" not in (tmp_path / "second.txt").read_text()
        stop(process, signal.SIGTERM)
    assert processes_on(data) == []

    log = (data / "ombud.log").read_text()
    own_key = (data / "cli.key").read_text()
    assert log.count('"draining"') == 2
    for secret in (key, own_key, token, "zwunderquast", *SAMPLE):
        assert secret not in log
    assert (data / "cli.key").stat().st_mode & 0o077 == 0


async def command_here(data: Path, *words: object) -> str:
    return await succeeds(*words, data_dir=data, key=None)


def page(url: str) -> str:
    return httpx.get(url).raise_for_status().text


def first_key(url: str, token: str) -> str:
    given = httpx.post(f"{url}/welcome", data={"token": token})
    (key,) = re.findall(r"ombud_[\w-]{43}", given.text)
    return str(key)


def counts(url: str, key: str) -> dict[str, int]:
    answer = httpx.get(f"{url}/v1/overview", headers={"Authorization": f"Bearer {key}"})
    return dict(answer.raise_for_status().json()["posts"])
