"""Questions about texts that somebody tried out and saved.

Invariant: what is kept is erased with any post that says the same, with the account of who saved it, and after a while.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import people, tries


class TryQueries:
    """Saved tries."""

    async def save_try(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Keep a try; the caller has passed the gate of erasures."""
        await connection.execute(insert(tries).values(**row))

    async def saved_try(self, connection: AsyncConnection, try_id: str, since: datetime) -> Row[Any] | None:
        """Return a try that was saved after a moment, with the name of who saved it."""
        question = select(tries, people.c.name).outerjoin(people, people.c.id == tries.c.person_id)
        return (await connection.execute(question.where(tries.c.id == try_id, tries.c.created_at > since))).first()

    async def tries_of(self, connection: AsyncConnection, person_id: str, since: datetime, limit: int) -> Sequence[Any]:
        """Return what somebody saved after a moment, the newest first, without the texts."""
        question = select(tries.c.id, tries.c.result, tries.c.created_at)
        question = question.where(tries.c.person_id == person_id, tries.c.created_at > since)
        return (await connection.execute(question.order_by(tries.c.created_at.desc(), tries.c.id).limit(limit))).all()

    async def count_tries(self, connection: AsyncConnection, person_id: str) -> int:
        """Return how many tries of somebody are kept."""
        question = select(func.count()).select_from(tries).where(tries.c.person_id == person_id)
        return int(await connection.scalar(question) or 0)

    async def drop_try(self, connection: AsyncConnection, try_id: str) -> None:
        """Forget a try."""
        await connection.execute(delete(tries).where(tries.c.id == try_id))

    async def drop_tries(self, connection: AsyncConnection, before: datetime) -> None:
        """Forget what was saved long ago."""
        await connection.execute(delete(tries).where(tries.c.created_at <= before))
