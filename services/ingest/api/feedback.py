"""Corrections and ratings: what people say about scores enters here."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel

from services.ingest.door import Door, Trail, spoken
from services.ingest.feedback import FeedbackIn, RatingIn, corrected, rated
from shared.auth import Principal, require
from shared.clock import utcnow
from shared.errors import Problem
from shared.ids import digest, stable_id
from shared.runtime import Platform
from shared.vocabulary import Scope

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=256)]


class Heard(BaseModel):
    """The answer to a correction or rating."""

    id: str
    duplicate: bool


def build_router(platform: Platform, door: Door) -> APIRouter:
    """Return the routes of corrections and ratings."""
    router = APIRouter(prefix="/v1", tags=["feedback"])
    may_review = require(platform.keys, Scope.REVIEW)

    @router.post("/feedback", status_code=202, summary="Say that a score was wrong or right")
    async def give_feedback(
        feedback: FeedbackIn, request: Request, principal: Principal = Depends(may_review), key: Key = None
    ) -> Heard:
        """Accept one correction; the same Idempotency-Key, or the same words at the same time, count once."""
        if feedback.text and len(feedback.text.encode()) > platform.settings.max_text_bytes:
            most = platform.settings.max_text_bytes
            raise Problem(413, "text_too_long", f"The text may have {most} bytes.", field="text")
        now = utcnow()
        seed = key or digest(feedback.model_dump_json().encode()) + (feedback.timestamp or now).isoformat()
        correction_id = stable_id("correction", principal.id, seed)
        data = corrected(feedback, correction_id=correction_id, reviewer=principal.id, now=now)
        (fresh,) = await door.admit([spoken(data, correction_id, Trail.of(request))])
        return Heard(id=correction_id, duplicate=not fresh)

    @router.post("/ratings", status_code=202, summary="Give your own judgement of a post")
    async def rate(
        rating: RatingIn, request: Request, principal: Principal = Depends(may_review), key: Key = None
    ) -> Heard:
        """Accept one rating from 0 to 4, or null for unsure."""
        now = utcnow()
        seed = key or f"{rating.model_dump_json()}{(rating.timestamp or now).isoformat()}"
        rating_id = stable_id("rating", principal.id, seed)
        (fresh,) = await door.admit([spoken(rated(rating, rater=principal.id, now=now), rating_id, Trail.of(request))])
        return Heard(id=rating_id, duplicate=not fresh)

    return router
