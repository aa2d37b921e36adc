"""What is forgotten before it is told again from the streams: ranks, so that whatever is told wins.

Invariant: nothing is deleted, and no text; a row whose events are gone stays as it is.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import corrections, models, posts
from shared.db import chunks


class RebuildQueries:
    """Ranks of read models."""

    async def forget_scores(self, connection: AsyncConnection, post_ids: Sequence[str]) -> None:
        """Let any score of these posts win."""
        for some in chunks(post_ids):
            await connection.execute(update(posts).where(posts.c.post_id.in_(some)).values(score_rank=""))

    async def forget_statuses(self, connection: AsyncConnection, post_ids: Sequence[str]) -> None:
        """Let any status of these posts win."""
        for some in chunks(post_ids):
            await connection.execute(update(posts).where(posts.c.post_id.in_(some)).values(status_sequence=-1))

    async def forget_corrections(self, connection: AsyncConnection, correction_ids: Sequence[str]) -> None:
        """Let these corrections stand until their retraction is told."""
        for some in chunks(correction_ids):
            where = corrections.c.correction_id.in_(some)
            await connection.execute(update(corrections).where(where).values(retracted=False))

    async def forget_promotions(self, connection: AsyncConnection, versions: Sequence[str]) -> None:
        """Let any promotion of these models win."""
        for some in chunks(versions):
            await connection.execute(update(models).where(models.c.version.in_(some)).values(promoted_at=None))

    async def count_posts(self, connection: AsyncConnection) -> int:
        """Return how many posts there are."""
        return int((await connection.execute(select(func.count()).select_from(posts))).scalar_one())
