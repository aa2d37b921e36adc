"""Questions about reports and their evidence.

Invariant: a report changes only from the version its author saw, and a complete one never.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.report import ReportState
from services.reporter.tables import evidence, reports
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

    async def report(self, connection: AsyncConnection, report_id: str) -> Row[Any] | None:
        """Return one report."""
        return (await connection.execute(select(reports).where(reports.c.id == report_id))).first()

    async def evidence_of(self, connection: AsyncConnection, report_id: str) -> Sequence[Row[Any]]:
        """Return the evidence of a report in its order."""
        question = select(evidence).where(evidence.c.report_id == report_id)
        return (await connection.execute(question.order_by(evidence.c.position, evidence.c.post_id))).all()

    async def page_of_reports(
        self, connection: AsyncConnection, *, after: str | None, limit: int
    ) -> Sequence[tuple[Row[Any], int]]:
        """Return reports, newest first, each with the number of its pieces of evidence."""
        question = select(reports).order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(limit)
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
        self, connection: AsyncConnection, report_id: str, version: int, values: Mapping[str, Any]
    ) -> bool:
        """Change a draft from `version` to the next; return False if it is no draft of that version any more."""
        where = (reports.c.id == report_id, reports.c.version == version, reports.c.state == ReportState.DRAFT.value)
        answer = await connection.execute(update(reports).where(*where).values(version=version + 1, **values))
        return answer.rowcount == 1

    async def freeze(
        self, connection: AsyncConnection, report_id: str, document: Mapping[str, Any], document_hash: str
    ) -> None:
        """Store the document of a report that was just completed."""
        values = {"document": document, "document_hash": document_hash}
        await connection.execute(update(reports).where(reports.c.id == report_id).values(values))

    async def complete_reports(
        self, connection: AsyncConnection, wanted: Sequence[tuple[str, int]]
    ) -> set[tuple[str, int]]:
        """Return which of these (report id, version) are complete."""
        ids = [report_id for report_id, _ in wanted]
        where = (reports.c.id.in_(ids), reports.c.state == ReportState.COMPLETE.value)
        rows = await connection.execute(select(reports.c.id, reports.c.version).where(*where))
        return {(row.id, row.version) for row in rows} & set(wanted)

    async def keep_receipts(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note the newest receipt on its report. Rows: report, receipt, receipt_state, receipt_at, at (the same)."""
        at = bindparam("at", type_=reports.c.receipt_at.type)
        where = (reports.c.id == bindparam("report"), or_(reports.c.receipt_at.is_(None), reports.c.receipt_at <= at))
        if rows:
            await connection.execute(update(reports).where(*where), list(rows))

    async def frozen_document(self, connection: AsyncConnection, report_id: str) -> dict[str, Any] | None:
        """Return the document of a complete report as it is now."""
        row = (await connection.execute(select(reports.c.document).where(reports.c.id == report_id))).first()
        return None if row is None else row.document

    async def is_redacted(self, connection: AsyncConnection, report_id: str) -> bool:
        """Return whether a deletion took text out of a report's document."""
        where = (reports.c.id == report_id, reports.c.redacted_at.is_not(None))
        return (await connection.execute(select(reports.c.id).where(*where))).first() is not None
