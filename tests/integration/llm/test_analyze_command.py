"""`ombud analyze` as users run it: against a running Ombud, killed half way, resumed, within its budget."""

import asyncio
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.classifier.tables import calls, metadata, runs, scores
from shared.bus.publisher import connect
from shared.db import Database
from shared.events import Event
from tests.support.commands import command, ombud, surroundings
from tests.support.installed import install
from tests.support.kit import SCORED, entries
from tests.support.llm import KEY
from tests.support.ombud import ROOT, Processes
from tests.support.openai_server import OpenAiServer
from tests.support.servers import Broker, eventually

POSTS = 400


class World:
    """A classifier and what it needs, each in a process of its own, and posts that it scored locally."""

    def __init__(self, processes: Processes, broker: Broker, folder: Path) -> None:
        self.processes = processes
        self.broker = broker
        self.folder = folder

    def settings(self, api: OpenAiServer, **more: object) -> dict[str, Any]:
        return {
            "redis_url": self.broker.url,
            "classifier_openai_api_key": KEY,
            "classifier_openai_base_url": api.base_url,
            **more,
        }

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        database = Database(f"sqlite+aiosqlite:///{self.folder}/classifier.sqlite3", metadata)
        async with database.read() as at:
            found = [dict(row._mapping) for row in (await at.execute(select(table))).all()]
        await database.close()
        return found

    async def said(self) -> list[Event[Any]]:
        redis = connect(self.broker.url)
        found = await entries(redis, SCORED)
        await redis.aclose()
        return found


@pytest.fixture
def api() -> Iterator[OpenAiServer]:
    with OpenAiServer() as server:
        yield server


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    broker = Broker(install(tmp_path) / "broker", fsync="always").start()
    processes = Processes(tmp_path / "data", broker.url, trainer_corrections_per_run=1_000_000)
    made = World(processes, broker, tmp_path / "data")
    try:
        processes.start("ingest", "classifier")
        await processes.ready("ingest", "classifier", within=120)
        async with processes.client("ingest") as http:
            rows = [{"external_id": str(n), "text": f"post number {n}", "platform": "forum"} for n in range(POSTS)]
            answer = await http.post("/v1/posts", json={"posts": rows})
            assert answer.status_code == 202, answer.text

        async def scored() -> bool:
            return len(await made.rows(scores)) >= POSTS

        await eventually(scored, 60)
        yield made
    finally:
        processes.close()
        broker.stop()


@pytest.mark.slow
async def test_a_run_that_is_killed_goes_on_and_every_post_is_scored_and_said_once(
    world: World, api: OpenAiServer
) -> None:
    api.latency_s = 0.2
    settings = world.settings(api, classifier_analyzer_lease_s=3)
    process = subprocess.Popen(
        command("analyze"),
        env=surroundings(world.folder, **settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await eventually(lambda: len(api.requests) >= 12, 60, every=0.01)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    before = len([row for row in await world.rows(scores) if row["source"] == "llm"])
    assert 0 < before < POSTS
    done = await ombud("analyze", data_dir=world.folder, within=200, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"finished: {POSTS} of {POSTS} posts scored" in done.stdout
    by_llm = [row for row in await world.rows(scores) if row["source"] == "llm"]
    assert len(by_llm) == POSTS
    (run,) = [row for row in await world.rows(runs) if row["kind"] == "analyze"]
    assert (run["state"], run["posts_total"], run["scored"]) == ("finished", POSTS, POSTS)
    assert run["who"] and run["prompt_hash"] and run["batch_size"] == 10 and run["concurrency"] == 5
    assert run["input_tokens"] > 0 and run["output_tokens"] > 0 and run["cost_usd"] > 0
    said = [event for event in await world.said() if event.data.source.value == "llm"]
    assert set(Counter(event.data.post.post_id for event in said).values()) == {1}
    assert len(said) == POSTS
    assert KEY not in done.stdout + done.stderr
    assert "post number" not in done.stdout + done.stderr
    again = await ombud("analyze", data_dir=world.folder, **settings)
    assert again.returncode == 0
    assert "0 of 0 posts scored" in again.stdout


async def test_the_seeds_command_takes_a_limit_and_stops_at_the_budget(world: World, api: OpenAiServer) -> None:
    settings = world.settings(api, classifier_analyzer_limit=30)
    seed = [sys.executable, "-m", "services.classifier", "analyze"]
    done = await asyncio.to_thread(
        subprocess.run,
        seed,
        env=surroundings(world.folder, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: 30 of 30 posts scored" in done.stdout
    assert len(api.requests) == 3
    spent = sum(row["cost_nano"] for row in await world.rows(calls))
    cost = re.search(r"([\d.]+) USD", done.stdout.splitlines()[-1] if done.stdout else "")
    assert cost and float(cost[1]) == pytest.approx(spent / 1e9, abs=5e-5)
    poor = world.settings(api, classifier_analyzer_daily_budget="0.02")
    stopped = await ombud("analyze", data_dir=world.folder, **poor)
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "the day's budget is used up" in stopped.stdout
    assert sum(row["cost_nano"] for row in await world.rows(calls)) <= 20_000_000
    rich = await ombud("analyze", data_dir=world.folder, **world.settings(api))
    assert rich.returncode == 0
    assert len([row for row in await world.rows(scores) if row["source"] == "llm"]) == POSTS


async def test_without_a_key_it_says_so(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker").start()
    done = await ombud("analyze", data_dir=tmp_path, redis_url=broker.url)
    broker.stop()
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr
