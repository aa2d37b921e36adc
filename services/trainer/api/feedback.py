"""HTTP: the corrections as the harvest tool's users know them. Needs the scope `read`; giving them is ingest's."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BaseModel

from services.trainer.feedback import Position, from_cursor, in_utc, line_of, summarise, to_cursor
from services.trainer.store import Store
from shared.auth import KeyRing, require
from shared.errors import Problem
from shared.vocabulary import FeedbackType, Scope

Since = Annotated[
    datetime,
    AfterValidator(in_utc),
    Query(
        description="Only from here on, inclusive: a date (midnight in UTC) or a moment (UTC if it has no zone).",
        examples=["2026-03-01"],
    ),
]
Cursor = Annotated[str, Query(max_length=1024, description="Where to go on: from the `next` link of the page before.")]

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


class LineView(BaseModel):
    """One correction line. Categories outside `spoke_about` are unknown, never 0; `timestamp` is ISO 8601 in UTC."""

    text: str
    feedback_type: FeedbackType
    expected_categories: list[str]
    actual_categories: list[str]
    spoke_about: list[str]
    timestamp: str
    id: str = ""
    weak: bool = False


class RetractionView(BaseModel):
    """That a correction was taken back."""

    retracts: str
    timestamp: datetime


class MistakesView(BaseModel):
    """How often a category was given wrongly, and how often it was missing."""

    false_positive: int
    false_negative: int


class SummaryView(BaseModel):
    """The corrections that stand, in numbers. `first` and `last` are null while there is none."""

    total: int
    by_type: dict[FeedbackType, int]
    by_category: dict[str, MistakesView]
    first: datetime | None
    last: datetime | None


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the routes of corrections that were given."""
    router = APIRouter(tags=["feedback"], dependencies=[Depends(require(keys, Scope.READ))])

    @router.get("/api/v1/feedback", summary="Corrections as lines, oldest first", response_model_exclude_unset=True)
    async def list_feedback(
        response: Response,
        since: Since | None = None,
        limit: Limit = 200,
        cursor: Cursor | None = None,
        ids: Annotated[
            bool, Query(description="Give each line its correction's `id`, and whether it is a guess (`weak`).")
        ] = False,
    ) -> list[LineView]:
        """Answer with corrections that stand and whose text is known; a `Link` header leads to the next page.

        Left out are corrections that were taken back, that say unsure, or whose text was erased.
        """
        rows = await store.page_of_corrections(since=since, after=_position(cursor), limit=limit + 1)
        if len(rows) > limit:
            last = rows[limit - 1]
            asked = {"ids": "true"} if ids else {}
            response.headers["Link"] = _next(
                "/api/v1/feedback", since, limit, Position(last.corrected_at, last.correction_id), asked
            )
        return [
            LineView(**asdict(line), **({"id": row.correction_id, "weak": row.weak} if ids else {}))
            for row in rows[:limit]
            if (line := line_of(row))
        ]

    @router.get("/api/v1/feedback/retractions", summary="Corrections that were taken back, oldest retraction first")
    async def list_retractions(
        response: Response, since: Since | None = None, limit: Limit = 200, cursor: Cursor | None = None
    ) -> list[RetractionView]:
        """Answer with what was taken back from a moment on, so that whoever keeps lines can drop theirs."""
        rows = await store.page_of_retractions(since=since, after=_position(cursor), limit=limit + 1)
        if len(rows) > limit:
            response.headers["Link"] = _next("/api/v1/feedback/retractions", since, limit, rows[limit - 1][1], {})
        return [RetractionView(retracts=name, timestamp=place.at) for name, place in rows[:limit]]

    @router.get("/api/feedback/summary", summary="Corrections in numbers")
    async def summarise_feedback() -> SummaryView:
        """Answer with how many corrections stand, of which type, and which categories they found wrong or missing."""
        return SummaryView.model_validate(asdict(summarise(await store.corrections_alike())))

    return router


def _next(path: str, since: datetime | None, limit: int, last: Position, asked: dict[str, str]) -> str:
    """Return the header that leads to the page after `last`."""
    query = {**({"since": since.isoformat()} if since else {}), **asked, "limit": str(limit), "cursor": to_cursor(last)}
    return f'<{path}?{urlencode(query)}>; rel="next"'


def _position(cursor: str | None) -> Position | None:
    try:
        return None if cursor is None else from_cursor(cursor)
    except ValueError:
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor") from None
