"""A reporter that follows decisions over one SQLite file; time is what a test says."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.reporter.acting import Acting
from services.reporter.acts import Edge
from services.reporter.handlers import Handlers
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store
from services.reporter.tables import metadata
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, Post, PostCorrected, PostScored, PostStatusChanged, said
from shared.vocabulary import Status, Verdict
from tests.support.mastodon import snowflake

TOWN = "town.example"
ALL = {"toxic": 0.9, "hate_speech": 0.8, "insult": 0.1}
FIRST = datetime(2026, 11, 14, 12, tzinfo=UTC)


def number(n: int) -> str:
    """Return the platform's id of the nth post."""
    return snowflake(FIRST + timedelta(seconds=n))


@asynccontextmanager
async def empty_store(folder: Path) -> AsyncIterator[Store]:
    """Yield an empty store of the reporter."""
    database = Database(f"sqlite+aiosqlite:///{folder}/reporter.sqlite3", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    made = Store(database)
    await made.open()
    yield made
    await database.close()


class Deciding:
    """Handlers and acts."""

    def __init__(self, store: Store, chosen: ReporterSettings, edges: Mapping[str, Edge]) -> None:
        self.store = store
        self.handlers = Handlers(store, acts_hold=timedelta(seconds=chosen.acts_hold_s))
        self.acting = Acting(store, chosen, edges, lambda post: f"https://ombud.example/v1/posts/{post}")
        self.sequence = 0

    async def score(self, n: int, to: Status = Status.FLAGGED) -> None:
        post = Post(post_id=f"p{n}", platform=TOWN, external_id=number(n), text="some words", author="a1")
        scored = PostScored(
            post=post,
            scores=ALL,
            overall=0.9,
            flagged=True,
            model="test",
            model_version="1",
            thresholds=dict.fromkeys(ALL, 0.5),
            scored_at=utcnow(),
        )
        await self.handlers.on_post_scored([said(scored, by="classifier", cause=f"scored {n}")])
        await self.status(n, to)

    async def status(self, n: int, to: Status) -> None:
        self.sequence += 1
        change = PostStatusChanged(
            post_id=f"p{n}", status=to, rule="reviewer", sequence=self.sequence, changed_at=utcnow()
        )
        await self.handlers.on_post_status_changed([said(change, by="auditor", cause=f"status {n} {self.sequence}")])

    async def correct(self, n: int, verdict: Verdict = Verdict.CORRECT, name: str = "c", **more: Any) -> None:
        spoken = PostCorrected(
            correction_id=f"{name}{n}", post_id=f"p{n}", verdict=verdict, corrected_at=utcnow(), **more
        )
        await self.handlers.on_post_corrected([said(spoken, by="ingest", cause=f"{name} {n} {verdict}")])

    async def retract(self, n: int, name: str = "c") -> None:
        spoken = PostCorrected(
            correction_id=f"back {name}{n}", verdict=Verdict.UNSURE, retracts=f"{name}{n}", corrected_at=utcnow()
        )
        event: Event[PostCorrected] = said(spoken, by="ingest", cause=f"back {name} {n}")
        await self.handlers.on_post_corrected([event])

    async def decide(self, n: int, to: Status = Status.FLAGGED) -> None:
        """Let a reviewer decide about a post."""
        await self.score(n, to)
        await self.correct(n, Verdict.CORRECT if to is Status.FLAGGED else Verdict.INCORRECT)

    async def after(self, **time: float) -> list[tuple[str, str, str, bool]]:
        """Return the log after so much time: act, target, state, taken back."""
        await self.acting(utcnow() + timedelta(**time))
        async with self.store.read() as connection:
            rows = await self.store.page_of_acts(
                connection, outlet=None, post_id=None, state=None, before=None, limit=100
            )
        return [(row.act, row.target, row.state, row.back) for row in reversed(rows)]
