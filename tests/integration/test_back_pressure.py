"""Ingest asks its callers to wait while the classifier is behind, loses nothing meanwhile, and opens again."""

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.support.commands import ombud as run
from tests.support.doors import problem
from tests.support.ombud import Processes
from tests.support.servers import Broker, eventually

LIMIT = 5


def lines(start: int, count: int) -> bytes:
    return b"".join(b'{"external_id": "%d", "text": "number %d"}\n' % (n, n) for n in range(start, start + count))


async def test_a_backlog_is_429_with_retry_after_until_it_is_worked_off(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker").start()
    settings: dict[str, Any] = {
        "ingest_backlog_limit": LIMIT,
        "ingest_retry_after_s": 2,
        "ingest_import_patience_s": 1,
        "bus_sweep_every_s": 0.2,
    }
    processes = Processes(tmp_path / "data", broker.url, **settings)
    try:
        processes.start("ingest")
        await processes.ready("ingest")
        async with processes.client("ingest") as http:
            accepted = await http.post("/v1/posts:import", content=lines(0, LIMIT + 1))
            assert accepted.json()["accepted"] == LIMIT + 1

            # 1. behind: one post, many posts and a stream of lines are asked to wait
            await asyncio.sleep(1)  # the backlog is looked at five times a second
            late = [{"external_id": "late", "text": "a"}, {"external_id": "later", "text": "b"}]
            refused = await http.post("/v1/posts", json=late)
            problem(await http.post("/v1/posts", json=late[0]), 429, "backlog")
            assert refused.headers["retry-after"] == "2"
            problem(refused, 429, "backlog")
            begun = time.monotonic()
            streamed = await http.post("/v1/posts:import", content=lines(100, 3))
            problem(streamed, 429, "backlog")
            assert streamed.headers["retry-after"] == "2"
            assert time.monotonic() - begun >= 1
            assert broker.client().xlen("posts.ingested") == LIMIT + 1

            # 2. corrections and deletions are never asked to wait for posts
            assert (await http.post("/v1/feedback", json={"post_id": "p", "verdict": "unsure"})).status_code == 202
            assert (await http.delete("/v1/posts/p")).status_code == 202

            # 3. the command line waits as long as it takes, while the others come up and work the backlog off
            file = tmp_path / "more.jsonl"
            file.write_bytes(lines(200, 50))
            processes.start("classifier", "trainer")
            url = f"http://127.0.0.1:{processes.ports['ingest']}"
            done = await run("ingest", file, "--url", url, data_dir=tmp_path, within=60)
            assert (done.returncode, "50 accepted, 0 known already, 0 rejected" in done.stdout) == (0, True), (
                done.stdout
            )
            await eventually(lambda: broker.client().xlen("posts.scored") == LIMIT + 1 + 50, 30)
            again = await http.post("/v1/posts", json={"external_id": "last", "text": "welcome again"})
            assert again.status_code == 202
    finally:
        processes.terminate()
        broker.stop()
