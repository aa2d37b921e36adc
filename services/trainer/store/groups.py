"""What people say of themselves, and the groups somebody asked about.

Invariant: traits are read as a whole and leave this file only to be counted; no question names a trait to the database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, select, update

from services.trainer.tables import groups, traits
from shared.db import Database, append

QUEUED, DONE, REFUSED = "queued", "done", "refused"


class GroupStore:
    """The trainer's tables of traits and groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def everybodys_traits(self) -> dict[str, dict[str, list[str]]]:
        """Return what everybody says of themselves: rater -> axis -> values."""
        found: dict[str, dict[str, list[str]]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(select(traits)):
                found.setdefault(row.rater, {}).setdefault(row.axis, []).append(row.value)
        return found

    async def traits_of(self, rater: str) -> dict[str, list[str]]:
        """Return what one person says of themselves."""
        found: dict[str, list[str]] = {}
        question = select(traits).where(traits.c.rater == rater).order_by(traits.c.axis, traits.c.value)
        async with self._database.read() as connection:
            for row in await connection.execute(question):
                found.setdefault(row.axis, []).append(row.value)
        return found

    async def put_traits(self, rater: str, said: Mapping[str, Sequence[str]]) -> None:
        """Replace what one person says of themselves; nothing of what they said before stays."""
        rows = [{"rater": rater, "axis": axis, "value": value} for axis in said for value in sorted(set(said[axis]))]
        async with self._database.begin() as connection:
            await connection.execute(traits.delete().where(traits.c.rater == rater))
            await append(connection, traits, rows)

    async def ask(self, chosen: Mapping[str, Sequence[str]], by: str, now: datetime) -> str:
        """Queue a group and return its id, which says nothing about it."""
        name = str(uuid4())
        row = {
            "group_id": name,
            "traits": {axis: sorted(chosen[axis]) for axis in sorted(chosen)},
            "state": QUEUED,
            "requested_by": by,
            "requested_at": now,
        }
        async with self._database.begin() as connection:
            await append(connection, groups, [row])
        return name

    async def queued(self) -> Row[Any] | None:
        """Return the group that has waited longest."""
        question = select(groups).where(groups.c.state == QUEUED).order_by(groups.c.requested_at, groups.c.group_id)
        async with self._database.read() as connection:
            return (await connection.execute(question.limit(1))).first()

    async def settle(self, group_id: str, state: str, now: datetime, **facts: Any) -> None:
        """Write down what became of a group; whoever is second changes nothing."""
        waiting = update(groups).where(groups.c.group_id == group_id, groups.c.state == QUEUED)
        async with self._database.begin() as connection:
            await connection.execute(waiting.values(state=state, finished_at=now, **facts))

    async def groups_of(self, by: str, limit: int) -> Sequence[Row[Any]]:
        """Return the groups somebody asked about, the newest first."""
        question = select(groups).where(groups.c.requested_by == by)
        async with self._database.read() as connection:
            return (
                await connection.execute(
                    question.order_by(groups.c.requested_at.desc(), groups.c.group_id).limit(limit)
                )
            ).all()

    async def group(self, group_id: str) -> Row[Any] | None:
        """Return one group."""
        async with self._database.read() as connection:
            return (await connection.execute(select(groups).where(groups.c.group_id == group_id))).first()
