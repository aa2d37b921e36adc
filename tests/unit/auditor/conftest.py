"""A real auditor over SQLite, and short ways to say what it hears."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.auditor.handlers import Handlers
from services.auditor.status.live import Policy
from services.auditor.store import Store
from services.auditor.tables import metadata
from shared.db import Database
from shared.events import Event, Post, PostCorrected, PostDeleted, PostRated, PostScored, said
from shared.vocabulary import Verdict

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: float) -> datetime:
    """Return a moment of the day all tests play on."""
    return START + timedelta(minutes=number)


class Say:
    """Builds what the auditor hears; times are minutes, and an edited post has its edit minute as revision."""

    def scored(
        self, post_id: str, overall: float, at: float = 0, *, edited: int = 0, name: str = "", text: str = "some words"
    ) -> Event[PostScored]:
        """Return a score; what is at least 0.5 is flagged."""
        post = Post(
            post_id=post_id,
            platform="forum",
            external_id=post_id,
            text=text,
            revision=edited,
            edited_at=minute(edited) if edited else None,
        )
        score = PostScored(
            post=post,
            scores={"toxic": overall},
            overall=overall,
            flagged=overall >= 0.5,
            model="local",
            model_version=f"v{at}",
            thresholds={},
            scored_at=minute(at),
        )
        return said(score, by="classifier", cause=f"{post_id} {edited} {at} {overall} {name}")

    def corrected(
        self,
        post_id: str | None,
        name: str,
        at: float = 0,
        *,
        verdict: Verdict = Verdict.INCORRECT,
        expected: tuple[str, ...] = (),
        actual: tuple[str, ...] = (),
    ) -> Event[PostCorrected]:
        """Return a correction; without more it says that nothing is wrong with the post."""
        correction = PostCorrected(
            correction_id=name,
            post_id=post_id,
            text=None if post_id else "some words",
            verdict=verdict,
            expected_categories=expected,
            actual_categories=actual,
            corrected_at=minute(at),
        )
        return said(correction, by="ingest", cause=f"correction {name}")

    def retracted(self, name: str, at: float = 0, *, post_id: str | None = None) -> Event[PostCorrected]:
        """Return the taking back of a correction."""
        retraction = PostCorrected(
            correction_id=f"undo {name}",
            post_id=post_id,
            verdict=Verdict.UNSURE,
            retracts=name,
            corrected_at=minute(at),
        )
        return said(retraction, by="ingest", cause=f"undo {name}")

    def rated(self, post_id: str, rater: str, rating: int | None, at: float = 0) -> Event[PostRated]:
        """Return one person's rating."""
        rating_ = PostRated(post_id=post_id, rater=rater, rating=rating, rated_at=minute(at))
        return said(rating_, by="ingest", cause=f"rating {post_id} {rater} {rating} {at}")

    def withdrawn(self, rater: str) -> Event[PostRated]:
        """Return that a person takes all ratings back."""
        rating = PostRated(post_id="", rater=rater, rated_at=START, withdrawn="all")
        return said(rating, by="ingest", cause=f"{rater} takes back")

    def deleted(self, post_id: str, at: float = 0) -> Event[PostDeleted]:
        """Return the deletion of a post."""
        return said(PostDeleted(post_id=post_id, deleted_at=minute(at)), by="ingest", cause=f"gone {post_id} {at}")


@dataclass
class Auditor:
    """An auditor without a broker."""

    database: Database
    store: Store
    handlers: Handlers

    async def hear(self, *events: Event[Any]) -> list[list[dict[str, Any]]]:
        """Hand over one batch of one stream; return per event what is said because of it, times of saying aside."""
        handle = {
            PostScored: self.handlers.on_post_scored,
            PostCorrected: self.handlers.on_post_corrected,
            PostDeleted: self.handlers.on_post_deleted,
            PostRated: self.handlers.on_post_rated,
        }[type(events[0].data)]
        outcomes = await handle(list(events))
        assert len(outcomes) == len(events)
        return [[event.model_dump(exclude={"time"}) for event in outcome.says] for outcome in outcomes]

    async def stands(self, post_id: str) -> dict[str, Any] | None:
        """Return the record of a post."""
        row = await self.store.find_status(post_id)
        return None if row is None else dict(row._mapping)

    async def steps(self, post_id: str) -> list[tuple[str | None, str]]:
        """Return the history of a post as pairs of statuses."""
        return [(row.previous, row.status) for row in await self.store.history(post_id, limit=1000)]


@asynccontextmanager
async def open_auditor(path: Path, policy: Policy | None = None) -> AsyncIterator[Auditor]:
    """Yield an auditor over the SQLite file at `path`."""
    database = Database(f"sqlite+aiosqlite:///{path}", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    store = Store(database)
    yield Auditor(database, store, Handlers(store, policy or Policy()))
    await database.close()


@pytest.fixture(scope="session")
def say() -> Say:
    """Return the builder of events."""
    return Say()


@pytest.fixture
async def auditor(tmp_path: Path) -> AsyncIterator[Auditor]:
    """Yield an auditor with empty tables."""
    async with open_auditor(tmp_path / "auditor.sqlite3") as made:
        yield made


@pytest.fixture(scope="session")
def new_auditor(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractAsyncContextManager[Auditor]]:
    """Return a function that opens another auditor with empty tables each time."""
    return lambda: open_auditor(tmp_path_factory.mktemp("auditor") / "auditor.sqlite3")


@pytest.fixture
def second_auditor(tmp_path: Path, auditor: Auditor) -> Callable[[], AbstractAsyncContextManager[Auditor]]:
    """Return a function that opens a second process's view of the same tables."""
    return lambda: open_auditor(tmp_path / "auditor.sqlite3")
