"""Exports read to their end, and what a reporter makes of events: its read models, row by row."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from services.reporter.handlers import Handlers
from services.reporter.store import Store
from services.reporter.tables import corrections, hidings, model_steps, models, posts, tombstones
from shared.bus.envelope import FIELD, Malformed, reader
from shared.events import Event
from shared.exports import Export, Tell
from shared.streams import STREAM_OF
from tests.support.acting import empty_store

READ_MODELS = (posts, corrections, models, model_steps, tombstones, hidings)
Rows = dict[str, list[tuple[Any, ...]]]


def read_event(raw: bytes, kind: str) -> Event[Any]:
    """Return an event out of the bytes that a stream would carry, as a consumer of that stream reads it."""
    event = reader(STREAM_OF[kind])({FIELD: raw})
    assert not isinstance(event, Malformed), event.reason
    return event


async def told(tell: Tell, limit: int = 3) -> list[Event[Any]]:
    """Return every event of an export, page by page, each as the stream would have carried it."""
    found: list[Event[Any]] = []
    place: tuple[Any, ...] | None = None
    while True:
        page = await tell(place, limit)
        assert len(page.events) <= 2 * limit
        found += [read_event(event.wire(), event.type) for event in page.events]
        if page.last is None:
            return found
        place = page.last


async def asked(http: httpx.AsyncClient, export: Export, limit: int = 500) -> list[dict[str, Any]]:
    """Return every event that a service gives out over HTTP."""
    found: list[dict[str, Any]] = []
    asking: dict[str, Any] = {"limit": limit}
    while True:
        answer = await http.get(export.path, params=asking)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        page = answer.json()
        found += page["events"]
        if page["next"] is None:
            return found
        asking["cursor"] = page["next"]


async def hear(store: Store, events: Iterable[Event[Any]], *, again: bool = False) -> None:
    """Let a reporter hear events one by one, each as it came on its stream."""
    handlers = Handlers(store, again=again)
    hears: dict[str, Any] = {
        "PostScored": handlers.on_post_scored,
        "PostStatusChanged": handlers.on_post_status_changed,
        "PostCorrected": handlers.on_post_corrected,
        "PostDeleted": handlers.on_post_deleted,
        "ModelTrained": handlers.on_model_trained,
        "ModelPromoted": handlers.on_model_promoted,
    }
    for event in events:
        await hears[type(event.data).__name__]([event])


async def rows(store: Store) -> Rows:
    """Return every row of the read models."""
    async with store.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
            for table in READ_MODELS
        }


@asynccontextmanager
async def two_reporters(folder: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Yield a reporter that hears what is said, and one that is made anew."""
    for name in ("live", "anew"):
        (folder / name).mkdir()
    async with empty_store(folder / "live") as live, empty_store(folder / "anew") as anew:
        yield live, anew
