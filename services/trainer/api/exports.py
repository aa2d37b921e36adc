"""HTTP: corrections and the lives of models as they were said, for whoever makes read models anew."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from services.trainer.store import Store
from services.trainer.training import events_of
from shared.auth import KeyRing
from shared.db import Stored
from shared.events import Event, PostCorrected
from shared.exports import EXPORTS, Told, add_export, again, page_of
from shared.vocabulary import FeedbackType, Standing, Verdict


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the routes of exports."""
    router = APIRouter(tags=["exports"])

    async def corrections(place: Sequence[Any] | None, limit: int) -> Told:
        # what takes corrections back comes after all of them, so that it finds what it is about
        back, after = place or (0, "")
        rows, more = page_of(await store.corrections_behind(after, limit + 1, retractions=bool(back)), limit)
        last = (back, rows[-1].correction_id) if more else None if back else (1, "")
        return Told([corrected(row) for row in rows], last)

    async def models(place: Sequence[Any] | None, limit: int) -> Told:
        (after,) = place or (-1,)
        rows, more = page_of(await store.steps_behind(after, limit + 1), limit)
        return Told([event for row in rows for event in events_of(row)], (rows[-1].sequence,) if more else None)

    add_export(router, keys, EXPORTS["corrections"], corrections, int, str)
    add_export(router, keys, EXPORTS["models"], models, int)
    return router


def corrected(row: Stored) -> Event[PostCorrected]:
    """Return a correction as it was said; its text is gone where its post is."""
    data = PostCorrected(
        correction_id=row.correction_id,
        post_id=row.post_id,
        text=row.text,
        language=row.language,
        verdict=Verdict(row.verdict),
        feedback_type=FeedbackType(row.feedback_type),
        expected_categories=tuple(row.expected),
        actual_categories=tuple(row.actual),
        spoke_about=tuple(row.spoke_about),
        reviewer=row.reviewer,
        standing=Standing(row.standing),
        batch_id=row.batch_id,
        retracts=row.retracts,
        weak=row.weak,
        sampled=row.sampled,
        version=row.version,
        hold_until=row.hold_until,
        corrected_at=row.corrected_at,
    )
    return again(data, by="ingest", cause=row.correction_id, at=row.corrected_at)
