"""Deterministic counters of one batch of 200 posts through all services: these gate.

SQL statements and Redis commands must not grow with the posts of a batch; bytes per post are what disks pay.
"""

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import redis as redis_sync
from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from shared.runtime import Platform, Service
from tests.bench.pipeline import settled
from tests.bench.workload import texts
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

POSTS = 200
CORRECTIONS, CALLERS = 64, 16
LIMITS = {
    "SQL statements per batch, classifier": 16,
    "SQL statements per batch, trainer": 6,
    "SQL statements per batch, auditor": 10,
    "SQL statements per batch, reporter": 8,
    "Redis writes per post (XADD)": 3.2,
    "SQL commits per correction with a key, 16 callers": 0.5,
    "SQL statements per correction with a key, 16 callers": 1.0,
    "bytes of one post on posts.ingested, mean": 700,
    "bytes of one post on posts.scored, mean": 1_500,
}


class Statements:
    """Counts SQL statements of one service's handlers; `executemany` is one. Loops ask by the clock, so not theirs."""

    def __init__(self, service: Service) -> None:
        self.count = 0
        self._loops = {loop.name for loop in service.loops}

    def __call__(self, *_: object) -> None:
        task = asyncio.current_task()
        self.count += task is None or task.get_name() not in self._loops


async def measure(folder: Path, console: Console) -> list[str]:
    """Send one batch through an embedded Ombud, print the counters and return those over their limit."""
    broker = Broker(folder / "broker").start()
    try:
        async with embedded(folder / "data", broker.url) as (http, platform):
            await eventually(lambda: _rescored(http), 60)  # what the first promotion leads to is no batch's
            counted = _listen(platform)
            before = _commands(broker)
            posts = [{"platform": "count", "external_id": str(n), "text": text} for n, text in enumerate(texts(POSTS))]
            (await http.post("/v1/posts", json=posts)).raise_for_status()
            await eventually(lambda: settled(broker.url, POSTS), 60)
            values = {f"SQL statements per batch, {name}": float(each.count) for name, each in counted.items()}
            commands = _commands(broker)
            values["Redis writes per post (XADD)"] = (commands["cmdstat_xadd"] - before["cmdstat_xadd"]) / POSTS
            for stream in ("posts.ingested", "posts.scored"):
                values[f"bytes of one post on {stream}, mean"] = _bytes(broker, stream)
            commits, statements, rate = await _corrected(http, platform)
            values["SQL commits per correction with a key, 16 callers"] = commits
            values["SQL statements per correction with a key, 16 callers"] = statements
            console.print(f"corrections with a key from {CALLERS} callers: {rate:,.0f}/s, learned from meanwhile")
    finally:
        broker.stop()
    table = Table("counter", "value", "limit")
    for name, limit in LIMITS.items():
        table.add_row(name, f"{values[name]:,.2f}", f"<= {limit:,}")
    console.print(table)
    faults = [name for name, limit in LIMITS.items() if values[name] > limit]
    for name in faults:
        console.print(f"over its limit: {name}")
    return faults


async def _corrected(http: httpx.AsyncClient, platform: Platform) -> tuple[float, float, float]:
    """Return commits and statements of ingest per correction, and corrections per second, from callers at once."""
    (ingest,) = (each for each in platform.services if each.name == "ingest")
    commits: Counter[str] = Counter()
    event.listen(ingest.database.engine.sync_engine, "commit", lambda _: commits.update(["commit"]))
    statements = Statements(ingest)
    event.listen(ingest.database.engine.sync_engine, "before_cursor_execute", statements)
    turn = asyncio.Semaphore(CALLERS)

    async def one(number: int) -> None:
        said = {"text": f"correction {number} of a bench", "spoke_about": ["insult"], "verdict": "incorrect"}
        async with turn:
            (
                await http.post("/v1/feedback", json=said, headers={"Idempotency-Key": f"bench-{number}"})
            ).raise_for_status()

    begun = time.perf_counter()
    await asyncio.gather(*map(one, range(CORRECTIONS)))
    seconds = time.perf_counter() - begun
    return commits["commit"] / CORRECTIONS, statements.count / CORRECTIONS, CORRECTIONS / seconds


async def _rescored(http: httpx.AsyncClient) -> bool:
    runs = (await http.get("/v1/analysis-runs")).json()
    return any((run["kind"], run["state"]) == ("rescore", "finished") for run in runs)


def _listen(platform: Platform) -> dict[str, Statements]:
    counted = {}
    for service in platform.services:
        if service.name != "ingest":
            counted[service.name] = Statements(service)
            event.listen(service.database.engine.sync_engine, "before_cursor_execute", counted[service.name])
    return counted


def _commands(broker: Broker) -> Counter[str]:
    with broker.client() as redis:
        return Counter({name: row["calls"] for name, row in redis.info("commandstats").items()})  # type: ignore[union-attr]


def _bytes(broker: Broker, stream: str) -> float:
    with redis_sync.Redis.from_url(broker.url) as redis:
        sizes = [len(fields[b"__data__"]) for _, fields in redis.xrange(stream)]  # type: ignore[union-attr]
    return sum(sizes) / len(sizes)
