"""HTTP: draws of posts to rate, and the next one. The rating itself enters where all ratings do (ingest).

Invariant: whoever is to rate a post is not told what the system says of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import AuditId, Repeatable, commanded
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.drawing import Drawing, Progress, progress
from services.auditor.looking import Looking, Sight
from shared.auth import KeyRing, Principal, require
from shared.db import Stored
from shared.judgement import SEVERITIES, is_toxic
from shared.vocabulary import Scope

Topic = Annotated[int, Field(ge=0, le=2**31 - 1)]


class DrawIn(BaseModel):
    """How many posts to draw, and of which topic. Without a number: twenty at first, one for each unsure, then five."""

    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None
    topic: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None


class DrawView(BaseModel):
    """A draw: its posts in the order they are shown, and how they were chosen. `short`: no more are left."""

    number: int
    method: str
    seed: str
    topic: int | None
    asked: int
    posts: list[str]
    short: bool
    system_version: str
    model_version: int | None
    made_at: datetime


class ProgressView(BaseModel):
    """How far a person is. `next_draw` is how many posts a draw without a number would bring."""

    model_config = ConfigDict(from_attributes=True)

    drawn: int
    rated: int
    unsure: int
    left: int
    next_draw: int


class AskedView(BaseModel):
    """A post to rate; `position` among all that were drawn, from 1, `rating` what was said of it before."""

    post_id: str
    text: str
    topic: int | None
    topic_name: str | None
    position: int
    rated: bool
    rating: int | None


class ChoiceView(BaseModel):
    """One answer: a rating with its word, and whether it means toxic at this audit's cut; null is unsure."""

    rating: int | None
    word: str
    toxic: bool | None


class TopicChoice(BaseModel):
    """A topic to draw from."""

    topic: int
    name: str
    n: int


class LabelView(BaseModel):
    """The next post to rate, how far the person is, which answers and topics there are. `reason`: why no post."""

    post: AskedView | None
    progress: ProgressView
    choices: list[ChoiceView]
    topics: list[TopicChoice]
    reason: str | None


def build_router(auditing: Auditing, drawing: Drawing, store: AuditStore, looking: Looking, keys: KeyRing) -> APIRouter:
    """Return the routes of labelling."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    @router.post("/audits/{audit_id}/draws", status_code=201, summary="Draw posts to rate")
    async def draw(audit_id: AuditId, body: DrawIn, principal: Caller, key: Repeatable = None) -> DrawView:
        """Keep a draw and answer with it; the same Idempotency-Key draws once. Posts rated or drawn before are out."""
        audit = await auditing.own(principal, audit_id)
        return _draw(await drawing.draw(audit, commanded(principal, key, body), body.n, body.topic))

    @router.get("/audits/{audit_id}/draws", summary="What was drawn", response_model=list[DrawView])
    async def list_draws(audit_id: AuditId, principal: Caller) -> list[DrawView]:
        """Answer with every draw for the audit's model, the first one first."""
        audit = await auditing.own(principal, audit_id)
        return [_draw(row) for row in await store.draws_of(audit.owner, audit.model)]

    @router.get(
        "/audits/{audit_id}/label", summary="The next post to rate", response_model=LabelView, responses=UNCHANGED
    )
    async def next_post(
        audit_id: AuditId,
        request: Request,
        principal: Caller,
        i: Annotated[int | None, Query(ge=1, le=100_000, description="This one of all drawn, from 1.")] = None,
    ) -> Response:
        """Answer with a post that was drawn and not rated yet, without the system's word on it."""
        audit = await auditing.own(principal, audit_id)
        sight = await looking.at(audit, model=False)
        ratings = await looking.ratings_of(audit)
        drawn = [post for row in await store.draws_of(audit.owner, audit.model) for post in row.posts]
        there = [post for post in drawn if post in sight.corpus.places or post in ratings]
        far = progress(there, ratings)
        post, reason = await _asked(looking, sight, there, ratings, i)
        answer = LabelView(
            post=post,
            progress=ProgressView.model_validate(far),
            choices=choices(sight.cut),
            topics=_topics(sight),
            reason=reason or _reason(far, post),
        )
        return tagged(request, answer)

    return router


async def _asked(
    looking: Looking, sight: Sight, drawn: Sequence[str], ratings: dict[str, int | None], i: int | None
) -> tuple[AskedView | None, str | None]:
    """Return the post to show, and why there is none; one that was erased just now is passed over."""
    wanted = range(len(drawn)) if i is None else range(i - 1, min(i, len(drawn)))
    left = [at for at in wanted if i is not None or drawn[at] not in ratings]
    if i is not None and not left:
        return None, "So many were not drawn."
    texts = await looking.texts_of([drawn[at] for at in left[:20]])
    for at in left[:20]:
        post = drawn[at]
        if post in texts:
            row = sight.corpus.places.get(post)
            topic = None if row is None or sight.corpus.topics[row] < 0 else int(sight.corpus.topics[row])
            said = AskedView(
                post_id=post,
                text=texts[post],
                topic=topic,
                topic_name=sight.name_of(topic),
                position=at + 1,
                rated=post in ratings,
                rating=ratings.get(post),
            )
            return said, None
    return None, None


def _reason(far: Progress, post: AskedView | None) -> str | None:
    if post is not None:
        return None
    if not far.drawn:
        return "Nothing was drawn yet: POST to draws."
    return "All that was drawn is rated: look at the audit, or draw more."


def choices(cut: float) -> list[ChoiceView]:
    """Return the answers with what they mean at a cut, milder ones first and unsure last."""
    rated = [
        ChoiceView(rating=rating, word=word, toxic=bool(is_toxic(float(rating), cut)))
        for rating, word in enumerate(SEVERITIES)
    ]
    return [*rated, ChoiceView(rating=None, word="unsure", toxic=None)]


def _topics(sight: Sight) -> list[TopicChoice]:
    grouped = sight.corpus.by_topic
    return [
        TopicChoice(topic=topic, name=name, n=len(grouped.rows_of(topic)))
        for topic in grouped.topics.tolist()
        if (name := sight.name_of(topic)) is not None
    ]


def _draw(row: Stored) -> DrawView:
    made = {name: getattr(row, name) for name in DrawView.model_fields if name != "short"}
    return DrawView(short=len(row.posts) < row.asked, **made)
