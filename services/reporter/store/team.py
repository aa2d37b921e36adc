"""Questions about the team as a whole: its settings, its roles, and what it was exposed to.

Invariant: what is asked of exposure is a sum over people, never one person's count.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import people, reveals, team
from shared.db import upsert


class TeamQueries:
    """The team."""

    async def team_settings(self, connection: AsyncConnection) -> dict[str, Any]:
        """Return what leads have set, by name."""
        return {row.name: row.value for row in await connection.execute(select(team))}

    async def keep_team_setting(self, connection: AsyncConnection, name: str, value: Any, at: datetime) -> None:
        """Keep one setting."""
        await upsert(connection, team, [{"name": name, "value": value, "at": at}])

    async def exposure(self, connection: AsyncConnection, since: str) -> tuple[int, int]:
        """Return how many people asked to see a veiled text since a day (ISO, UTC), and how many texts in all."""
        columns = (func.count(func.distinct(reveals.c.person_id)), func.coalesce(func.sum(reveals.c.posts), 0))
        found = (await connection.execute(select(*columns).where(reveals.c.day >= since))).one()
        return int(found[0]), int(found[1])

    async def roles_given(self, connection: AsyncConnection) -> Sequence[Any]:
        """Return role and name of everybody who may sign in, by name."""
        question = select(people.c.role, people.c.name).where(people.c.disabled_at.is_(None))
        return (await connection.execute(question.order_by(people.c.name))).all()
