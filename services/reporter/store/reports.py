"""Questions about reports and their evidence.

Invariant: a report changes only from the version its author saw, and a complete one never.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.report import Person, ReportState, Step
from services.reporter.tables import deliveries, evidence, report_steps, reports
from shared.db import upsert


class ReportQueries:
    """Reports with their evidence."""

    async def add_report(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Insert a draft."""
        await connection.execute(reports.insert(), dict(row))

    async def put_evidence(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert or replace pieces of evidence."""
        await upsert(connection, evidence, rows)

    async def drop_evidence(self, connection: AsyncConnection, report_id: str, post_ids: Sequence[str]) -> None:
        """Remove pieces of evidence."""
        if post_ids:
            where = (evidence.c.report_id == report_id, evidence.c.post_id.in_(post_ids))
            await connection.execute(delete(evidence).where(*where))

    async def report(
        self, connection: AsyncConnection, report_id: str, person: Person, *, removed: bool = False
    ) -> Row[Any] | None:
        """Return a report of this person, or of anybody if they may see everybody's; removed ones only if asked for."""
        question = select(reports).where(reports.c.id == report_id)
        row = (await connection.execute(question)).first()
        there = row is not None and person.owns(row.created_by) and (row.removed_at is not None) == removed
        return row if there else None

    async def shared_report(self, connection: AsyncConnection, link_hash: str) -> Row[Any] | None:
        """Return the report that a link leads to."""
        where = (reports.c.link_hash == link_hash, reports.c.removed_at.is_(None))
        return (await connection.execute(select(reports).where(*where))).first()

    async def evidence_of(self, connection: AsyncConnection, report_id: str) -> Sequence[Row[Any]]:
        """Return the evidence of a report in its order."""
        question = select(evidence).where(evidence.c.report_id == report_id)
        return (await connection.execute(question.order_by(evidence.c.position, evidence.c.post_id))).all()

    async def page_of_reports(
        self, connection: AsyncConnection, author: str | None, *, after: str | None, limit: int
    ) -> Sequence[tuple[Row[Any], int]]:
        """Return an author's reports, or everybody's, newest first, each with the number of its pieces of evidence."""
        question = select(reports).order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(limit)
        question = question.where(reports.c.removed_at.is_(None))
        if author is not None:
            question = question.where(reports.c.created_by == author)
        if after is not None:
            made = select(reports.c.created_at).where(reports.c.id == after).scalar_subquery()
            older = reports.c.created_at < made
            question = question.where(or_(older, (reports.c.created_at == made) & (reports.c.id < after)))
        rows = (await connection.execute(question)).all()
        counted = select(evidence.c.report_id, func.count().label("pieces")).group_by(evidence.c.report_id)
        answers = await connection.execute(counted.where(evidence.c.report_id.in_([row.id for row in rows])))
        pieces = {row.report_id: row.pieces for row in answers}
        return [(row, pieces.get(row.id, 0)) for row in rows]

    async def save_report(
        self,
        connection: AsyncConnection,
        report_id: str,
        version: int,
        person: Person,
        values: Mapping[str, Any],
        state: ReportState = ReportState.DRAFT,
    ) -> bool:
        """Change a report in `state` from `version` to the next; return False if that is not how it stands any more."""
        where = [reports.c.id == report_id, reports.c.version == version, reports.c.state == state.value]
        where.append(reports.c.removed_at.is_(None))
        if not person.everybody:
            where.append(reports.c.created_by == person.id)
        answer = await connection.execute(update(reports).where(*where).values(version=version + 1, **values))
        return answer.rowcount == 1

    async def reopen(self, connection: AsyncConnection, report_id: str) -> None:
        """Forget what was frozen of a report that is a draft again."""
        thawed = {
            "document": null(),
            "document_hash": None,
            "redacted_at": None,
            "completed_at": None,
            "announced_at": None,
            "send": False,
        }
        await connection.execute(update(reports).where(reports.c.id == report_id).values(thawed))

    async def put_link(self, connection: AsyncConnection, report_id: str, link_hash: str | None) -> None:
        """Keep the hash of the one link that leads to a report, or that there is none."""
        await connection.execute(update(reports).where(reports.c.id == report_id).values(link_hash=link_hash))

    async def restore(self, connection: AsyncConnection, report_id: str, since: datetime) -> bool:
        """Take back a removal that is not older than `since`; return False if there is none."""
        where = (reports.c.id == report_id, reports.c.removed_at >= since)
        return (await connection.execute(update(reports).where(*where).values(removed_at=None))).rowcount == 1

    async def drop_removed(self, connection: AsyncConnection, before: datetime) -> int:
        """Delete drafts that were removed before a moment, with everything that is kept of them; return how many."""
        where = (reports.c.removed_at < before, reports.c.state == ReportState.DRAFT.value)
        ids = list((await connection.execute(select(reports.c.id).where(*where))).scalars())
        for table in (evidence, report_steps):
            await connection.execute(delete(table).where(table.c.report_id.in_(ids)))
        await connection.execute(delete(reports).where(reports.c.id.in_(ids)))
        return len(ids)

    async def drop_unsent_of(self, connection: AsyncConnection, owner: str) -> int:
        """Delete what somebody wrote and never submitted, with everything that is kept of it; return how many."""
        submitted = select(deliveries.c.report_id).where(deliveries.c.report_id == reports.c.id).exists()
        ids = list(
            (await connection.execute(select(reports.c.id).where(reports.c.created_by == owner, ~submitted))).scalars()
        )
        for table in (evidence, report_steps):
            await connection.execute(delete(table).where(table.c.report_id.in_(ids)))
        await connection.execute(delete(reports).where(reports.c.id.in_(ids)))
        return len(ids)

    async def submitted_of(self, connection: AsyncConnection, owner: str) -> Sequence[Row[Any]]:
        """Return what became of every submission of somebody's reports, oldest first."""
        question = select(deliveries).join(reports, reports.c.id == deliveries.c.report_id)
        return (
            await connection.execute(question.where(reports.c.created_by == owner).order_by(deliveries.c.created_at))
        ).all()

    async def add_step(
        self,
        connection: AsyncConnection,
        report_id: str,
        version: int,
        what: Step,
        by: str,
        at: datetime,
        fields: Sequence[str] = (),
    ) -> None:
        """Add one step to a report's history."""
        row = {"report_id": report_id, "version": version, "what": what.value, "fields": list(fields)}
        await connection.execute(report_steps.insert(), {**row, "by": by, "at": at})

    async def steps_of(self, connection: AsyncConnection, report_id: str) -> Sequence[Row[Any]]:
        """Return what was done with a report, oldest first."""
        question = select(report_steps).where(report_steps.c.report_id == report_id)
        return (await connection.execute(question.order_by(report_steps.c.step))).all()

    async def submissions_since(self, connection: AsyncConnection, since: datetime) -> dict[str, int]:
        """Return how many deliveries were queued since a moment, by author of the report."""
        question = (
            select(reports.c.created_by, func.count().label("made"))
            .join(deliveries, deliveries.c.report_id == reports.c.id)
            .where(deliveries.c.created_at >= since)
            .group_by(reports.c.created_by)
        )
        return {row.created_by: row.made for row in await connection.execute(question)}

    async def freeze(
        self, connection: AsyncConnection, report_id: str, document: Mapping[str, Any], document_hash: str
    ) -> None:
        """Store the document of a report that was just completed."""
        values = {"document": document, "document_hash": document_hash}
        await connection.execute(update(reports).where(reports.c.id == report_id).values(values))

    async def reports_to_send(
        self, connection: AsyncConnection, wanted: Sequence[tuple[str, int]]
    ) -> set[tuple[str, int]]:
        """Return which of these (report id, version) are complete and shall be sent."""
        ids = [report_id for report_id, _ in wanted]
        where = (reports.c.id.in_(ids), reports.c.state == ReportState.COMPLETE.value, reports.c.send.is_(True))
        rows = await connection.execute(select(reports.c.id, reports.c.version).where(*where))
        return {(row.id, row.version) for row in rows} & set(wanted)

    async def keep_receipts(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note the newest receipt on its report. Rows: report, receipt, receipt_state, receipt_at, at (the same)."""
        at = bindparam("at", type_=reports.c.receipt_at.type)
        where = (reports.c.id == bindparam("report"), or_(reports.c.receipt_at.is_(None), reports.c.receipt_at <= at))
        if rows:
            await connection.execute(update(reports).where(*where), list(rows))

    async def frozen_document(self, connection: AsyncConnection, report_id: str, version: int) -> dict[str, Any] | None:
        """Return the document of a report that was completed at a version and not reopened since."""
        where = (reports.c.id == report_id, reports.c.version == version)
        row = (await connection.execute(select(reports.c.document).where(*where))).first()
        return None if row is None else row.document

    async def is_redacted(self, connection: AsyncConnection, report_id: str) -> bool:
        """Return whether a deletion took text out of a report's document."""
        where = (reports.c.id == report_id, reports.c.redacted_at.is_not(None))
        return (await connection.execute(select(reports.c.id).where(*where))).first() is not None
