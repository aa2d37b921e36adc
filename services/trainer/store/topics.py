"""Topics: what posts there are to find them in, what was found, and which post belongs to which.

Invariant: a post that was erased has no row here, whoever looked at it at that moment.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.lifecycle import Stage
from services.trainer.runs import Claim, RunKind
from services.trainer.store.runs import end
from services.trainer.tables import post_topics, posts, runs, stages, topic_models, topics
from services.trainer.topics.job import TopicsResult
from shared.db import Database, append, chunks, upsert
from shared.vocabulary import ModelKind

NAME = "ombud-topics"
AT_ONCE = 1_000
"""Rows of one piece of a long answer."""


class Topics:
    """Questions about topics."""

    _database: Database

    async def corpus(self, limit: int) -> list[Row[Any]]:
        """Return text, platform and author of the newest posts."""
        question = select(posts.c.text, posts.c.platform, posts.c.author).where(posts.c.text.is_not(None))
        found: list[Any] = []
        async with self._database.read(cursor=True) as connection:
            rows = await connection.stream(question.order_by(posts.c.scored_at.desc()).limit(limit))
            async for some in rows.partitions(AT_ONCE):  # all at once would hold up events for a second
                found += some
        return found

    async def topic_model(self) -> Row[Any] | None:
        """Return the newest topic model."""
        async with self._database.read() as connection:
            return await _newest(connection)

    async def topics_outlook(self) -> tuple[datetime | None, datetime | None]:
        """Return when topics were asked for last, and when the newest post was scored."""
        asked = select(func.max(runs.c.requested_at)).where(runs.c.kind == RunKind.TOPICS.value)
        newest = select(func.max(posts.c.scored_at)).where(posts.c.text.is_not(None))
        async with self._database.read() as connection:
            return await connection.scalar(asked), await connection.scalar(newest)

    async def count_posts(self, at_most: int) -> int:
        """Return how many posts have a text, counting no further than asked."""
        some = select(posts.c.post_id).where(posts.c.text.is_not(None)).limit(at_most).subquery()
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(some)) or 0

    async def finish_topics(self, claim: Claim, result: TopicsResult, now: datetime) -> str | None:
        """Record what a run found, its end, and what is said about it; None if the run is not ours now."""
        async with self._database.begin() as connection:
            again = (
                await connection.execute(select(topic_models).where(topic_models.c.run_id == claim.run_id))
            ).first()
            highest = await connection.scalar(select(func.max(topic_models.c.sequence))) or 0
            sequence = again.sequence if again else highest + 1
            version = f"t-{sequence:04d}-{result.artifact[:8]}"
            ended = {"examples": result.posts, "model_version": version, "reasons": _told(result)}
            if not await end(connection, claim, now, **ended):
                return None
            if again:
                return version
            facts = {"run_id": claim.run_id, "artifact": result.artifact, "data_hash": result.data_hash}
            counts = {"posts": result.posts, "outliers": result.outliers}
            made = {**facts, **counts, "version": version, "sequence": sequence, "vanished": list(result.vanished)}
            await append(connection, topic_models, [{**made, "fitted_at": now}])
            listed: list[dict[str, Any]] = [
                {
                    "version": version,
                    "topic": each.topic,
                    "name": each.name,
                    "n": each.n,
                    "share": each.share,
                    "large": each.large,
                }
                for each in result.topics
            ]
            await append(connection, topics, listed)
            trained = {
                **facts,
                "kind": ModelKind.TOPIC.value,
                "foundation": "topics",
                "model": NAME,
                "model_version": version,
                "metrics": {
                    "topics": float(len(listed)),
                    "outlier_share": round(result.outliers / max(result.posts, 1), 6),
                    "vanished": float(len(result.vanished)),
                },
                "examples": result.posts,
                "trained_at": now.isoformat(),
                "stage": Stage.CHAMPION.value,
            }
            stage = {"version": version, "stage": Stage.CHAMPION.value, "reasons": _told(result), "at": now}
            await connection.execute(stages.insert().values(**stage, cause=claim.run_id, trained=trained))
        return version

    async def forget_topics(self, newest: int) -> set[str]:
        """Remove the lists of all but the newest searches; return which artifacts nobody needs any more."""
        question = select(topic_models.c.version, topic_models.c.artifact).order_by(topic_models.c.sequence.desc())
        async with self._database.begin() as connection:
            every = (await connection.execute(question)).all()
            for piece in chunks([row.version for row in every[newest:]]):
                await connection.execute(delete(topics).where(topics.c.version.in_(piece)))
        return {row.artifact for row in every[newest:]} - {row.artifact for row in every[:newest]}

    async def without_topic(self, version: str, limit: int) -> list[Row[Any]]:
        """Return posts this topic model has not looked at: post_id, revision, text and scored_at."""
        wanted = posts.c.post_id, posts.c.revision, posts.c.text, posts.c.scored_at
        at = posts.c.topics_version
        question = select(*wanted).where(or_(at.is_(None), at < version, at > version), posts.c.text.is_not(None))
        async with self._database.read() as connection:
            return list(await connection.execute(question.limit(limit)))

    async def assign_topics(self, version: str, found: Sequence[Mapping[str, Any]]) -> None:
        """Keep the topics of posts (post_id, revision, topic, score, scored_at); not of what changed or is gone now."""
        if not found:
            return
        same = posts.c.post_id == bindparam("name"), posts.c.revision == bindparam("known")
        looked_at = update(posts).where(*same, posts.c.text.is_not(None)).values(topics_version=version)
        ordered = sorted(found, key=lambda each: str(each["post_id"]))
        async with self._database.begin() as connection:
            await connection.execute(
                looked_at, [{"name": each["post_id"], "known": each["revision"]} for each in ordered]
            )
            here: set[str] = set()
            for piece in chunks([each["post_id"] for each in ordered]):
                question = select(posts.c.post_id).where(posts.c.post_id.in_(piece))
                here |= set(await connection.scalars(question.where(posts.c.topics_version == version)))
            rows = [
                {
                    "post_id": each["post_id"],
                    "topic": each["topic"],
                    "score": each["score"],
                    "topics_version": version,
                    "scored_at": each["scored_at"],
                }
                for each in ordered
                if each["post_id"] in here
            ]
            await upsert(connection, post_topics, rows)

    async def topic_list(self) -> tuple[Row[Any] | None, list[Row[Any]], dict[int, int]]:
        """Return the newest topic model, its topics by number, and how many posts each has today."""
        async with self._database.read() as connection:
            newest = await _newest(connection)
            if newest is None:
                return None, [], {}
            listed = await connection.execute(
                select(topics).where(topics.c.version == newest.version).order_by(topics.c.topic)
            )
            return newest, list(listed), await _counts(connection, newest.version)

    async def recent_topics(self, version: str, since: datetime) -> dict[int, int]:
        """Return how many posts of each topic were scored since a moment."""
        async with self._database.read() as connection:
            return await _counts(connection, version, post_topics.c.scored_at >= since)

    async def page_of_topic(self, topic: int, after: tuple[float, str] | None, limit: int) -> list[Row[Any]]:
        """Return the posts of a topic of the newest model, nearest first: post_id, score and text."""
        at, name = post_topics.c.score, post_topics.c.post_id
        question = select(name, at, posts.c.text, post_topics.c.topics_version).join(posts, posts.c.post_id == name)
        async with self._database.read() as connection:
            newest = await _newest(connection)
            if newest is None:
                return []
            question = question.where(post_topics.c.topics_version == newest.version, post_topics.c.topic == topic)
            if after is not None:
                question = question.where(or_(at < after[0], (at == after[0]) & (name > after[1])))
            return list(await connection.execute(question.order_by(at.desc(), name).limit(limit)))


async def _newest(connection: AsyncConnection) -> Row[Any] | None:
    question = select(topic_models).order_by(topic_models.c.sequence.desc()).limit(1)
    row: Row[Any] | None = (await connection.execute(question)).first()
    return row


async def _counts(connection: AsyncConnection, version: str, *further: ColumnElement[bool]) -> dict[int, int]:
    question = select(post_topics.c.topic, func.count().label("n")).group_by(post_topics.c.topic)
    rows = await connection.execute(question.where(post_topics.c.topics_version == version, *further))
    return {row.topic: row.n for row in rows}


def _told(result: TopicsResult) -> list[str]:
    gone = [f"gone: {', '.join(result.vanished)}"] if result.vanished else []
    return [f"{len(result.topics)} topics; {result.outliers} of {result.posts} posts belong to none", *gone]
