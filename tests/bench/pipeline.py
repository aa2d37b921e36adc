"""The whole pipeline against what the model's reference path alone scores of the same texts, in one run."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import redis as redis_sync

from shared.artifacts import ArtifactStore
from shared.bus.metrics import sweep
from shared.bus.publisher import connect
from shared.model import Model, load
from shared.model.paths import Plain
from shared.streams import SERVICES, groups
from tests.bench.workload import texts
from tests.support.ombud import Processes, client
from tests.support.servers import Broker, eventually

POSTS = 8_000
BATCH = 200
RATE, SECONDS = 200, 15


def model_alone(model: Model, posts: list[str]) -> float:
    """Return texts per second of the model's reference path by itself, in batches of 200 on one thread.

    The compiled path is some ten times as fast: beside it there would be nothing but the pipeline to see.
    """
    model = replace(model, path=Plain())
    model.score(posts[:BATCH])
    begun = time.perf_counter()
    for start in range(0, len(posts), BATCH):
        model.score(posts[start : start + BATCH])
    return len(posts) / (time.perf_counter() - begun)


async def live_model(http: httpx.AsyncClient, data_dir: Path) -> Model:
    """Return the model that scores in a running Ombud."""
    (newest, *_) = (await http.get("/v1/models")).raise_for_status().json()
    return load(ArtifactStore(data_dir / "artifacts").get(newest["artifact"]))


async def settled(url: str, count: int) -> bool:
    """Return whether every post came through and no group has anything left."""
    redis = connect(url)
    try:
        if min([await redis.xlen(stream) for stream in ("posts.scored", "posts.status_changed")]) < count:
            return False
        return not any(state.backlog for state in await sweep(redis, groups()))
    finally:
        await redis.aclose()


async def throughput(http: httpx.AsyncClient, url: str, posts: list[str]) -> float:
    """Return posts per second from the first byte sent until every service has settled the last post."""
    lines = b"".join(
        orjson.dumps({"platform": "bench", "external_id": str(n), "text": text}) + b"\n" for n, text in enumerate(posts)
    )
    begun = time.perf_counter()
    answer = await http.post("/v1/posts:import", content=lines, timeout=300)
    assert answer.json()["accepted"] == len(posts), answer.text
    await eventually(lambda: settled(url, len(posts)), 300, 0.2)
    return len(posts) / (time.perf_counter() - begun)


async def latencies(http: httpx.AsyncClient, url: str) -> list[float]:
    """Return milliseconds from accepted to scored at a steady rate, by the broker's own clock (entry ids)."""
    posts, begun = texts(RATE * SECONDS), time.perf_counter()

    async def send(n: int, text: str) -> None:
        body = {"platform": "steady", "external_id": str(n), "text": text}
        (await http.post("/v1/posts", json=body)).raise_for_status()

    async with asyncio.TaskGroup() as sending:
        for n, text in enumerate(posts):
            await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
            sending.create_task(send(n, text))
    await eventually(lambda: settled(url, len(posts)), 60, 0.1)
    with redis_sync.Redis.from_url(url) as redis:
        said = {_post(fields): _ms(entry) for entry, fields in redis.xrange("posts.ingested")}  # type: ignore[union-attr]
        scored = {_post(fields): _ms(entry) for entry, fields in redis.xrange("posts.scored")}  # type: ignore[union-attr]
    return sorted(scored[post] - at for post, at in said.items() if post[0] == "steady")


def _post(fields: dict[bytes, bytes]) -> tuple[str, str]:
    post = orjson.loads(fields[b"__data__"])["data"]["post"]
    return post["platform"], post["external_id"]


def _ms(entry: bytes) -> float:
    return float(entry.split(b"-")[0])


@asynccontextmanager
async def running(folder: Path, *processes: str) -> AsyncIterator[tuple[httpx.AsyncClient, str, Model]]:
    """Yield an Ombud as it is run for real: the named processes (`a+b` is one of both services) and a broker."""
    broker = Broker(folder / "broker").start()
    ombud = Processes(folder / "data", broker.url, log_level="WARNING")
    try:
        ombud.start(*processes)
        await ombud.ready(*processes)
        trainer, ingest = (next(name for name in processes if service in name) for service in ("trainer", "ingest"))
        async with ombud.client(trainer) as http:
            model = await live_model(http, folder / "data")
        async with client(f"http://127.0.0.1:{ombud.ports[ingest]}") as http:
            yield http, broker.url, model
    finally:
        ombud.terminate()
        broker.stop()


def one_process(folder: Path) -> AbstractAsyncContextManager[tuple[httpx.AsyncClient, str, Model]]:
    """Return an Ombud with all services in one process."""
    return running(folder, "+".join(SERVICES))


def split(folder: Path) -> AbstractAsyncContextManager[tuple[httpx.AsyncClient, str, Model]]:
    """Return an Ombud with each service in a process of its own."""
    return running(folder, *SERVICES)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)
