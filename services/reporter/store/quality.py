"""Questions of the quality page. Invariant: no text and no author is read; who spoke is told apart, never shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import corrections, model_steps, models, posts
from shared.vocabulary import ModelKind, ScoreSource, Standing


class QualityQueries:
    """Verdicts with scores, thresholds in force, scores of the newest posts, lives of models."""

    async def verdicts_between(
        self, connection: AsyncConnection, since: datetime, until: datetime, language: str | None
    ) -> Sequence[Any]:
        """Return what reviewers said in [since, until) and nobody took back, with scores, of posts that are there."""
        where = [
            corrections.c.corrected_at >= since,
            corrections.c.corrected_at < until,
            corrections.c.retracted.is_(False),
            corrections.c.standing == Standing.REVIEWER.value,
            posts.c.deleted_at.is_(None),
        ]
        if language:
            where.append(posts.c.language == language)
        columns = ("post_id", "reviewer", "verdict", "expected", "actual", "corrected_at", "blind")
        question = select(*(corrections.c[name] for name in columns), posts.c.own_scores).join(
            posts, posts.c.post_id == corrections.c.post_id
        )
        ordered = question.where(*where).order_by(corrections.c.corrected_at, corrections.c.correction_id)
        return (await connection.execute(ordered)).all()

    async def newest_scores(self, connection: AsyncConnection, limit: int) -> list[dict[str, float]]:
        """Return the scorer's own scores of the posts scored last, as far as they are there."""
        question = select(posts.c.own_scores).where(posts.c.scored_at.is_not(None), posts.c.deleted_at.is_(None))
        rows = await connection.execute(question.order_by(posts.c.scored_at.desc()).limit(limit))
        return [row.own_scores for row in rows if row.own_scores]

    async def last_thresholds(self, connection: AsyncConnection) -> dict[str, float]:
        """Return the thresholds that the local model's newest score came with; none are known before one."""
        question = select(posts.c.thresholds).where(
            posts.c.scored_at.is_not(None), posts.c.source == ScoreSource.LOCAL.value, posts.c.thresholds.is_not(None)
        )
        found = (await connection.execute(question.order_by(posts.c.scored_at.desc()).limit(1))).first()
        return dict(found.thresholds) if found is not None and found.thresholds else {}

    async def newest_models(self, connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
        """Return the models for all, the newest first."""
        question = select(models).where(models.c.kind == ModelKind.GLOBAL.value, models.c.trained_at.is_not(None))
        return (
            await connection.execute(question.order_by(models.c.trained_at.desc(), models.c.version).limit(limit))
        ).all()

    async def steps_of_models(self, connection: AsyncConnection, versions: Sequence[str]) -> Sequence[Row[Any]]:
        """Return the steps in the lives of some models, oldest first."""
        question = select(model_steps).where(model_steps.c.version.in_(versions))
        return (await connection.execute(question.order_by(model_steps.c.at, model_steps.c.event_id))).all()
