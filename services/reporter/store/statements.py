"""Questions about statements of reasons.

Invariant: a statement is made once per decision and measure (its puid); whoever sends it holds a lease on it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import posts, statements
from shared.db import insert_new
from shared.vocabulary import Status

QUEUED, SENDING, SENT, FAILED = "queued", "sending", "sent", "failed"


class StatementQueries:
    """Statements and the decisions they are about."""

    async def flagged_posts(
        self, connection: AsyncConnection, *, since: datetime, until: datetime, after: str, limit: int
    ) -> Sequence[Row[Any]]:
        """Return posts whose status became flagged in [since, until), in the order of their ids."""
        where = (
            posts.c.status == Status.FLAGGED.value,
            posts.c.status_changed_at >= since,
            posts.c.status_changed_at < until,
            posts.c.post_id > after,
        )
        return (await connection.execute(select(posts).where(*where).order_by(posts.c.post_id).limit(limit))).all()

    async def queue_statements(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert statements; one that is there already stays as it is."""
        await insert_new(connection, statements, rows)

    async def statements_of(self, connection: AsyncConnection, puids: Sequence[str]) -> Sequence[Row[Any]]:
        """Return statements by their ids."""
        question = select(statements).where(statements.c.puid.in_(puids)).order_by(statements.c.puid)
        return (await connection.execute(question)).all()

    async def claim_statements(
        self, connection: AsyncConnection, owner: str, now: datetime, lease_until: datetime, limit: int
    ) -> Sequence[Row[Any]]:
        """Make statements ours that are due, or whose sender is gone: sending one again is harmless."""
        due = or_(
            and_(statements.c.state == QUEUED, statements.c.due_at <= now),
            and_(statements.c.state == SENDING, statements.c.lease_until < now),
        )
        chosen = select(statements.c.puid).where(due).order_by(statements.c.due_at, statements.c.puid).limit(limit)
        puids = list((await connection.execute(chosen.with_for_update(skip_locked=True))).scalars())
        values = {"state": SENDING, "owner": owner, "lease_until": lease_until, "attempts": statements.c.attempts + 1}
        await connection.execute(update(statements).where(statements.c.puid.in_(puids)).values(values))
        return await self.statements_of(connection, puids)

    async def settle_statements(
        self, connection: AsyncConnection, owner: str, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store what became of statements of ours. Rows: id, state, reason, due_at, finished_at."""
        where = (statements.c.puid == bindparam("id"), statements.c.owner == owner, statements.c.state == SENDING)
        if rows:
            free = {"owner": None, "lease_until": None}
            await connection.execute(update(statements).where(*where).values(free), list(rows))
