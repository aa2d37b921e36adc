"""Questions about posts, their corrections and the models that scored them.

Invariant: the statements of a batch are counted on one hand, whatever its size.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import corrections, model_steps, models, posts
from shared.db import chunks, insert_new, upsert

Rows = Sequence[Mapping[str, Any]]


class PostQueries:
    """Read models of posts and models."""

    async def put_scores(self, connection: AsyncConnection, rows: Rows) -> None:
        """Fill in scores; an older score than the one that is there changes nothing."""
        await upsert(connection, posts, rows, newer="score_rank")

    async def put_statuses(self, connection: AsyncConnection, rows: Rows) -> None:
        """Fill in statuses; a lower sequence than the one that is there changes nothing."""
        await upsert(connection, posts, rows, newer="status_sequence")

    async def put_corrections(self, connection: AsyncConnection, rows: Rows) -> None:
        """Remember corrections; whether one was taken back, which no row says, stays as it is."""
        await upsert(connection, corrections, rows)

    async def take_back(self, connection: AsyncConnection, rows: Rows) -> None:
        """Mark corrections as taken back, also those that were not heard yet."""
        await upsert(connection, corrections, rows)

    async def put_versions(self, connection: AsyncConnection, rows: Rows) -> None:
        """Note how many words of reviewers posts have; a lower number changes nothing."""
        await upsert(connection, posts, rows, newer="review_version")

    async def posts_of_corrections(self, connection: AsyncConnection, correction_ids: Sequence[str]) -> list[str]:
        """Return the posts that these corrections are about, as far as they are known."""
        where = (corrections.c.correction_id.in_(correction_ids), corrections.c.post_id.is_not(None))
        return [row.post_id for row in await connection.execute(select(corrections.c.post_id).where(*where))]

    async def standing_corrections(
        self, connection: AsyncConnection, post_ids: Iterable[str]
    ) -> list[Mapping[str, Any]]:
        """Return every correction of these posts that nobody took back."""
        found: list[Mapping[str, Any]] = []
        for some in chunks(sorted(set(post_ids))):
            where = (corrections.c.post_id.in_(some), corrections.c.retracted.is_(False))
            rows = (await connection.execute(select(corrections).where(*where))).mappings()
            found.extend(dict(row) for row in rows)
        return found

    async def put_latest_corrections(self, connection: AsyncConnection, rows: Rows) -> None:
        """Set the correction columns of posts."""
        await upsert(connection, posts, rows)

    async def post(self, connection: AsyncConnection, post_id: str) -> Row[Any] | None:
        """Return one post as it stands."""
        return (await connection.execute(select(posts).where(posts.c.post_id == post_id))).first()

    async def page_of_posts(
        self, connection: AsyncConnection, *, status: str | None, flagged: bool | None, after: str | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Return posts in the order of their ids, from the one after `after` on, but for hidden ones."""
        question = select(posts).where(posts.c.hidden.is_(False)).order_by(posts.c.post_id).limit(limit)
        if status is not None:
            question = question.where(posts.c.status == status)
        if flagged is not None:
            question = question.where(posts.c.flagged.is_(flagged))
        if after is not None:
            question = question.where(posts.c.post_id > after)
        return (await connection.execute(question)).all()

    async def scored_posts(self, connection: AsyncConnection, post_ids: Sequence[str]) -> dict[str, Row[Any]]:
        """Return those of the posts that have a score, by id."""
        where = (posts.c.post_id.in_(post_ids), posts.c.overall.is_not(None))
        return {row.post_id: row for row in await connection.execute(select(posts).where(*where))}

    async def put_trained(self, connection: AsyncConnection, rows: Rows) -> None:
        """Fill in what training says about models."""
        await upsert(connection, models, rows)

    async def put_steps(self, connection: AsyncConnection, rows: Rows) -> None:
        """Remember steps in the lives of models; one that is there already is the same."""
        await upsert(connection, model_steps, rows)

    async def promotions(self, connection: AsyncConnection, versions: Sequence[str]) -> dict[str, datetime]:
        """Return when these versions were last promoted, locked."""
        await insert_new(connection, models, [{"version": version} for version in sorted(set(versions))])
        where = (models.c.version.in_(versions),)
        rows = await connection.execute(select(models).where(*where).order_by(models.c.version).with_for_update())
        return {row.version: row.promoted_at for row in rows if row.promoted_at is not None}

    async def put_promoted(self, connection: AsyncConnection, rows: Rows) -> None:
        """Fill in what promotion says about models."""
        await upsert(connection, models, rows)
