"""Every query of the auditor.

Invariant: a record is written only by a transaction that locked it, or that inserts its first step; of two that
insert the same step one fails on the primary key, and its batch is taken again.
"""

from collections.abc import Container, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, RowMapping, bindparam, case, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auditor.corpus.heard import EVERY
from services.auditor.corpus_store import Connection, CorpusQueries
from services.auditor.rows import judgement_of, judgement_row, record_of, row_of, step_of, step_row
from services.auditor.status.live import Policy, PostRecord, Step
from services.auditor.status.posts import MODEL_OF, REVIEWER, Judgement, Opinion, newest_first
from services.auditor.tables import corrections, judgements, status_changes, statuses
from shared.db import Database, append, insert_new, upsert
from shared.vocabulary import Status

__all__ = ["Connection", "Correction", "Kept", "Store"]

IDS: BindParameter[Any] = bindparam("ids", expanding=True)

_STANDING = select(
    statuses.c.post_id,
    statuses.c.status,
    statuses.c.rule,
    statuses.c.opinions,
    statuses.c.ratings,
    statuses.c.marks,
    statuses.c.sequence,
    statuses.c.first_status,
    statuses.c.first_changed_at,
    statuses.c.changed_at,
    statuses.c.last_judged_at,
)
STANDINGS = _STANDING.where(statuses.c.post_id.in_(IDS))
STANDINGS_BY_ID = _STANDING.order_by(statuses.c.post_id)
# everybody locks in the same order; SQLite has no rows to lock: there a writer is alone from BEGIN IMMEDIATE on
RECORDS = STANDINGS.order_by(statuses.c.post_id).with_for_update()

_told = select(
    status_changes,
    statuses.c.first_status.label("began_as"),
    statuses.c.first_changed_at.label("began_at"),
).join(statuses, statuses.c.post_id == status_changes.c.post_id)
CAUSED = _told.where(status_changes.c.cause_id.in_(IDS))
LOG = _told.where(status_changes.c.post_id == bindparam("id"))
HEARD = select(judgements.c.cause_id).where(judgements.c.cause_id.in_(IDS))
RECEIVED = select(judgements).where(judgements.c.post_id == bindparam("id")).order_by(judgements.c.number)
RECEIVED_OF = select(judgements).where(judgements.c.post_id.in_(IDS)).order_by(judgements.c.number)
LOGS = _told.where(status_changes.c.post_id.in_(IDS)).order_by(status_changes.c.post_id, status_changes.c.sequence)
DUE = (
    select(statuses.c.post_id)
    .where(statuses.c.due_at <= bindparam("now"))
    .order_by(statuses.c.due_at, statuses.c.post_id)
    .limit(bindparam("limit"))
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


SHOWN = "status", "rule", "sequence", "first_status", "first_changed_at", "changed_at"
"""Columns that repeat what the record says, for questions."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record, its columns for questions, its judgements with the policies they were heard under, and its log."""

    record: PostRecord
    shown: dict[str, Any]
    received: list[tuple[Judgement, str]]
    log: list[Step]


class Store(CorpusQueries):
    """The auditor's questions to its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return the transaction of one batch."""
        return self._database.begin()

    async def lock_records(self, connection: AsyncConnection, post_ids: Iterable[str]) -> dict[str, PostRecord]:
        """Return the records of posts, with their newest correction only, and keep others from changing them."""
        rows = await connection.execute(RECORDS, {"ids": list(post_ids)})
        return {row["post_id"]: record_of(row) for row in rows.mappings()}

    async def steps_caused_by(self, connection: AsyncConnection, event_ids: Sequence[str]) -> dict[str, Step]:
        """Return the steps that events caused when they were handled before, by event id."""
        rows = await connection.execute(CAUSED, {"ids": list(event_ids)})
        return {row["cause_id"]: _step(row) for row in rows.mappings()}

    async def heard(self, connection: AsyncConnection, event_ids: Sequence[str]) -> set[str]:
        """Return the events among these whose judgement is kept already."""
        return set(await connection.scalars(HEARD, {"ids": list(event_ids)}))

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
        records: dict[str, PostRecord],
        post_ids: Iterable[str],
        retracted: Iterable[str],
        depth: int,
    ) -> dict[str, PostRecord]:
        """Return the records of all `post_ids` with their `depth` newest standing corrections and what was retracted.

        One more than the retractions of a batch is deep enough: each uncovers at most one.
        """
        wanted = list(post_ids)
        rows = await connection.execute(STANDING, {"ids": wanted, "depth": depth})
        standing: dict[str, list[Opinion]] = {post_id: [] for post_id in wanted}
        for post_id, status, corrected_at, correction_id in rows.all():
            standing[post_id].append(Opinion(Status(status), corrected_at, correction_id))
        gone = frozenset(retracted)
        known = {post_id: records.get(post_id) or PostRecord(post_id) for post_id in wanted}
        return {
            post_id: replace(
                record,
                held=replace(record.held, corrections=newest_first(standing[post_id]), retracted=gone),
            )
            for post_id, record in known.items()
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
        self,
        connection: AsyncConnection,
        received: Iterable[Judgement],
        records: Sequence[PostRecord],
        steps: Sequence[Step],
        policy: Policy,
        *,
        said_with: Container[str] = (),
    ) -> None:
        """Keep judgements as received, write the records they led to and append the steps they made.

        Steps caused by events of `said_with` leave with those; the announcer says the others. Raises IntegrityError if
        another process made a post's first step meanwhile: everything has to be read again.
        """
        await append(connection, judgements, [judgement_row(each, policy) for each in received])
        rows = [step_row(step, said=step.cause_id in said_with) for step in steps]
        rows.sort(key=lambda row: (row["post_id"], row["sequence"]))
        await append(connection, status_changes, rows)
        await upsert(connection, statuses, [row_of(each, policy) for each in sorted(records, key=_by_id)])

    async def rated(
        self, connection: AsyncConnection, rater: str, model: str, until: datetime
    ) -> list[tuple[str, str, datetime]]:
        """Return what a person said until a moment, for one model or every one: post, rater with model, the moment."""
        mine = judgements.c.rater == (rater + MODEL_OF + model if model else rater)
        if model == EVERY:
            mine = (judgements.c.rater == rater) | judgements.c.rater.startswith(rater + MODEL_OF, autoescape=True)
        question = select(judgements.c.post_id, judgements.c.rater).where(mine, judgements.c.judged_at <= until)
        rows = await connection.execute(question.distinct().order_by(judgements.c.post_id, judgements.c.rater))
        return [(row.post_id, row.rater, until) for row in rows]

    async def disown(self, connection: AsyncConnection, taken_back: Iterable[tuple[str, datetime, str]]) -> None:
        """Let what people (with their models) said until a moment be nobody's."""
        for key, until, nobody in taken_back:
            mine = judgements.c.rater == key, judgements.c.judged_at <= until
            await connection.execute(update(judgements).where(*mine).values(rater=nobody))

    async def due(self, now: datetime, limit: int) -> list[str]:
        """Return posts whose record time itself moves by now, the longest due first."""
        async with self._database.read() as connection:
            return list(await connection.scalars(DUE, {"now": now, "limit": limit}))

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

    async def find_record(self, post_id: str) -> PostRecord | None:
        """Return the record of one post, None if nothing was heard of it."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(statuses).where(statuses.c.post_id == post_id))
            row = rows.mappings().one_or_none()
        return None if row is None else record_of(row)

    async def records(self, post_ids: Sequence[str]) -> dict[str, PostRecord]:
        """Return the records of posts, without locking them."""
        async with self._database.read() as connection:
            rows = await connection.execute(STANDINGS, {"ids": post_ids})
            return {row["post_id"]: record_of(row) for row in rows.mappings()}

    async def log(self, post_id: str, *, limit: int, before: int | None = None) -> list[Step]:
        """Return the newest steps of a post (`before` a sequence) with all they changed, oldest of them first."""
        question = LOG if before is None else LOG.where(status_changes.c.sequence < before)
        question = question.order_by(status_changes.c.sequence.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(question, {"id": post_id})).mappings().all()
        return [_step(row) for row in reversed(rows)]

    async def steps_behind(self, post_id: str, sequence: int, limit: int) -> list[Step]:
        """Return steps of all posts in the order of post and sequence, from the one behind that place."""
        key = status_changes.c.post_id, status_changes.c.sequence
        question = _told.where(tuple_(*key) > (post_id, sequence)).order_by(*key).limit(limit)
        async with self._database.read() as connection:
            return [_step(row) for row in (await connection.execute(question)).mappings()]

    async def received(self, post_id: str) -> list[tuple[Judgement, str]]:
        """Return every judgement of a post as received, each with the version of its policy."""
        async with self._database.read() as connection:
            rows = (await connection.execute(RECEIVED, {"id": post_id})).mappings().all()
        return [(judgement_of(row), row["policy"]) for row in rows]

    async def kept(self, after: str, limit: int, *, only: bool = False) -> list[Kept]:
        """Return the next posts behind `after` (`only`: that one) with all that is kept of their statuses."""
        wanted = statuses.c.post_id == after if only else statuses.c.post_id > after
        page = STANDINGS_BY_ID.where(statuses.c.status.is_not(None), wanted).limit(limit)
        received: dict[str, list[tuple[Judgement, str]]] = {}
        logs: dict[str, list[Step]] = {}
        async with self._database.read() as connection:
            rows = (await connection.execute(page)).mappings().all()
            ids = {"ids": [row["post_id"] for row in rows]}
            for row in (await connection.execute(RECEIVED_OF, ids)).mappings():
                received.setdefault(row["post_id"], []).append((judgement_of(row), row["policy"]))
            for row in (await connection.execute(LOGS, ids)).mappings():
                logs.setdefault(row["post_id"], []).append(_step(row))
        return [
            Kept(
                record_of(row),
                {name: row[name] for name in SHOWN},
                received.get(row["post_id"], []),
                logs.get(row["post_id"], []),
            )
            for row in rows
        ]

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


def _by_id(record: PostRecord) -> str:
    return record.post_id


def _step(row: RowMapping) -> Step:
    return step_of(row, row["began_as"], row["began_at"])
