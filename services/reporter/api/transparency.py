"""HTTP: what can be published about moderation here, as JSON and CSV. Needs the scope `read`."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.reporter.disclosing import disclosed
from services.reporter.store import Store
from services.reporter.transparency import Line, to_csv
from shared.auth import KeyRing, require
from shared.clock import utcnow
from shared.errors import Problem
from shared.vocabulary import Scope

MONTH = timedelta(days=30)
LONGEST = timedelta(days=3660)


class CsvResponse(Response):
    """A table as text."""

    media_type = "text/csv"


class LineView(BaseModel):
    """Posts of a kind in the period. `flagged` is today's score; a rate is of the `reviewed`, with a 95 % interval."""

    kind: Literal["all", "category", "language"]
    name: str
    posts: int
    flagged: int
    reviewed: int
    reversed: int
    over: int
    missed: int
    reversal_rate: float | None
    reversal_low: float | None
    reversal_high: float | None
    median_hours_to_review: float | None


class PromotionView(BaseModel):
    """A model that came into force, and how many corrections had taught it."""

    version: str
    promoted_at: datetime
    corrections: int | None
    examples: int | None
    replaces: str | None


class TransparencyView(BaseModel):
    """A period, `until` exclusive: lines of all posts, by category and by language, and the models that followed."""

    since: datetime
    until: datetime
    lines: list[LineView]
    models: list[PromotionView]


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the routes of the transparency page."""
    router = APIRouter(tags=["transparency"], dependencies=[Depends(require(keys, Scope.READ))])
    Since = Annotated[date | None, Query(description="First day (UTC); 30 days back without it.")]  # noqa: N806 - types
    Until = Annotated[date | None, Query(description="Day after the last one (UTC); tomorrow without it.")]  # noqa: N806

    async def read(since: date | None, until: date | None) -> TransparencyView:
        begin, end = period(since, until, utcnow())
        found = await disclosed(store, begin, end)
        return TransparencyView(
            since=begin,
            until=end,
            lines=[LineView.model_validate(each, from_attributes=True) for each in found.lines],
            models=[PromotionView.model_validate(row, from_attributes=True) for row in found.models],
        )

    @router.get("/v1/transparency", summary="What can be published about moderation")
    async def transparency(since: Since = None, until: Until = None) -> TransparencyView:
        """Answer with counts, how often people reversed the score and how long they took, and what followed."""
        return await read(since, until)

    @router.get("/v1/transparency.csv", summary="The same lines as CSV", response_class=CsvResponse)
    async def transparency_as_csv(since: Since = None, until: Until = None) -> CsvResponse:
        """Answer with one line per kind and name; each repeats the period."""
        found = await read(since, until)
        about = {"since": found.since.date().isoformat(), "until": found.until.date().isoformat()}
        text = to_csv([Line(**each.model_dump()) for each in found.lines], about)
        return CsvResponse(text)

    return router


def period(since: date | None, until: date | None, now: datetime) -> tuple[datetime, datetime]:
    """Return a period in whole days. Raises Problem 422 for one that ends before it begins, or of ten years."""
    end = _midnight(until or now.date() + timedelta(days=1))
    begin = _midnight(since) if since else end - MONTH
    if begin >= end or end - begin > LONGEST:
        raise Problem(422, "no_period", "A period ends after it begins, within ten years.", field="since")
    return begin, end


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
