"""Questions about what people did in the console. Invariant: append-only but for how an act ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import console_acts, people


@dataclass(frozen=True, slots=True)
class Which:
    """Acts somebody asks for: of one person, of one form, on one object, in [since, until); None: whatever it is."""

    person_id: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class HistoryQueries:
    """Acts of people in the console."""

    async def begin_act(self, connection: AsyncConnection, row: Mapping[str, Any]) -> int:
        """Note an act that begins (or, with `finished_at`, was done); return its number."""
        made = await connection.execute(insert(console_acts).values(**row).returning(console_acts.c.id))
        return int(made.scalar_one())

    async def finish_act(self, connection: AsyncConnection, act: int, values: Mapping[str, Any]) -> None:
        """Note what an act was and that it was done."""
        await connection.execute(update(console_acts).where(console_acts.c.id == act).values(**values))

    async def drop_act(self, connection: AsyncConnection, act: int) -> None:
        """Forget an act that was refused."""
        await connection.execute(delete(console_acts).where(console_acts.c.id == act))

    async def acts_of_people(
        self, connection: AsyncConnection, which: Which, before: int | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Return acts with the name of who did them, the newest first, from below number `before`."""
        question = select(console_acts, people.c.name.label("actor")).outerjoin(
            people, people.c.id == console_acts.c.person_id
        )
        given = (
            (which.person_id, console_acts.c.person_id == which.person_id),
            (which.action, console_acts.c.action == which.action),
            (which.object, console_acts.c.object == which.object),
            (which.since, console_acts.c.at >= which.since),
            (which.until, console_acts.c.at < which.until),
            (before, console_acts.c.id < before),
        )
        for value, condition in given:
            if value is not None:
                question = question.where(condition)
        return (await connection.execute(question.order_by(console_acts.c.id.desc()).limit(limit))).all()

    async def actions_of_people(self, connection: AsyncConnection, person_id: str | None) -> list[str]:
        """Return the forms that were ever sent, by one person or anybody."""
        question = select(console_acts.c.action).distinct().order_by(console_acts.c.action)
        if person_id is not None:
            question = question.where(console_acts.c.person_id == person_id)
        return [row.action for row in await connection.execute(question)]
