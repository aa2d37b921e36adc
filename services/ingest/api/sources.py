"""The platforms that are connected, and how each stands. Invariant: an answer holds no secret and no token."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from shared.auth import require
from shared.clock import utcnow
from shared.db import Stored
from shared.runtime import Platform
from shared.vocabulary import Scope


class SourceView(BaseModel):
    """One source. What is pushed to us is always `listening`; only what we collect has `posts`, a move and an error."""

    name: str
    kind: str
    platform: str
    state: Literal["listening", "waiting", "collecting", "ended"]
    posts: int | None = None
    moved_at: datetime | None = None
    error: str | None = None


def build_router(platform: Platform, settings: IngestSettings, store: Store, collected: Collection[str]) -> APIRouter:
    """Return the routes of sources; `collected` names those that we follow ourselves."""
    router = APIRouter(tags=["sources"])
    admin = Depends(require(platform.keys, Scope.ADMIN))

    @router.get("/v1/sources", summary="List the platforms that are connected", dependencies=[admin])
    async def list_sources() -> list[SourceView]:
        """List every source by name: its kind, and where its collector stands."""
        rows, now = await store.list_cursors(), utcnow()
        return [
            SourceView(
                name=name,
                kind=source.kind,
                platform=source.platform or name,
                **(_stands(rows.get(name), now) if name in collected else {"state": "listening"}),
            )
            for name, source in sorted(settings.all_sources.items())
        ]

    return router


def _stands(row: Stored | None, now: datetime) -> dict[str, Any]:
    """Return where a collector stands; one that died waits for the next process that takes it over."""
    if row is None:
        return {"state": "waiting", "posts": 0}
    died = row.lease_until is not None and row.lease_until <= now
    state = "waiting" if died else row.state
    return {"state": state, "posts": row.posts, "moved_at": row.moved_at, "error": row.error}
