"""HTTP: what posts speak of, which posts belong to a topic, and how far posts have drifted.

Needs the scope `read`; drift is counts, so `figures` opens it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel

from services.trainer.drift import Level, topic_spread
from services.trainer.looking import Drifted
from services.trainer.store import Store
from shared.auth import KeyRing, require
from shared.errors import Problem, not_found
from shared.topics.model import OUTLIER, OUTLIERS
from shared.vocabulary import Scope


class SignalAnswer(BaseModel):
    """One figure of drift. `biased`: it rests on posts people chose to correct, is shown and never acts."""

    name: str
    part: str
    value: float | None
    n: int
    watch: float | None
    act: float | None
    level: Level
    low: float | None
    high: float | None
    biased: bool


class DriftAnswer(BaseModel):
    """All signals against the full training in force (`reference`, null until it has one) over the newest days."""

    reference: str | None
    reference_posts: int
    days: int
    level: Level
    signals: list[SignalAnswer]


class TopicAnswer(BaseModel):
    """One topic: `n` posts have it today; `share` is of all that were looked at, `fitted_share` of the fitted corpus.

    `recent_share` is of the posts scored since the fit, null while there are none; `drift` the difference in points.
    """

    id: int
    name: str
    n: int
    large: bool
    share: float
    fitted_share: float
    recent_share: float | None
    drift: float | None


class TopicsAnswer(BaseModel):
    """The topics of the newest model, the outliers (-1) first; `vanished` names those the last fit no longer found."""

    version: str | None
    artifact: str | None
    fitted_at: datetime | None
    fitted_posts: int
    posts: int
    topics: list[TopicAnswer]
    vanished: list[str]
    drift: SignalAnswer | None


class MemberAnswer(BaseModel):
    """A post of a topic: how near it is, 0 to 1, and its text; null if it was erased."""

    post_id: str
    score: float
    text: str | None


def build_router(store: Store, drifted: Callable[[], Awaitable[Drifted]], keys: KeyRing) -> APIRouter:
    """Return the routes of topics and drift."""
    router = APIRouter(prefix="/v1", tags=["trainer"])
    reading, counting = [Depends(require(keys, Scope.READ))], [Depends(require(keys, Scope.FIGURES))]

    @router.get("/topics", summary="What posts speak of", dependencies=reading)
    async def list_topics() -> TopicsAnswer:
        """Answer with the topics, how many posts each has, and how their shares moved since they were found."""
        newest, listed, today = await store.topic_list()
        if newest is None:
            none = {"version": None, "artifact": None, "fitted_at": None, "fitted_posts": 0, "posts": 0}
            return TopicsAnswer(**none, topics=[], vanished=[], drift=None)
        recent = await store.recent_topics(newest.version, newest.fitted_at)
        fitted = {OUTLIER: newest.outliers, **{each.topic: each.n for each in listed}}
        named = [(OUTLIER, OUTLIERS, False), *((each.topic, each.name, each.large) for each in listed)]

        def answer(topic: int, name: str, large: bool) -> TopicAnswer:
            before = fitted[topic] / max(newest.posts, 1)
            now = recent.get(topic, 0) / sum(recent.values()) if recent else None
            return TopicAnswer(
                id=topic,
                name=name,
                n=today.get(topic, 0),
                large=large,
                share=round(today.get(topic, 0) / max(sum(today.values()), 1), 6),
                fitted_share=round(before, 6),
                recent_share=None if now is None else round(now, 6),
                drift=None if now is None else round(now - before, 6),
            )

        return TopicsAnswer(
            version=newest.version,
            artifact=newest.artifact,
            fitted_at=newest.fitted_at,
            fitted_posts=newest.posts,
            posts=sum(today.values()),
            topics=[answer(*each) for each in named],
            vanished=list(newest.vanished),
            drift=SignalAnswer(**asdict(topic_spread(fitted, recent))),
        )

    @router.get("/topics/{topic}/posts", summary="Posts of a topic, the nearest first", dependencies=reading)
    async def list_members(
        response: Response,
        topic: Annotated[int, Path(ge=OUTLIER, le=2**31 - 1)],
        limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
        cursor: Annotated[str | None, Query(max_length=1024, description="From the `next` link before.")] = None,
    ) -> list[MemberAnswer]:
        """Answer with posts of a topic of the newest model; a `Link` header leads to the next page."""
        _, listed, today = await store.topic_list()
        if topic not in {OUTLIER, *(each.topic for each in listed)} or (topic == OUTLIER and not today):
            raise not_found("topic")
        rows = await store.page_of_topic(topic, _position(cursor), limit + 1)
        if len(rows) > limit:
            last = rows[limit - 1]
            asked = {"limit": limit, "cursor": _cursor(last.score, last.post_id)}
            response.headers["Link"] = f'</v1/topics/{topic}/posts?{urlencode(asked)}>; rel="next"'
        return [MemberAnswer(post_id=row.post_id, score=row.score, text=row.text) for row in rows[:limit]]

    @router.get("/drift", summary="How far posts are from what the model knew", dependencies=counting)
    async def show_drift() -> DriftAnswer:
        """Answer with every signal: value, number of posts, limits and level; `too_few` says nothing either way."""
        found = await drifted()
        levels = {each.level for each in found.signals if not each.biased}
        worst = next((each for each in (Level.ACT, Level.WATCH, Level.OK) if each in levels), Level.TOO_FEW)
        return DriftAnswer(
            reference=found.reference,
            reference_posts=found.posts,
            days=found.days,
            level=worst,
            signals=[SignalAnswer(**asdict(each)) for each in found.signals],
        )

    return router


def _cursor(score: float, post_id: str) -> str:
    return urlsafe_b64encode(orjson.dumps([score, post_id])).decode()


def _position(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    try:
        score, post_id = orjson.loads(urlsafe_b64decode(cursor.encode()))
        if not isinstance(post_id, str) or "\x00" in post_id:
            raise ValueError("no post id")
        return float(score), post_id
    except (ValueError, TypeError):
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor") from None
