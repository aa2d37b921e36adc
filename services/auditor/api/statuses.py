"""Statuses over HTTP: where a post stands, how it came there, and the totals. Nothing here changes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from services.auditor.store import Store
from shared.auth import require
from shared.db import Stored
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.runtime import Platform
from shared.vocabulary import Scope, Status

PostId = Annotated[str, Path(max_length=200, pattern=NO_NUL, description="Ombud's id of the post.")]


class OpinionView(BaseModel):
    """What one source holds of a post."""

    status: Status
    judged_at: datetime
    revision: int | None = None
    model_version: str | None = None


class StatusView(BaseModel):
    """Where one post stands. `rule` says whose opinion decides: the model's or a reviewer's."""

    post_id: str
    status: Status
    rule: str
    opinions: dict[str, OpinionView]
    revision: int
    model_version: str | None
    sequence: int
    first_status: Status
    first_changed_at: datetime
    changed_at: datetime
    last_judged_at: datetime | None
    deleted_at: datetime | None


class StepView(BaseModel):
    """One step of a post's history."""

    sequence: int
    status: Status
    previous: Status | None
    rule: str
    model_version: str | None
    cause_id: str
    changed_at: datetime


class PostStatusView(StatusView):
    """Where one post stands, and its history with the newest step last."""

    history: list[StepView]


class StatusPage(BaseModel):
    """Some statuses in the order of their post ids; `next` is the `after` of the next page, null on the last."""

    statuses: list[StatusView]
    next: str | None


class StatusSummary(BaseModel):
    """How many posts have each status; how many of all a reviewer decided, and how many were taken away."""

    total: int
    statuses: dict[Status, int]
    reviewed: int
    deleted: int


def build_router(platform: Platform, store: Store) -> APIRouter:
    """Return the routes of the auditor."""
    router = APIRouter(tags=["statuses"], dependencies=[Depends(require(platform.keys, Scope.READ))])

    @router.get("/v1/posts/{post_id}/status", summary="Where does a post stand?")
    async def read_status(
        post_id: PostId,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most steps of the history to answer.")] = 200,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only steps before this sequence.")] = None,
    ) -> PostStatusView:
        """Answer in short: where a post stands, what each source holds of it, and its steps, newest last.

        `/history` is the same record at full length. 404 if nobody judged the post.
        """
        row = await store.find_status(post_id)
        if row is None:
            raise not_found("status")
        steps = await store.history(post_id, limit=limit, before=before)
        return PostStatusView.model_validate(_view(row) | {"history": [step._mapping for step in steps]})

    @router.get("/v1/statuses", summary="List statuses")
    async def list_statuses(
        status: Annotated[Status | None, Query(description="Only posts of this status.")] = None,
        limit: Annotated[int, Query(ge=1, le=500, description="Most statuses to answer.")] = 100,
        after: Annotated[
            str | None, Query(max_length=200, pattern=NO_NUL, description="`next` of the page before.")
        ] = None,
    ) -> StatusPage:
        """Answer with posts of one status, or of all, page by page."""
        rows = await store.list_statuses(status=status, after=after, limit=limit + 1)
        shown = [StatusView.model_validate(_view(row)) for row in rows[:limit]]
        return StatusPage(statuses=shown, next=shown[-1].post_id if len(rows) > limit else None)

    @router.get("/v1/statuses/summary", summary="Count statuses")
    async def summarise_statuses() -> StatusSummary:
        """Answer with the number of posts per status, of those a reviewer decided and of those taken away."""
        rows = await store.totals()
        counts = dict.fromkeys(Status, 0) | {Status(row.status): row.posts for row in rows}
        return StatusSummary(
            total=sum(counts.values()),
            statuses=counts,
            reviewed=sum(row.reviewed for row in rows),
            deleted=sum(row.deleted for row in rows),
        )

    return router


def _view(row: Stored) -> dict[str, Any]:
    return dict(row._mapping)
