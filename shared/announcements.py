"""Says what a table decided: rows whose announcement column is empty go to their streams, then the column is set.

For commands that have to be decided against a table; everything else appends its event first. A crash between
saying and marking says it again with the same ids, and `publish_once` keeps the second one off the stream.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Table, select, tuple_, update

from shared.bus.publisher import Publisher
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event
from shared.streams import stream_of

AT_ONCE = 100
PAGES = 20
"""Pages of one call: a loop that never came back would look dead."""


class Announcer:
    """Announces rows of one table, which needs a nullable `announced_at` column."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        table: Table,
        to_events: Callable[[Row[Any]], Sequence[Event[Any]]],
        *,
        due: Any = None,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._table = table
        self._to_events = to_events
        self._due = due

    async def __call__(self) -> int:
        """Announce what is due, some thousand rows at most; return how many rows were announced.

        `due` (an SQL condition) leaves out rows that are not decided yet.
        """
        announced = 0
        for _ in range(PAGES):
            some = await self._page()
            announced += some
            if some < AT_ONCE:
                break
        return announced

    async def _page(self) -> int:
        table, key = self._table, list(self._table.primary_key)
        question = select(table).where(table.c.announced_at.is_(None)).order_by(*key).limit(AT_ONCE)
        if self._due is not None:
            question = question.where(self._due)
        async with self._database.read() as connection:
            rows = (await connection.execute(question)).all()
        events = [event for row in rows for event in self._to_events(row)]
        for _, some in groupby(events, key=stream_of):
            await self._publisher.publish_once(list(some))
        if rows:
            keys = [tuple(row._mapping[column.name] for column in key) for row in rows]
            async with self._database.begin() as connection:
                await connection.execute(update(table).where(tuple_(*key).in_(keys)).values(announced_at=utcnow()))
        return len(rows)
