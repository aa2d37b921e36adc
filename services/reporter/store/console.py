"""Questions of the console's pages about many posts at once. Invariant: what is added up comes from grouped rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.readmodel import BITS
from services.reporter.tables import posts

HUNDREDTH = 2
"""Decimals to which scores are grouped: mean and percentiles of a day are right to a hundredth."""


class ConsoleQueries:
    """Days, and the newest posts."""

    async def days(
        self,
        connection: AsyncConnection,
        since: datetime,
        until: datetime,
        language: str | None,
        model: str | None = None,
    ) -> Sequence[Any]:
        """Return day (ISO), score to a hundredth, mask, flagged and how many posts were first judged in [since, until).

        Deleted posts are left out; hidden ones count, as they do in every total.
        """
        seen: Any = posts.c.seen_at
        if connection.dialect.name == "postgresql":
            day = func.to_char(func.timezone("UTC", seen), "YYYY-MM-DD")
        else:
            day = func.strftime("%Y-%m-%d", seen)
        columns = (
            day.label("day"),
            func.round(posts.c.overall * 10**HUNDREDTH).label("score"),
            posts.c.flagged_mask.label("mask"),
            posts.c.flagged,
        )
        where = [seen >= since, seen < until, posts.c.overall.is_not(None), posts.c.deleted_at.is_(None)]
        if language:
            where.append(posts.c.language == language)
        if model:
            where.append(posts.c.model_version == model)
        question = select(*columns, func.count().label("posts")).where(*where).group_by(*columns)
        return (await connection.execute(question)).all()

    async def languages_seen(self, connection: AsyncConnection) -> list[str]:
        """Return the languages of posts, the most frequent first."""
        question = select(posts.c.language, func.count().label("posts")).where(posts.c.language.is_not(None))
        rows = await connection.execute(question.group_by(posts.c.language).order_by(func.count().desc()).limit(20))
        return [row.language for row in rows]

    async def models_seen(self, connection: AsyncConnection) -> list[str]:
        """Return the versions that gave posts their present scores, the one that did so last first."""
        version = posts.c.model_version
        question = select(version).where(version.is_not(None)).group_by(version)
        rows = await connection.execute(question.order_by(func.max(posts.c.scored_at).desc(), version).limit(20))
        return [row.model_version for row in rows]

    async def oldest_waiting(self, connection: AsyncConnection, status: str) -> datetime | None:
        """Return since when the post has waited that has waited longest."""
        question = select(func.min(posts.c.status_changed_at)).where(posts.c.status == status)
        found = (await connection.execute(question.where(posts.c.deleted_at.is_(None)))).scalar_one_or_none()
        return found if isinstance(found, datetime) else None

    async def scored_lately(self, connection: AsyncConnection, since: datetime, step_s: int) -> dict[int, int]:
        """Return how many posts were scored in each `step_s` seconds since a moment; keys count steps since 1970."""
        at: Any = posts.c.scored_at
        on_sqlite = connection.dialect.name == "sqlite"
        seconds: Any = cast(func.strftime("%s", at), Integer) if on_sqlite else func.extract("epoch", at)
        step = cast(func.floor(seconds / step_s), Integer).label("step")
        rows = await connection.execute(select(step, func.count().label("posts")).where(at >= since).group_by(step))
        return {row.step: row.posts for row in rows}

    async def is_scored(self, connection: AsyncConnection, post_id: str) -> bool:
        """Return whether a score of the post is in the tables."""
        question = select(posts.c.post_id).where(posts.c.post_id == post_id, posts.c.scored_at.is_not(None))
        return (await connection.execute(question)).first() is not None

    async def newest_posts(
        self,
        connection: AsyncConnection,
        *,
        after: datetime | None,
        least: float,
        flagged: bool,
        category: str | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Return the posts scored last that are neither deleted nor hidden, the newest first."""
        where: list[Any] = [posts.c.scored_at.is_not(None), posts.c.deleted_at.is_(None), posts.c.hidden.is_(False)]
        if after is not None:
            where.append(posts.c.scored_at > after)
        if least > 0:
            where.append(posts.c.overall >= least)
        if flagged:
            where.append(posts.c.flagged.is_(True))
        if category:
            where.append(posts.c.flagged_mask.op("&")(dict(BITS)[category]) != 0)
        question = select(posts).where(*where).order_by(posts.c.scored_at.desc(), posts.c.post_id).limit(limit)
        return (await connection.execute(question)).all()
