"""`ombud backup` while posts stream in, `ombud restore` into an empty folder: everything is there and fits together."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from services.cli.backup import MANIFEST, SEAL, Unusable, read
from shared.streams import SERVICES
from tests.support.commands import ombud, succeeds
from tests.support.servers import eventually
from tests.support.ups import processes_on, stop, up

WORDS = "you are a lovely person"


@asynccontextmanager
async def posting(url: str, key: str) -> AsyncIterator[list[str]]:
    """Send posts, ten at a time, for as long as somebody looks; yield the ids of those that were accepted."""
    accepted: list[str] = []

    async def send() -> None:
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
            for at in range(0, 20_000, 10):
                posts = [
                    {"platform": "backup", "external_id": f"{at + n}", "text": f"{WORDS} {at + n}"} for n in range(10)
                ]
                answers = await asyncio.gather(*(http.post("/v1/posts", json=post) for post in posts))
                accepted.extend(each.json()["post_id"] for each in answers if each.status_code == 202)

    sending = asyncio.create_task(send())
    try:
        yield accepted
    finally:
        sending.cancel()
        await asyncio.wait([sending])


def ids(file: Path, table: str) -> set[str]:
    """Return the posts of one table."""
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute(f"SELECT post_id FROM {table}")}  # noqa: S608


TABLES = {
    "classifier": "classifier_posts",
    "trainer": "trainer_posts",
    "auditor": "auditor_statuses",
    "reporter": "reporter_posts",
}
"""Where each service keeps the posts it heard of."""


async def test_a_backup_under_load_is_one_moment_and_goes_on_elsewhere(tmp_path: Path) -> None:
    data, other, copy = tmp_path / "data", tmp_path / "other", tmp_path / "copy"
    async with up(data, tmp_path / "up.txt", "--no-sample") as (process, url):
        key = (data / "cli.key").read_text()
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
            made = (await http.post("/v1/keys", json={"name": "reader", "scopes": ["read"]})).json()["key"]
        async with posting(url, key) as accepted:
            await eventually(lambda: len(accepted) > 200 and any((data / "artifacts").glob("*/*")), 200)
            before = list(accepted)
            said = await succeeds("backup", copy, data_dir=data, key=None)
            further = len(accepted) + 50
            await eventually(lambda: len(accepted) > further, 120)
            after = list(accepted)
        assert "as of" in said
        stop(process)
    files = set(read(copy).files)
    assert {f"{name}.sqlite3" for name in SERVICES} | {"broker.rdb", "settings.json"} <= files
    assert any(name.startswith("artifacts/") for name in files)
    seal = (data / SEAL).read_bytes()  # else the secrets of webhooks in the copy would open nowhere
    assert (copy / SEAL).read_bytes() == seal and (copy / SEAL).stat().st_mode & 0o077 == 0
    assert key not in (copy / "settings.json").read_text()
    assert copy.stat().st_mode & 0o077 == 0
    assert not list((data / "broker").glob("*.rdb"))  # the broker's snapshot holds texts: it does not stay

    assert "is as of" in await succeeds("restore", copy, "--data", other, data_dir=data, key=None)
    assert (other / SEAL).read_bytes() == seal and (other / SEAL).stat().st_mode & 0o077 == 0
    async with up(other, tmp_path / "other.txt", "--no-sample") as (process, url):
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {made}"}, timeout=60) as http:

            async def caught_up() -> bool:  # whatever was between two services at that moment has arrived
                kept = [ids(other / f"{name}.sqlite3", table) for name, table in TABLES.items()]
                return kept[0] >= set(before) and all(each == kept[0] for each in kept)

            await eventually(caught_up, 120)
            seen = (await http.get(f"/v1/posts/{before[-1]}")).json()  # the key that was made there is good here
            assert seen["text"].startswith(WORDS) and seen["scores"]
        restored = ids(other / "reporter.sqlite3", "reporter_posts")
        assert set(before) <= restored <= set(after)
        stop(process)
    assert processes_on(other) == []

    # what is there is not overwritten; with --force it is put aside
    refused = await ombud("restore", copy, "--data", other, data_dir=data, key=None)
    assert refused.returncode == 2 and "--force puts it aside" in refused.stderr
    assert ids(other / "reporter.sqlite3", "reporter_posts") == restored
    await succeeds("restore", copy, "--data", other, "--force", data_dir=data, key=None)
    (aside,) = other.glob("before-restore-*")
    assert ids(aside / "reporter.sqlite3", "reporter_posts") == restored
    assert (aside / SEAL).read_bytes() == seal
    assert ids(other / "reporter.sqlite3", "reporter_posts") <= restored

    # a backup of an Ombud that does not run
    again = tmp_path / "again"
    await succeeds("backup", again, "--data", other, data_dir=data, key=None)
    assert ids(again / "reporter.sqlite3", "reporter_posts") == ids(other / "reporter.sqlite3", "reporter_posts")
    assert processes_on(other) == []
    twice = await ombud("backup", again, "--data", other, data_dir=data, key=None)
    assert twice.returncode == 2 and "exists already" in twice.stderr

    # one changed byte, one file too few, a path that leads out
    rdb = again / "broker.rdb"
    whole = rdb.read_bytes()
    rdb.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    changed = await ombud("restore", again, "--data", tmp_path / "third", data_dir=data, key=None)
    assert changed.returncode == 1 and "broker.rdb is missing or was changed" in changed.stdout
    assert not (tmp_path / "third" / "broker").exists()
    rdb.unlink()
    with pytest.raises(Unusable, match=r"broker\.rdb is missing"):
        read(again)
    manifest = json.loads((again / MANIFEST).read_text())
    rdb.write_bytes(whole)
    manifest["files"] = {"../outside": manifest["files"]["broker.rdb"]}
    (again / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(Unusable, match="outside of the backup"):
        read(again)


async def test_nothing_is_backed_up_where_nothing_is_or_where_we_cannot_see_it(tmp_path: Path) -> None:
    empty = await ombud("backup", tmp_path / "copy", data_dir=tmp_path / "data", key=None)
    assert empty.returncode == 1 and "holds no Ombud" in empty.stdout
    address = "postgresql+asyncpg://ombud@db/ombud"
    elsewhere = await ombud("backup", tmp_path / "copy", data_dir=tmp_path / "data", database_url=address, key=None)
    assert elsewhere.returncode == 2 and "docs/howto/operate.md" in elsewhere.stderr
    assert not (tmp_path / "copy").exists() and not list(tmp_path.glob(".copy*"))
