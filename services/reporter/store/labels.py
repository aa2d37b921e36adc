"""Questions about labels: which posts to look at again, what was said of them, and everything that was said, in order.

Invariant: `seq` is given under the gate, so whoever has read up to one has missed nothing before it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import label_work, labels, posts
from shared.db import append, upsert


class LabelQueries:
    """Labels, oldest first."""

    async def look_again(self, connection: AsyncConnection, post_ids: Collection[str], due_at: datetime) -> None:
        """Note that what posts deserve may have changed; a later word about a post starts the wait anew."""
        await upsert(connection, label_work, [{"post_id": each, "due_at": due_at} for each in sorted(set(post_ids))])

    async def due_for_labels(self, connection: AsyncConnection, now: datetime, limit: int) -> list[Row[Any]]:
        """Return posts whose wait is over, as they stand."""
        question = select(label_work.c.post_id.label("asked"), posts).outerjoin(
            posts, posts.c.post_id == label_work.c.post_id
        )
        question = question.where(label_work.c.due_at <= now).order_by(label_work.c.due_at).limit(limit)
        return list(await connection.execute(question))

    async def looked_at(self, connection: AsyncConnection, post_ids: Sequence[str]) -> None:
        """Forget that these posts were to be looked at."""
        await connection.execute(delete(label_work).where(label_work.c.post_id.in_(post_ids)))

    async def postpone(self, connection: AsyncConnection, post_ids: Sequence[str], due_at: datetime) -> None:
        """Look at these posts later."""
        where = label_work.c.post_id.in_(post_ids)
        await connection.execute(update(label_work).where(where).values(due_at=due_at))

    async def labels_of(self, connection: AsyncConnection, post_ids: Sequence[str]) -> dict[str, dict[str, bool]]:
        """Return what was said last of each post: post -> value -> whether it stands."""
        found: dict[str, dict[str, bool]] = {}
        question = select(labels).where(labels.c.post_id.in_(post_ids)).order_by(labels.c.seq)
        for row in await connection.execute(question):
            found.setdefault(row.post_id, {})[row.val] = not row.neg
        return found

    async def labels_since(self, connection: AsyncConnection, cts: str) -> int:
        """Return how many labels that are no negations were made since a moment."""
        where = (labels.c.cts >= cts, labels.c.neg.is_(False))
        return int((await connection.execute(select(func.count()).select_from(labels).where(*where))).scalar_one())

    async def last_label(self, connection: AsyncConnection) -> int:
        """Return the newest `seq`; 0 before the first label."""
        return int((await connection.execute(select(func.coalesce(func.max(labels.c.seq), 0)))).scalar_one())

    async def add_labels(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert labels."""
        await append(connection, labels, rows)

    async def labels_after(
        self, connection: AsyncConnection, seq: int, limit: int, patterns: Sequence[str] = (), src: Sequence[str] = ()
    ) -> list[Row[Any]]:
        """Return labels after a `seq`, oldest first; with patterns only those of addresses that fit one."""
        question = select(labels).where(labels.c.seq > seq)
        if patterns and "*" not in patterns:
            fits = [
                labels.c.uri.startswith(each[:-1], autoescape=True) if each.endswith("*") else labels.c.uri == each
                for each in patterns
            ]
            question = question.where(or_(*fits))
        if src:
            question = question.where(labels.c.src.in_(src))
        return list(await connection.execute(question.order_by(labels.c.seq).limit(limit)))
