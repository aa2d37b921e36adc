"""One, two and four processes of the classifier that wait for an LLM: how much more gets through.

What more processes share is waiting. The set-up is fair while waiting is what one process does most of the time and
all of them together use less than the machine has: the work of a call (ten posts: its money, claim, answer, scores
and their announcement) is done by the classifier, PostgreSQL and the broker, and four processes do four times as much
of it. So the processor time per call of each part is measured in the same run and printed beside the ratio, with the
cores that were in use: where that comes near to all cores, the ratio tells how many cores there are, nothing of Ombud.

Only classifiers run; what they wait for is a scripted API on the loopback address whose every answer takes `latency_s`.
Each process has one call of ten posts under way at a time. Databases are PostgreSQL, as for every installation with
more than one process of a service: SQLite lets one of them write at a time. `posts.ingested` gets all posts at once;
the time runs from the first call after that to the last score on `posts.scored`.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from tests.bench.feed import cpu_s
from tests.bench.workload import ingested
from tests.support.databases import Databases
from tests.support.ombud import Processes, children_of
from tests.support.openai_server import OpenAiServer
from tests.support.servers import Broker, eventually

LATENCIES_S = (0.02, 0.2)
"""As it was asked for, and what a quick real model needs at least; the shorter, the more our own work counts."""
REPLICAS = (1, 2, 4)
WANTED = {2: 1.8, 4: 3.3}
POSTS = 1_500
WARM = 80
BATCH = 10


@dataclass(frozen=True)
class Pace:
    """Posts a second, milliseconds of processor time per call by who used it, and cores in use, of all there are."""

    per_second: float
    cpu_ms: dict[str, float]
    cores: float


async def pace(folder: Path, databases: Databases, replicas: int, latency_s: float) -> Pace:
    """Return how fast posts get through with so many processes, and what that takes."""
    broker = Broker(folder / "broker").start()
    with OpenAiServer(latency_s=latency_s) as api:
        ombud = Processes(
            folder / "data",
            broker.url,
            log_level="WARNING",
            database_url=await databases.migrated_url("classifier", "postgresql"),
            classifier_mode="llm",
            classifier_openai_api_key="scripted",
            classifier_openai_base_url=api.base_url,
            classifier_analyzer_concurrency=1,
            classifier_analyzer_batch_size=BATCH,
            classifier_analyzer_daily_budget=1_000,
        )
        names = [f"classifier@{n + 1}" if n else "classifier" for n in range(replicas)]
        try:
            ombud.start(*names)
            parts = {
                "classifiers": [ombud.pid(name) for name in names],
                "PostgreSQL": [databases.pid],
                "broker": [broker.pid],
                "the scripted API": [os.getpid()],
            }
            redis = connect(broker.url)
            try:
                return await _through(redis, api, parts)
            finally:
                await redis.aclose()
        finally:
            ombud.terminate()
            broker.stop()


async def _through(redis: Redis, api: OpenAiServer, parts: dict[str, list[int]]) -> Pace:
    publisher = Publisher(redis, BusSettings())
    events = ingested(WARM + POSTS)
    await publisher.publish_many(events[:WARM])

    async def scored(count: int) -> bool:
        return int(await redis.xlen("posts.scored")) >= count

    await eventually(lambda: scored(WARM), 120, 0.05)
    await asyncio.sleep(3)  # every process has begun to look for work
    before, calls = {name: _used(pids) for name, pids in parts.items()}, len(api.requests)
    await publisher.publish_many(events[WARM:])
    await eventually(lambda: len(api.requests) > calls, 60, 0.002)
    begun = time.perf_counter()
    await eventually(lambda: scored(len(events)), 300, 0.02)
    took = time.perf_counter() - begun
    used = {name: _used(pids) - before[name] for name, pids in parts.items()}
    asked = len(api.requests) - calls
    assert asked <= 1.2 * POSTS / BATCH, "calls were not full"
    return Pace(POSTS / took, {name: s * 1000 / asked for name, s in used.items()}, sum(used.values()) / took)


def _used(pids: list[int]) -> float:
    """Return the processor seconds of processes and of what they started that still runs, but for our own."""
    return sum(cpu_s(pid) + sum(map(cpu_s, children_of(pid) if pid != os.getpid() else ())) for pid in pids)
