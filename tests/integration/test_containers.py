"""The whole Ombud on a Valkey and a PostgreSQL that somebody else runs: here, two containers."""

import os
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from shared.embedded import free_port
from shared.sample import rows
from tests.support.commands import command, surroundings
from tests.support.doors import scored
from tests.support.ombud import KEY, ROOT, client, ready
from tests.support.servers import eventually

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

POSTS = 200


@pytest.fixture(scope="module")
def docker() -> None:
    """Skip, and say why, where no Docker daemon answers."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Docker daemon answers: {type(error).__name__}")
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # read when testcontainers is imported


@pytest.fixture(scope="module")
def servers(docker: None) -> Iterator[tuple[str, str]]:
    """Return the addresses of a Valkey and a PostgreSQL in containers."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer

    with RedisContainer("valkey/valkey:8") as valkey, PostgresContainer("postgres:17", driver=None) as postgres:
        redis_url = f"redis://{valkey.get_container_host_ip()}:{valkey.get_exposed_port(6379)}/0"
        yield redis_url, postgres.get_connection_url().replace("postgresql://", "postgresql+asyncpg://")


async def test_sample_posts_are_scored_and_get_a_status(servers: tuple[str, str], tmp_path: Path) -> None:
    redis_url, database_url = servers
    port = free_port()
    settings = {"redis_url": redis_url, "database_url": database_url, "port": port, "bootstrap_key": KEY}
    process = start(tmp_path, **settings)
    try:
        async with client(f"http://127.0.0.1:{port}") as http:
            await eventually(lambda: process.poll() is not None or ready(http), 90, 0.2)
            assert process.poll() is None, (tmp_path / "ombud.log").read_text()[-3000:]
            texts = {row.id: row.text for row in islice(rows("post"), POSTS)}
            posts = [{"external_id": name, "text": text} for name, text in texts.items()]
            answer = await http.post("/v1/posts", json=posts)
            assert (answer.status_code, answer.json()["accepted"]) == (202, POSTS)

            async def done() -> bool:
                counts = (await http.get("/v1/overview")).json()["posts"]
                decided = counts["needs_review"] + counts["status_flagged"] + counts["cleared"]
                return bool(counts["scored"] == decided == POSTS)

            await eventually(done, 60)
            page = (await http.get("/v1/posts?limit=1000")).json()["posts"]
            assert {post["external_id"]: post["text"] for post in page} == texts
            assert sqlite_files(tmp_path) == []

            # what SQLite would take and PostgreSQL does not: NUL in a text, numbers and bytes at the edge
            odd = {"external_id": "odd", "text": "a\x00b", "edited_at": "9998-12-31T23:59:59.999Z"}
            accepted = (await http.post("/v1/posts", json=odd)).json()
            assert (await scored(http, accepted["post_id"]))["text"] == "a\ufffdb"
    finally:
        process.terminate()
        assert process.wait(40) == 0


def sqlite_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.sqlite3"))


def start(data_dir: Path, **settings: object) -> subprocess.Popen[bytes]:
    """Start all five services in one process, with its log in the data folder."""
    names = ("ingest", "classifier", "trainer", "auditor", "reporter")
    with (data_dir / "ombud.log").open("wb") as log:
        return subprocess.Popen(
            command("run", *names),
            env=surroundings(data_dir, **settings),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
