"""Questions about what people did in the console. Invariant: append-only but for how an act ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import console_acts, people


@dataclass(frozen=True, slots=True)
class Which:
    """Acts somebody asks for: of one person, of one form, on one object, in [since, until); None: whatever it is.

    Forms that are `private` are told to `reader` only where they were their own.
    """

    reader: str
    private: Sequence[str]
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

    async def join_act(self, connection: AsyncConnection, act: int, values: Mapping[str, Any], since: datetime) -> bool:
        """Tell an act as one with the same one of the same person that began after `since`, if there is one."""
        column = console_acts.c
        mine = select(column.person_id, column.action, column.object).where(column.id == act).cte("mine")
        same = (column.person_id == mine.c.person_id, column.action == mine.c.action, column.object == mine.c.object)
        found = select(column.id).where(*same, column.id < act, column.at > since, column.finished_at.is_not(None))
        first = (await connection.execute(found.order_by(column.id.desc()).limit(1))).scalar()
        if first is None:
            return False
        await self.finish_act(connection, first, values)
        await self.drop_act(connection, act)
        return True

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
        column = console_acts.c
        given: tuple[tuple[Any, Callable[[Any], ColumnElement[bool]]], ...] = (
            (which.person_id, lambda value: column.person_id == value),
            (which.action, lambda value: column.action == value),
            (which.object, lambda value: column.object == value),
            (which.since, lambda value: column.at >= value),
            (which.until, lambda value: column.at < value),
            (before, lambda value: column.id < value),
        )
        own = console_acts.c.person_id == which.reader
        question = question.where(or_(own, console_acts.c.action.not_in(which.private)))
        for value, condition in given:
            if value is not None:
                question = question.where(condition(value))
        return (await connection.execute(question.order_by(console_acts.c.id.desc()).limit(limit))).all()

    async def actions_of_people(self, connection: AsyncConnection, which: Which) -> list[str]:
        """Return the forms that were ever sent, as far as they are told; of `which` only the people count."""
        question = select(console_acts.c.action).distinct().order_by(console_acts.c.action)
        own = console_acts.c.person_id == which.reader
        question = question.where(or_(own, console_acts.c.action.not_in(which.private)))
        if which.person_id is not None:
            question = question.where(console_acts.c.person_id == which.person_id)
        return [row.action for row in await connection.execute(question)]
