"""One, two and four processes of the classifier that wait for an LLM: how much more gets through.

Each process has one call of ten posts under way. What waits is what more processes help; their own work on a call (its
money, its claim, its answer: some 60 ms on a busy machine) they can share only while there are processors left.
"""

import asyncio
import time
from pathlib import Path

from redis.asyncio import Redis

from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from tests.bench.workload import ingested
from tests.support.ombud import Processes
from tests.support.openai_server import OpenAiServer
from tests.support.servers import Broker, eventually

LATENCIES_S = (0.02, 0.2)
"""As it was asked for, and what a quick real model needs at least; the shorter, the more our own work counts."""
REPLICAS = (1, 2, 4)
WANTED = {2: 1.8, 4: 3.3}
POSTS = 400
WARM = 40
BATCH = 10


async def per_second(folder: Path, replicas: int, latency_s: float) -> float:
    """Return posts a second from the first said to the last scored, with so many processes."""
    broker = Broker(folder / "broker").start()
    with OpenAiServer(latency_s=latency_s) as api:
        ombud = Processes(
            folder / "data",
            broker.url,
            log_level="WARNING",
            classifier_mode="llm",
            classifier_openai_api_key="scripted",
            classifier_openai_base_url=api.base_url,
            classifier_analyzer_concurrency=1,
            classifier_analyzer_batch_size=BATCH,
            classifier_analyzer_daily_budget=1_000,
        )
        try:
            ombud.start(*(f"classifier@{n + 1}" if n else "classifier" for n in range(replicas)))
            redis = connect(broker.url)
            try:
                return await _through(redis, api)
            finally:
                await redis.aclose()
        finally:
            ombud.terminate()
            broker.stop()


async def _through(redis: Redis, api: OpenAiServer) -> float:
    publisher = Publisher(redis, BusSettings())
    events = ingested(WARM + POSTS)
    await publisher.publish_many(events[:WARM])

    async def scored(count: int) -> bool:
        return int(await redis.xlen("posts.scored")) >= count

    await eventually(lambda: scored(WARM), 120, 0.05)
    await asyncio.sleep(2)  # every process has begun to look for work
    begun = time.perf_counter()
    await publisher.publish_many(events[WARM:])
    await eventually(lambda: scored(len(events)), 300, 0.02)
    return POSTS / (time.perf_counter() - begun)
