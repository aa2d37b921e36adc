"""A real reporter over SQLite, a scripted AVID on a real port, and short ways to say what the reporter hears."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import select

from services.reporter.dispatching import Dispatcher
from services.reporter.handlers import Handlers
from services.reporter.hooking import Hooking
from services.reporter.sealing import Seal
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from services.reporter.tables import metadata, posts
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from shared import errors
from shared.auth import Principal, hash_key
from shared.bus.erasures import server_millis
from shared.bus.publisher import Publisher, connect
from shared.db import Database
from shared.embedded import PrivateBroker
from shared.events import (
    Event,
    ModelPromoted,
    ModelTrained,
    Post,
    PostCorrected,
    PostDeleted,
    PostScored,
    PostStatusChanged,
    said,
)
from shared.runtime import Platform, Service
from shared.settings import BusSettings, Settings
from shared.vocabulary import Scope, Status, Verdict, Visibility
from tests.support.receiver import Receiver

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = {
    "reader": Scope.READ,
    "writer": Scope.REPORT,
    "other": Scope.REPORT,
    "reviewer": Scope.REVIEW,
    "admin": Scope.ADMIN,
}


def minute(number: float) -> datetime:
    """Return a moment of the day all tests play on."""
    return START + timedelta(minutes=number)


class Say:
    """Builds what the reporter hears; times are minutes, and an edited post has its edit minute as revision."""

    def scored(
        self,
        post_id: str,
        overall: float = 0.9,
        at: float = 0,
        *,
        edited: int = 0,
        text: str = "some words",
        url: str | None = None,
        author: str | None = None,
        version: str = "v1",
        scores: dict[str, float] | None = None,
        written: float | None = None,
    ) -> Event[PostScored]:
        """Return a score; what is at least 0.5 is flagged."""
        score = PostScored(
            post=Post(
                post_id=post_id,
                platform="forum",
                external_id=post_id,
                text=text,
                url=url,
                revision=edited,
                author=author,
                created_at=None if written is None else minute(written),
            ),
            scores=scores or {"toxic": overall, "insult": overall / 2},
            overall=overall,
            flagged=overall >= 0.5,
            model="ombud-scorer",
            model_version=version,
            thresholds={"toxic": 0.5, "insult": 0.5},
            scored_at=minute(at),
        )
        return said(score, by="classifier", cause=f"{post_id} {edited} {at} {overall} {version}")

    def status(self, post_id: str, status: Status, sequence: int = 1) -> Event[PostStatusChanged]:
        """Return a change of status."""
        change = PostStatusChanged(
            post_id=post_id,
            status=status,
            rule="score_band",
            sequence=sequence,
            changed_at=minute(sequence),
            first_changed_at=START,
        )
        return said(change, by="auditor", cause=f"{post_id} {sequence}")

    def corrected(self, post_id: str | None, name: str, at: float = 0, **more: Any) -> Event[PostCorrected]:
        """Return a correction; without more it says that nothing is wrong with the post."""
        values: dict[str, Any] = {"verdict": Verdict.INCORRECT, "text": None if post_id else "loose words"} | more
        correction = PostCorrected(correction_id=name, post_id=post_id, corrected_at=minute(at), **values)
        return said(correction, by="ingest", cause=f"correction {name}")

    def retracted(self, name: str, at: float = 0) -> Event[PostCorrected]:
        """Return the taking back of a correction."""
        return self.corrected(None, f"undo {name}", at, retracts=name, text=None, verdict=Verdict.UNSURE)

    def deleted(self, post_id: str | None = None, author: str | None = None, at: float = 60) -> Event[PostDeleted]:
        """Return the deletion of a post, or the erasure of an author."""
        platform = "forum" if author else None
        gone = PostDeleted(post_id=post_id, platform=platform, author=author, deleted_at=minute(at))
        return said(gone, by="ingest", cause=f"gone {post_id} {author} {at}")

    def hidden(self, author: str, at: float = 60, visibility: Visibility = Visibility.HIDDEN) -> Event[PostDeleted]:
        """Return that an author is out of sight, or back."""
        data = PostDeleted(platform="forum", account=author, visibility=visibility, deleted_at=minute(at))
        return said(data, by="ingest", cause=f"{visibility} {author} {at}")

    def shown(self, author: str, at: float = 60) -> Event[PostDeleted]:
        """Return that an author is back."""
        return self.hidden(author, at, Visibility.SHOWN)

    def trained(self, version: str, at: float = 0, **metrics: float) -> Event[ModelTrained]:
        """Return the end of a training run."""
        model = ModelTrained(
            run_id=f"run-{version}",
            model="ombud-scorer",
            model_version=version,
            data_hash="0" * 64,
            metrics=metrics,
            examples=100,
            corrections=5,
            trained_at=minute(at),
        )
        return said(model, by="trainer", cause=f"trained {version}")

    def promoted(self, version: str, at: float = 0) -> Event[ModelPromoted]:
        """Return the promotion of a model."""
        model = ModelPromoted(
            run_id=f"run-{version}",
            model="ombud-scorer",
            model_version=version,
            artifact="0" * 64,
            promoted_at=minute(at),
        )
        return said(model, by="trainer", cause=f"promoted {version} {at}")


@dataclass
class Reporter:
    """A reporter without a broker."""

    database: Database
    store: Store
    handlers: Handlers

    async def hear(self, *events: Event[Any]) -> None:
        """Hand over one batch of one stream."""
        handle = {
            PostScored: self.handlers.on_post_scored,
            PostStatusChanged: self.handlers.on_post_status_changed,
            PostCorrected: self.handlers.on_post_corrected,
            PostDeleted: self.handlers.on_post_deleted,
            ModelTrained: self.handlers.on_model_trained,
            ModelPromoted: self.handlers.on_model_promoted,
        }[type(events[0].data)]
        outcomes = await handle(list(events))  # type: ignore[operator]
        assert len(outcomes) == len(events)

    async def post(self, post_id: str) -> dict[str, Any]:
        """Return a post as the table has it."""
        async with self.store.read() as connection:
            row = await self.store.post(connection, post_id)
        assert row is not None
        return dict(row._mapping)

    async def all_posts(self) -> list[dict[str, Any]]:
        """Return every post as the table has it."""
        async with self.store.read() as connection:
            rows = await connection.execute(select(posts).order_by(posts.c.post_id))
            return [dict(row._mapping) for row in rows]

    async def everything(self) -> str:
        """Return all that stands in any table, to look for what must not."""
        found = []
        async with self.store.read() as connection:
            for table in metadata.sorted_tables:
                found += [f"{table.name}: {row}" for row in await connection.execute(select(table))]
        return "\n".join(found)


@asynccontextmanager
async def open_reporter(path: Path, sinks: tuple[str, ...] = ()) -> AsyncIterator[Reporter]:
    """Yield a reporter over the SQLite file at `path`."""
    database = Database(f"sqlite+aiosqlite:///{path}", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    store = Store(database)
    await store.open()
    yield Reporter(database, store, Handlers(store, sinks))
    await database.close()


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep addresses, keys and proxies of the environment away."""
    for name in ("AVID_API_URL", "AVID_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def say() -> Say:
    """Return the builder of events."""
    return Say()


@pytest.fixture
async def reporter(tmp_path: Path) -> AsyncIterator[Reporter]:
    """Yield a reporter with empty tables."""
    async with open_reporter(tmp_path / "reporter.sqlite3") as made:
        yield made


@pytest.fixture(scope="session")
def new_reporter(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    """Return a function that opens another reporter with empty tables each time."""
    return lambda: open_reporter(tmp_path_factory.mktemp("reporter") / "reporter.sqlite3")


@dataclass
class Avid:
    """An AVID that answers what the test tells it to, over real HTTP, and remembers what it got."""

    url: str
    answers: list[tuple[int, str, float]] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, status: int, text: str, after_s: float = 0.0) -> None:
        """Add the next answer; the last one is repeated."""
        self.answers.append((status, text, after_s))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.got.append((f"{scope['method']} {scope['path']}", headers, body))
        status, text, after_s = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(after_s)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text.encode()})


@pytest.fixture
async def avid() -> AsyncIterator[Avid]:
    """Yield an AVID on a port of the loopback address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    made = Avid(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(
        uvicorn.Config(made, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = True
    await serving
    listening.close()


def settings(**values: Any) -> ReporterSettings:
    """Return settings in a hurry."""
    return ReporterSettings(**{"avid_backoff_base_s": 0.01, "avid_backoff_limit_s": 0.02, **values})


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a broker that all tests of a session share."""
    made = PrivateBroker(tmp_path_factory.mktemp("broker"))
    with asyncio.Runner() as runner:
        runner.run(made.start())
        yield made
        runner.run(made.stop())


@pytest.fixture
async def platform(tmp_path: Path, broker: PrivateBroker) -> AsyncIterator[Platform]:
    """Yield a platform with the keys `reader`, `writer` and `reviewer`, which have one scope each."""
    made = Platform(Settings(data_dir=tmp_path, public_url="https://ombud.example/"), broker.url)
    known = {hash_key(name): Principal(f"id of {name}", name, frozenset({scope})) for name, scope in KEYS.items()}
    await made.keys.publish(known)
    yield made
    await made.redis.aclose()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a service's routes."""
    app = FastAPI()
    errors.install(app)
    for router in service.routers:
        app.include_router(router)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
        yield client


HOOKED = ["posts.scored", "posts.corrected"]


class Clock:
    """A clock that only goes when the test says so."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Sending:
    """A dispatcher on a real broker and a real database."""

    reporter: Reporter
    redis: Redis
    hooking: Hooking
    dispatcher: Dispatcher
    clock: Clock
    seal: Seal

    async def say(self, *events: Event[Any]) -> None:
        """Append events to their streams, all at once."""
        await Publisher(self.redis, BusSettings()).publish_many(events)

    async def say_in_turn(self, *events: Event[Any]) -> None:
        """Append events, each in a millisecond of its own, so that their order is that of the feed."""
        for event in events:
            await self.say(event)
            begun = await server_millis(self.redis)
            while await server_millis(self.redis) <= begun:
                continue

    async def make(
        self, receiver: Receiver, streams: list[str] | None = None, *, text: bool = False
    ) -> tuple[str, str]:
        """Make a webhook for the receiver, in a millisecond of the broker's in which nothing was said before."""
        begun = await server_millis(self.redis)
        while await server_millis(self.redis) <= begun:  # positions are milliseconds: what shares one counts as later
            continue
        made = await self.hooking.make(receiver.url, streams or HOOKED, text=text, description="", by="a test")
        self.clock.pass_(seconds=1)
        return made

    async def round(self) -> None:
        """Take what was said and post what is due."""
        await self.dispatcher()
        await self.dispatcher.idle()

    async def webhook(self, webhook_id: str) -> Any:
        async with self.reporter.store.read() as connection:
            return await self.reporter.store.webhook(connection, webhook_id)

    async def states(self, webhook_id: str) -> list[str]:
        """Return the state of every event of a webhook, oldest first."""
        async with self.reporter.store.read() as connection:
            rows = await self.reporter.store.line(connection, webhook_id, state=None, after=None, limit=1000)
        return [row.state for row in reversed(rows)]


@pytest.fixture
async def sending(reporter: Reporter, broker: PrivateBroker) -> AsyncIterator[Sending]:
    """Everything that sends, with a clock of the test's."""
    redis, clock = connect(broker.url), Clock()
    await redis.flushall()
    client = WebhookClient(private=True, timeout_s=5)
    tail = Tail(redis)
    seal = Seal()
    dispatcher = Dispatcher(reporter.store, tail, client, ReporterSettings(), clock, seal)
    yield Sending(reporter, redis, Hooking(reporter.store, tail, client, seal), dispatcher, clock, seal)
    await dispatcher.stop()
    await redis.aclose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who listens."""
    made = Receiver()
    with made.server:
        yield made
