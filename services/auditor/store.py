"""Every query of the auditor.

Invariant: a record is written only by a transaction that locked it, or that inserts its first step; of two that
insert the same step one fails on the primary key, and its batch is taken again.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auditor.corpus_store import Connection, CorpusQueries
from services.auditor.status.posts import MODEL, REVIEWER, Change, Opinion, StatusRecord, newest_first
from services.auditor.tables import corrections, status_changes, statuses
from shared.db import Database, append, insert_new, upsert
from shared.vocabulary import Status

__all__ = ["Connection", "Correction", "Store"]

IDS: BindParameter[Any] = bindparam("ids", expanding=True)

RECORDS = (
    select(
        statuses.c.post_id,
        statuses.c.status,
        statuses.c.rule,
        statuses.c.opinions,
        statuses.c.sequence,
        statuses.c.first_status,
        statuses.c.first_changed_at,
        statuses.c.changed_at,
    )
    .where(statuses.c.post_id.in_(IDS))
    .order_by(statuses.c.post_id)  # everybody locks in the same order
    .with_for_update()  # SQLite has no rows to lock: there a writer is alone from BEGIN IMMEDIATE on
)

CAUSED = (
    select(status_changes, statuses.c.first_status, statuses.c.first_changed_at)
    .join(statuses, statuses.c.post_id == status_changes.c.post_id)
    .where(status_changes.c.cause_id.in_(IDS))
)

KNOWN = (
    select(corrections)
    .where(corrections.c.correction_id.in_(IDS))
    .order_by(corrections.c.correction_id)
    .with_for_update()
)

# ranks by time alone, so that those of the same moment come together: databases order ids each in their own way
_age = func.rank().over(partition_by=corrections.c.post_id, order_by=corrections.c.corrected_at.desc())
_ranked = (
    select(corrections, _age.label("age"))
    .where(corrections.c.post_id.in_(IDS), corrections.c.retracted.is_(False))
    .subquery()
)
STANDING = select(_ranked.c.post_id, _ranked.c.status, _ranked.c.corrected_at, _ranked.c.correction_id).where(
    _ranked.c.age <= bindparam("depth")
)

DELETED = (
    update(statuses)
    .where(statuses.c.post_id == bindparam("id"))
    .where(or_(statuses.c.deleted_at.is_(None), statuses.c.deleted_at > bindparam("at")))
    .values(deleted_at=bindparam("at"))
)

TOTALS = (
    select(
        statuses.c.status,
        func.count().label("posts"),
        func.sum(case((statuses.c.rule == REVIEWER, 1), else_=0)).label("reviewed"),
        func.sum(case((statuses.c.deleted_at.is_not(None), 1), else_=0)).label("deleted"),
    )
    .where(statuses.c.status.is_not(None))
    .group_by(statuses.c.status)
)


@dataclass(slots=True)
class Correction:
    """What is kept of a correction; without `post_id` only its retraction was heard."""

    correction_id: str
    post_id: str | None = None
    status: Status | None = None
    corrected_at: datetime | None = None
    retracted: bool = False


class Store(CorpusQueries):
    """The auditor's questions to its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return the transaction of one batch."""
        return self._database.begin()

    async def lock_records(self, connection: AsyncConnection, post_ids: Iterable[str]) -> dict[str, StatusRecord]:
        """Return the records of posts, with their newest correction only, and keep others from changing them."""
        rows = await connection.execute(RECORDS, {"ids": list(post_ids)})
        return {row[0]: _record(*row) for row in rows.all()}

    async def changes_caused_by(self, connection: AsyncConnection, event_ids: Sequence[str]) -> dict[str, Change]:
        """Return the steps that events caused when they were handled before, by event id."""
        rows = await connection.execute(CAUSED, {"ids": list(event_ids)})
        return {row.cause_id: _change(row) for row in rows.all()}

    async def lock_corrections(self, connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Correction]:
        """Return what is known of corrections and retractions of them; unknown ones are noted, so that they lock."""
        wanted = sorted(set(ids))
        await insert_new(connection, corrections, [{"correction_id": each, "retracted": False} for each in wanted])
        rows = (await connection.execute(KNOWN, {"ids": wanted})).all()
        return {
            row.correction_id: Correction(
                row.correction_id, row.post_id, row.status and Status(row.status), row.corrected_at, row.retracted
            )
            for row in rows
        }

    async def with_corrections(
        self,
        connection: AsyncConnection,
        records: dict[str, StatusRecord],
        post_ids: Iterable[str],
        retracted: Iterable[str],
        depth: int,
    ) -> dict[str, StatusRecord]:
        """Return the records of all `post_ids` with their `depth` newest standing corrections and what was retracted.

        One more than the retractions of a batch is deep enough: each uncovers at most one.
        """
        wanted = list(post_ids)
        rows = await connection.execute(STANDING, {"ids": wanted, "depth": depth})
        standing: dict[str, list[Opinion]] = {post_id: [] for post_id in wanted}
        for post_id, status, corrected_at, correction_id in rows.all():
            standing[post_id].append(Opinion(Status(status), corrected_at, correction_id))
        gone = frozenset(retracted)
        return {
            post_id: replace(
                records.get(post_id) or StatusRecord(post_id), corrections=newest_first(opinions), retracted=gone
            )
            for post_id, opinions in standing.items()
        }

    async def save_corrections(self, connection: AsyncConnection, known: Iterable[Correction]) -> None:
        """Write corrections that `lock_corrections` locked."""
        rows = [
            {
                "correction_id": each.correction_id,
                "post_id": each.post_id,
                "status": each.status and each.status.value,
                "corrected_at": each.corrected_at,
                "retracted": each.retracted,
            }
            for each in known
        ]
        await upsert(connection, corrections, rows)

    async def save(
        self, connection: AsyncConnection, records: Sequence[StatusRecord], changes: Sequence[Change]
    ) -> None:
        """Write records and append the steps they made.

        Raises IntegrityError if another process made a post's first step meanwhile: everything has to be read again.
        """
        if changes:
            rows = [_step(change) for change in changes]
            rows.sort(key=lambda row: (row["post_id"], row["sequence"]))
            await append(connection, status_changes, rows)
        await upsert(connection, statuses, [_row(each) for each in sorted(records, key=lambda each: each.post_id)])

    async def mark_deleted(self, connection: AsyncConnection, deleted: Sequence[tuple[str, datetime]]) -> None:
        """Keep when posts were taken away, the earliest time of several; a post we do not know yet is noted."""
        rows = sorted(deleted)
        if not rows:
            return
        await self.lock_records(connection, {post_id for post_id, _ in rows})
        blank = {"opinions": {}, "revision": 0, "sequence": 0}
        await insert_new(
            connection, statuses, [{"post_id": post_id, "deleted_at": at, **blank} for post_id, at in rows]
        )
        await connection.execute(DELETED, [{"id": post_id, "at": at} for post_id, at in rows])

    async def find_status(self, post_id: str) -> Row[Any] | None:
        """Return where one post stands, None if nobody judged it yet."""
        question = select(statuses).where(statuses.c.post_id == post_id, statuses.c.status.is_not(None))
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    async def history(self, post_id: str, *, limit: int, before: int | None = None) -> list[Row[Any]]:
        """Return the newest steps of a post (`before` a sequence), oldest of them first."""
        question = select(status_changes).where(status_changes.c.post_id == post_id)
        if before is not None:
            question = question.where(status_changes.c.sequence < before)
        question = question.order_by(status_changes.c.sequence.desc()).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(question)).all())[::-1]

    async def list_statuses(self, *, status: Status | None, after: str | None, limit: int) -> list[Row[Any]]:
        """Return posts in order of their ids, from the one behind `after`, of one status or of all."""
        question = select(statuses).where(statuses.c.status.is_not(None))
        if status is not None:
            question = question.where(statuses.c.status == status.value)
        if after is not None:
            question = question.where(statuses.c.post_id > after)
        async with self._database.read() as connection:
            return list((await connection.execute(question.order_by(statuses.c.post_id).limit(limit))).all())

    async def totals(self) -> list[Row[Any]]:
        """Return per status how many posts have it, and how many of these a reviewer decided or were taken away."""
        async with self._database.read() as connection:
            return list((await connection.execute(TOTALS)).all())


def _record(
    post_id: str,
    status: str | None,
    rule: str | None,
    opinions: dict[str, dict[str, Any]],
    sequence: int,
    first_status: str | None,
    first_changed_at: datetime | None,
    changed_at: datetime | None,
) -> StatusRecord:
    reviewer = _opinion(opinions.get(REVIEWER))
    return StatusRecord(
        post_id,
        Status(status) if status else None,
        REVIEWER if rule == REVIEWER else MODEL,
        _opinion(opinions.get(MODEL)),
        (reviewer,) if reviewer is not None else (),
        frozenset(),
        sequence,
        Status(first_status) if first_status else None,
        first_changed_at,
        changed_at,
    )


def _opinion(stored: dict[str, Any] | None) -> Opinion | None:
    if stored is None:
        return None
    edited_at = stored.get("edited_at")
    return Opinion(
        Status(stored["status"]),
        datetime.fromisoformat(stored["judged_at"]),
        stored["id"],
        stored.get("revision", 0),
        datetime.fromisoformat(edited_at) if edited_at else None,
        stored.get("model_version"),
    )


def _row(record: StatusRecord) -> dict[str, Any]:
    model, reviewer = record.model, record.reviewer
    opinions: dict[str, dict[str, Any]] = {}
    if model is not None:
        opinions[MODEL] = {
            "status": model.status.value,
            "judged_at": model.judged_at,
            "id": model.id,
            "revision": model.revision,
            "edited_at": model.edited_at,
            "model_version": model.model_version,
        }
    if reviewer is not None:
        opinions[REVIEWER] = {"status": reviewer.status.value, "judged_at": reviewer.judged_at, "id": reviewer.id}
    return {
        "post_id": record.post_id,
        "status": record.status and record.status.value,
        "rule": record.rule,
        "opinions": opinions,
        "revision": model.revision if model is not None else 0,
        "model_version": model.model_version if model is not None else None,
        "sequence": record.sequence,
        "first_status": record.first_status and record.first_status.value,
        "first_changed_at": record.first_changed_at,
        "changed_at": record.changed_at,
        "last_judged_at": record.last_judged_at,
    }


def _step(change: Change) -> dict[str, Any]:
    return {
        "post_id": change.post_id,
        "sequence": change.sequence,
        "status": change.status.value,
        "previous": change.previous and change.previous.value,
        "rule": change.rule,
        "model_version": change.model_version,
        "cause_id": change.cause_id,
        "changed_at": change.changed_at,
    }


def _change(row: Row[Any]) -> Change:
    return Change(
        row.post_id,
        row.sequence,
        Status(row.status),
        Status(row.previous) if row.previous else None,
        row.rule,
        row.model_version,
        row.cause_id,
        row.changed_at,
        Status(row.first_status),
        row.first_changed_at,
    )
