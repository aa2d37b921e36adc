"""HTTP: status histories and hidden authors as they were said, for whoever makes read models anew."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from services.auditor.speaking import said_of
from services.auditor.status.live import Step
from services.auditor.store import Store
from shared.auth import KeyRing
from shared.bus.erasures import author_of
from shared.db import Stored
from shared.events import Event, PostDeleted, PostStatusChanged
from shared.exports import EXPORTS, Told, add_export, again, page_of
from shared.vocabulary import Visibility


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the routes of exports."""
    router = APIRouter(tags=["exports"])

    async def statuses(place: Sequence[Any] | None, limit: int) -> Told:
        post_id, sequence = place or ("", 0)
        steps, more = page_of(await store.steps_behind(post_id, sequence, limit + 1), limit)
        last = (steps[-1].post_id, steps[-1].sequence) if more else None
        return Told([_changed(step) for step in steps], last)

    async def hidings(place: Sequence[Any] | None, limit: int) -> Told:
        (after,) = place or ("",)
        rows, more = page_of(await store.hidings_behind(after, limit + 1), limit)
        return Told([_turned(row) for row in rows], (rows[-1].subject,) if more else None)

    add_export(router, keys, EXPORTS["statuses"], statuses, str, int)
    add_export(router, keys, EXPORTS["hidings"], hidings, str)
    return router


def _changed(step: Step) -> Event[PostStatusChanged]:
    return again(said_of(step), by="auditor", cause=step.cause_id, at=step.changed_at)


def _turned(row: Stored) -> Event[PostDeleted]:
    """Return the newest word on whether an author is hidden; the ones before it stand nowhere any more."""
    platform, account = author_of(row.subject)
    visibility = Visibility.HIDDEN if row.hidden else Visibility.SHOWN
    data = PostDeleted(platform=platform, account=account, visibility=visibility, deleted_at=row.at)
    cause = f"{platform}|{account}|{int(row.at.timestamp() * 1000)}|{visibility}"
    return again(data, by="ingest", cause=cause, at=row.at)
