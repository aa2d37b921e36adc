"""Reports on their way out: an author's explicit word, and only that, sends one.

Invariant: a version of a report is queued for a sink once; what failed or is unknown goes again by a person's word.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.reporter.delivery import queued
from services.reporter.report import Person, ReportState, Step
from services.reporter.store import Connection, Store, Stored
from shared.clock import utcnow
from shared.errors import Problem, not_found

DAY = timedelta(days=1)


class Submitting:
    """The commands that send. `sinks` are where to, `daily` and `daily_of_all` how many a day leave at most."""

    def __init__(self, store: Store, sinks: Sequence[str], daily: int, daily_of_all: int) -> None:
        self._store = store
        self._sinks = tuple(sinks)
        self._daily = daily
        self._daily_of_all = daily_of_all

    async def check(self, author: Person) -> None:
        """Refuse with 409 where nothing can be sent, with 429 where enough was sent for a day."""
        async with self._store.read() as connection:
            await self._check(connection, author, utcnow())

    async def submit(
        self, report_id: str, version: int, author: Person, *, correlation_id: str | None, traceparent: str | None
    ) -> None:
        """Queue a complete report at `version`; once is enough. Refuses with 409 what is not complete at it."""
        now = utcnow()
        async with self._store.begin() as connection:
            row = await self._complete(connection, report_id, author)
            if row.version != version:
                raise Problem(409, "stale_version", "This is not the report's version.", version=row.version)
            if await self._made(connection, row):
                return
            await self._check(connection, author, now)
            trace = {"correlation_id": correlation_id, "traceparent": traceparent}
            await self._store.queue(
                connection, [queued(report_id, version, sink, now, **trace) for sink in self._sinks]
            )
            await self._store.add_step(connection, report_id, version, Step.SUBMITTED, author.id, now)

    async def send_again(self, report_id: str, author: Person) -> None:
        """Queue a delivery that failed or is unknown again. Refuses with 409 what is not due."""
        now = utcnow()
        async with self._store.begin() as connection:
            row = await self._complete(connection, report_id, author)
            await self._check(connection, author, now)
            made = await self._made(connection, row)
            if not any([await self._store.queue_again(connection, each, now) for each in made]):
                raise Problem(409, "not_ended", "No delivery of this version failed, or its end is not announced yet.")
            await self._store.add_step(connection, report_id, row.version, Step.SUBMITTED, author.id, now)

    async def _complete(self, connection: Connection, report_id: str, author: Person) -> Stored:
        row = await self._store.report(connection, report_id, author)
        if row is None:
            raise not_found("report")
        if row.state != ReportState.COMPLETE.value:
            raise Problem(409, "not_complete", "Only a complete report can be sent.")
        return row

    async def _made(self, connection: Connection, row: Stored) -> list[Stored]:
        made = (await self._store.deliveries_of(connection, [row.id])).get(row.id, [])
        return [each for each in made if each.version == row.version]

    async def _check(self, connection: Connection, author: Person, now: datetime) -> None:
        if not self._sinks:
            raise Problem(409, "no_sink", "No AVID address is configured; the export always works.")
        made = await self._store.submissions_since(connection, now - DAY)
        if made.get(author.id, 0) >= self._daily or sum(made.values()) >= self._daily_of_all:
            headers = {"Retry-After": str(int(DAY.total_seconds()) // 24)}
            raise Problem(429, "enough_for_today", "As many reports as a day allows were sent.", headers=headers)
