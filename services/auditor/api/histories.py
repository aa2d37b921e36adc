"""The whole history of a post over HTTP, and the one thing a person may do to it: open a lock."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.auditor.status.live import Policy, PostRecord, Step, due_at, hear, hold_until, moment_of
from services.auditor.status.posts import PERSON, Judgement
from services.auditor.store import Store
from shared.auth import Principal, require
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.ids import NO_NUL, stable_id
from shared.runtime import Platform
from shared.vocabulary import Scope, Status

PostId = Annotated[str, Path(max_length=200, pattern=NO_NUL, description="Ombud's id of the post.")]


class ChangeView(BaseModel):
    """One thing a judgement changed; `before` and `after` are statuses, or say how a hold began or ended."""

    kind: str
    before: str | None
    after: str | None


class EntryView(BaseModel):
    """What one judgement changed: when it was made, whose it is, in which round, under which policy."""

    sequence: int
    judged_at: datetime
    status: Status
    previous: Status | None
    rule: str
    model_version: str | None
    cause_id: str
    round_id: str | None
    policy: str | None
    locked: bool
    hold_until: datetime | None
    actor: str | None
    reason: str | None
    changes: list[ChangeView]


class MarkView(BaseModel):
    """A status and when it was reached; of a lock that an import brought either may be missing."""

    status: str | None
    at: datetime | None


class RecordView(BaseModel):
    """Where a post stands: first, latest and locked decided status, and the hold.

    `changed_at` is empty if nothing but a first `needs_review` was ever said. `due_at`: time itself moves it then.
    """

    status: Status
    rule: str
    first: MarkView | None
    latest: MarkView | None
    lock: MarkView | None
    hold_since: datetime | None
    hold_until: datetime | None
    first_hold: datetime | None
    first_judged_at: datetime | None
    last_judged_at: datetime | None
    changed_at: datetime | None
    opened_at: datetime | None
    due_at: datetime | None
    sequence: int


class HistoryView(BaseModel):
    """The record of a post and its log of changes, the newest last. `previous` is the `before` of the page before."""

    post_id: str
    record: RecordView
    log: list[EntryView]
    previous: int | None


class UnlockRequest(BaseModel):
    """Why a lock is opened."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=500, pattern=NO_NUL, description="It stays in the log.")]


def build_router(platform: Platform, store: Store, policy: Policy, decided: asyncio.Event) -> APIRouter:
    """Return the routes of histories; `decided` wakes whoever announces what was decided here."""
    router = APIRouter(tags=["statuses"])
    reading = [Depends(require(platform.keys, Scope.READ))]
    reviewing = require(platform.keys, Scope.REVIEW)

    async def whole(post_id: str, limit: int, before: int | None) -> HistoryView:
        record = await store.find_record(post_id)
        if record is None or record.status is None:
            raise not_found("status")
        steps = await store.log(post_id, limit=limit + 1, before=before)
        more, shown = len(steps) > limit, steps[-limit:]
        return HistoryView(
            post_id=post_id,
            record=_record(record, policy),
            log=[_entry(step) for step in shown],
            previous=shown[0].sequence if more else None,
        )

    @router.get("/v1/posts/{post_id}/history", dependencies=reading, summary="How did a post come to stand there?")
    async def read_history(
        post_id: PostId,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most entries of the log to answer.")] = 200,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only entries before this one.")] = None,
    ) -> HistoryView:
        """Answer with a post's record and its log of changes, newest last; 404 if nobody judged it."""
        return await whole(post_id, limit, before)

    @router.post("/v1/posts/{post_id}/unlock", summary="Open a lock")
    async def unlock_post(
        principal: Annotated[Principal, Depends(reviewing)], post_id: PostId, body: UnlockRequest
    ) -> HistoryView:
        """Open the lock of a post's status; what was said meanwhile counts at once, and its age begins anew.

        404 if nobody judged the post, 409 `not_locked` if its status is not locked.
        """
        async with store.begin() as connection:
            record = (await store.lock_records(connection, [post_id])).get(post_id)
            if record is None or record.status is None:
                raise not_found("status")
            if not record.marks.locked:
                raise Problem(409, "not_locked", "The status of this post is not locked.")
            name = stable_id("unlock", post_id, record.sequence)
            said = Judgement(post_id, PERSON, name, utcnow(), name, actor=principal.id, reason=body.reason)
            after, steps = hear(record, said, policy)
            await store.save(connection, [said], [after], steps, policy)
        decided.set()
        return await whole(post_id, 200, None)

    return router


def _entry(step: Step) -> EntryView:
    return EntryView(
        sequence=step.sequence,
        judged_at=step.changed_at,
        status=step.status,
        previous=step.previous,
        rule=step.rule,
        model_version=step.model_version,
        cause_id=step.cause_id,
        round_id=step.round_id,
        policy=step.policy or None,
        locked=step.locked,
        hold_until=step.hold_until,
        actor=step.actor,
        reason=step.reason,
        changes=[ChangeView(kind=each.kind.value, before=each.before, after=each.after) for each in step.changes],
    )


def _record(record: PostRecord, policy: Policy) -> RecordView:
    marks = record.marks

    def mark(status: str | None, at: float | None) -> MarkView | None:
        return MarkView(status=status, at=moment_of(at)) if status is not None or at is not None else None

    return RecordView.model_validate(
        {
            "status": marks.status,
            "rule": record.rule,
            "first": mark(marks.first_status, marks.first_at),
            "latest": mark(marks.latest_status, marks.latest_at),
            "lock": mark(marks.locked_status, marks.locked_at),
            "hold_since": moment_of(marks.hold),
            "hold_until": hold_until(record, policy),
            "first_hold": moment_of(marks.first_hold),
            "first_judged_at": moment_of(marks.created_at),
            "last_judged_at": moment_of(marks.last_judged_at),
            "changed_at": moment_of(marks.changed_at),
            "opened_at": moment_of(marks.opened_at),
            "due_at": due_at(record, policy),
            "sequence": record.sequence,
        }
    )
