"""Questions of the first page. Invariant: each is answered from an index, so that the page stays fast."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.report import ReportState
from services.reporter.tables import deliveries, models, posts, reports
from shared.vocabulary import ModelKind

RECENT = 1000
"""Posts that count as recent: the last thousand that were scored."""


class OverviewQueries:
    """Counts, the live model, the newest reports, the worst recent posts."""

    async def tallies(self, connection: AsyncConnection) -> Sequence[Any]:
        """Return how many of the posts that are still there are alike in flag, status, correction and categories."""
        columns = (posts.c.flagged, posts.c.status, posts.c.correction_verdict, posts.c.flagged_mask)
        question = select(*columns, func.count().label("posts")).group_by(*columns)
        return (await connection.execute(question.where(posts.c.deleted_at.is_(None)))).all()

    async def deleted(self, connection: AsyncConnection) -> tuple[int, int]:
        """Return how many posts were deleted, and how many of those had a score."""
        question = select(func.count(), func.count(posts.c.flagged)).where(posts.c.deleted_at.is_not(None))
        total, scored = (await connection.execute(question)).one()
        return int(total), int(scored)

    async def live_model(self, connection: AsyncConnection) -> Row[Any] | None:
        """Return the shared model that was promoted last."""
        where = (models.c.kind == ModelKind.GLOBAL.value, models.c.promoted_at.is_not(None))
        question = select(models).where(*where).order_by(models.c.promoted_at.desc(), models.c.version).limit(1)
        return (await connection.execute(question)).first()

    async def last_scoring_model(self, connection: AsyncConnection) -> Any:
        """Return name and version of the model that gave the newest score, or None."""
        question = select(posts.c.model.label("name"), posts.c.model_version.label("version"))
        question = question.where(posts.c.scored_at.is_not(None)).order_by(posts.c.scored_at.desc()).limit(1)
        return (await connection.execute(question)).first()

    async def model(self, connection: AsyncConnection, version: str) -> Row[Any] | None:
        """Return what is known of one version."""
        return (await connection.execute(select(models).where(models.c.version == version))).first()

    async def worst_recent_posts(self, connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
        """Return the highest scored of the recent posts that were neither deleted nor hidden."""
        recent = (
            select(
                posts.c.post_id,
                posts.c.text,
                posts.c.language,
                posts.c.overall,
                posts.c.flagged,
                posts.c.flagged_mask,
                posts.c.status,
                posts.c.status_rule,
            )
            .where(posts.c.scored_at.is_not(None), posts.c.deleted_at.is_(None), posts.c.hidden.is_(False))
            .order_by(posts.c.scored_at.desc())
            .limit(RECENT)
            .subquery()
        )
        question = select(recent).order_by(recent.c.overall.desc(), recent.c.post_id).limit(limit)
        return (await connection.execute(question)).all()

    async def newest_reports(self, connection: AsyncConnection, limit: int) -> Sequence[Any]:
        """Return the newest complete reports, each with the state and receipt of its last delivery (or None)."""
        question = (
            select(
                reports.c.id,
                reports.c.title,
                reports.c.audit_category,
                reports.c.state,
                reports.c.created_at,
                deliveries.c.state.label("delivery"),
                deliveries.c.receipt,
                deliveries.c.reason,
            )
            .outerjoin(
                deliveries, (deliveries.c.report_id == reports.c.id) & (deliveries.c.version == reports.c.version)
            )
            .where(reports.c.state == ReportState.COMPLETE.value, reports.c.removed_at.is_(None))
            .order_by(reports.c.created_at.desc(), reports.c.id)
            .limit(limit)
        )
        return (await connection.execute(question)).all()
