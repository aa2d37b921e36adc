"""Questions of the transparency page. Invariant: no text, no author and no reviewer is read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import corrections, models, posts
from shared.vocabulary import ModelKind, Standing


class TransparencyQueries:
    """Counts of a period."""

    async def seen_between(self, connection: AsyncConnection, since: datetime, until: datetime) -> Sequence[Row[Any]]:
        """Return language, flagged_mask and number of the posts judged for the first time in [since, until)."""
        columns = (posts.c.language, posts.c.flagged_mask)
        question = select(*columns, func.count().label("posts")).group_by(*columns)
        return (await connection.execute(question.where(posts.c.seen_at >= since, posts.c.seen_at < until))).all()

    async def reviews_between(self, connection: AsyncConnection, since: datetime, until: datetime) -> Sequence[Any]:
        """Return what reviewers said in [since, until) and nobody took back."""
        question = (
            select(
                corrections.c.post_id,
                corrections.c.verdict,
                corrections.c.expected,
                corrections.c.actual,
                corrections.c.corrected_at,
                posts.c.seen_at,
                posts.c.language,
            )
            .join(posts, posts.c.post_id == corrections.c.post_id)
            .where(
                corrections.c.corrected_at >= since,
                corrections.c.corrected_at < until,
                corrections.c.retracted.is_(False),
                corrections.c.standing == Standing.REVIEWER.value,
            )
        )
        return (await connection.execute(question)).all()

    async def promoted_between(
        self, connection: AsyncConnection, since: datetime, until: datetime
    ) -> Sequence[Row[Any]]:
        """Return the models for all that came into force in [since, until), oldest first."""
        where = (models.c.kind == ModelKind.GLOBAL.value, models.c.promoted_at >= since, models.c.promoted_at < until)
        question = select(models).where(*where).order_by(models.c.promoted_at, models.c.version)
        return (await connection.execute(question)).all()
