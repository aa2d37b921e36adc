"""Corrections and ratings: what people say about scores enters here."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from services.ingest.api.repeats import idempotency_key
from services.ingest.door import Door, Trail, spoken
from services.ingest.feedback import FeedbackIn, LineIn, RatingIn, corrected, from_line, rated, withdrawn
from shared.auth import Principal, require
from shared.clock import utcnow
from shared.errors import Problem
from shared.events import Event, PostCorrected
from shared.ids import digest, stable_id
from shared.runtime import Platform
from shared.vocabulary import Scope


class Heard(BaseModel):
    """The answer to a correction or rating.

    `version` counts the words on the post of a correction, also those that were taken back; it is what `seen_version`
    wants to hear from whoever speaks next.
    """

    id: str
    duplicate: bool
    version: int | None = None


class Withdrawn(BaseModel):
    """The answer to a withdrawal; it is under way and needs no second one."""

    id: str


class LineHeard(BaseModel):
    """The answer to a correction line."""

    id: str


def build_router(platform: Platform, door: Door, route: type[APIRoute]) -> APIRouter:
    """Return the routes of corrections and ratings."""
    router = APIRouter(tags=["feedback"], route_class=route)
    may_review = require(platform.keys, Scope.REVIEW)
    may_audit = require(platform.keys, Scope.AUDIT)
    most = platform.settings.max_text_bytes

    async def admit(feedback: FeedbackIn, request: Request, principal: Principal, key: str | None) -> Heard:
        if feedback.text and len(feedback.text.encode()) > most:
            raise Problem(413, "text_too_long", f"The text may have {most} bytes.", field="text")
        now = utcnow()
        correction_id = stable_id("correction", principal.id, _seed(feedback, key, feedback.timestamp or now))

        def word(version: int | None) -> Event[PostCorrected]:
            data = corrected(feedback, correction_id=correction_id, reviewer=principal.id, now=now, version=version)
            return spoken(data, correction_id, Trail.of(request))

        if feedback.post_id is None:
            (fresh,) = await door.admit([word(None)])
            return Heard(id=correction_id, duplicate=not fresh)
        new, version = await door.speak(word, feedback.post_id, feedback.seen_version)
        return Heard(id=correction_id, duplicate=not new, version=version)

    async def admit_rating(
        rating: RatingIn, request: Request, principal: Principal, key: str | None, audit: str | None = None
    ) -> Heard:
        now = utcnow()
        rating_id = stable_id("rating", principal.id, _seed(rating, key, rating.timestamp or now))
        data = rated(rating, rater=principal.id, now=now, audit=audit)
        (fresh,) = await door.admit([spoken(data, rating_id, Trail.of(request))])
        return Heard(id=rating_id, duplicate=not fresh)

    @router.post("/v1/feedback", status_code=202, summary="Say that a score was wrong or right")
    async def give_feedback(
        feedback: FeedbackIn,
        request: Request,
        principal: Principal = Depends(may_review),
        key: str | None = Depends(idempotency_key),
    ) -> Heard:
        """Accept one correction; the same Idempotency-Key, or the same words at the same time, count once."""
        return await admit(feedback, request, principal, key)

    @router.post("/api/v1/feedback", status_code=201, summary="Say it as one correction line")
    async def give_line(
        line: LineIn,
        request: Request,
        principal: Principal = Depends(may_review),
        key: str | None = Depends(idempotency_key),
    ) -> LineHeard:
        """Accept a correction in the form in which the trainer's `GET /api/v1/feedback` gives it out again."""
        if not line.text.strip():
            raise Problem(422, "text_empty", "The text must hold something besides white space.", field="text")
        return LineHeard(id=(await admit(from_line(line), request, principal, key)).id)

    @router.post("/v1/ratings", status_code=202, summary="Give your own judgement of a post")
    async def rate(
        rating: RatingIn,
        request: Request,
        principal: Principal = Depends(may_review),
        key: str | None = Depends(idempotency_key),
    ) -> Heard:
        """Accept one rating from 0 to 4, or null for unsure."""
        return await admit_rating(rating, request, principal, key)

    @router.post("/v1/audits/{audit_id}/labels", status_code=202, summary="Rate a post that an audit asked about")
    async def label(
        audit_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="Id of an audit of yours.")],
        rating: RatingIn,
        request: Request,
        principal: Principal = Depends(may_audit),
        key: str | None = Depends(idempotency_key),
    ) -> Heard:
        """Accept one rating as `POST /v1/ratings` does; of one post the last word counts, a repetition changes nothing.

        `model` is the audit's. Who names somebody else's audit only rates the post for themselves.
        """
        return await admit_rating(rating, request, principal, key, audit_id)

    @router.delete("/v1/raters/me/ratings", status_code=202, summary="Take back all you said of posts")
    async def withdraw(
        request: Request,
        principal: Principal = Depends(may_review),
        model: Annotated[
            str | None,
            Query(
                pattern="^[A-Za-z0-9_-]{0,64}$",
                description="Only what taught this model of yours; empty: the one everybody has. Absent: everything.",
            ),
        ] = None,
    ) -> Withdrawn:
        """Erase the ratings of the holder of the key, nobody else's. What they say afterwards counts."""
        now = utcnow()
        data = withdrawn(rater=principal.id, model=model, now=now)
        event = spoken(data, stable_id("withdrawal", principal.id, repr(model), now.isoformat()), Trail.of(request))
        await door.take_back(event)
        return Withdrawn(id=event.id)

    return router


def _seed(said: BaseModel, key: str | None, at: datetime) -> str:
    """Return what tells one word of a person from another; with a key its moment is left out."""
    return f"{digest(said.model_dump_json().encode())}|{f'key {key}' if key else f'at {at.isoformat()}'}"
