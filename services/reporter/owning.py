"""What owners do with a whole report: reopen it, remove it and take that back, share it by a link.

Invariant: a report that is being sent right now is not reopened, and one that ever left is never removed.
"""

import secrets
from datetime import timedelta

from services.reporter.report import Person, ReportState, Step
from services.reporter.store import Connection, Store, Stored
from services.reporter.writing import Writing
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.ids import digest

REOPENED = "withdrawn: its author reopened the report"


class Owning:
    """The commands on whole reports. A removal can be taken back for `undo_s` seconds."""

    def __init__(self, store: Store, writing: Writing, undo_s: float) -> None:
        self._store = store
        self._writing = writing
        self._undo = timedelta(seconds=undo_s)

    async def reopen(self, report_id: str, version: int, author: Person) -> None:
        """Make a complete report a draft again; what waits to be sent is withdrawn. Refuses with 409."""
        now = utcnow()
        async with self._store.begin() as connection:
            await self._store.pass_gate(connection)
            draft = {"state": ReportState.DRAFT.value, "updated_at": now}
            complete = ReportState.COMPLETE
            if not await self._store.save_report(connection, report_id, version, author, draft, complete):
                row = await self._owned(connection, report_id, author)
                if row.state != complete.value:
                    raise Problem(409, "not_complete", "This report is a draft already.", version=row.version)
                raise Problem(409, "stale_version", "Somebody changed this report.", version=row.version)
            if not await self._store.withdraw(connection, report_id, now, REOPENED):
                raise Problem(409, "sending", "This report is being sent right now; try again in a minute.")
            await self._store.reopen(connection, report_id)
            await self._store.add_step(connection, report_id, version + 1, Step.REOPENED, author.id, now)

    async def remove(self, report_id: str, version: int, author: Person) -> None:
        """Put a draft away that never left; it is deleted for good later. Refuses with 409."""
        now = utcnow()
        async with self._store.begin() as connection:
            row = await self._owned(connection, report_id, author)
            if await self._store.deliveries_of(connection, [report_id]):
                raise Problem(409, "was_submitted", "A report that was submitted is kept.", version=row.version)
            values = {"removed_at": now, "updated_at": now, "link_hash": None}
            await self._writing.save(connection, report_id, version, author, values)
            await self._store.add_step(connection, report_id, version + 1, Step.REMOVED, author.id, now)

    async def restore(self, report_id: str, author: Person) -> None:
        """Take a removal back. Refuses with 404 what is not there any more."""
        now = utcnow()
        async with self._store.begin() as connection:
            row = await self._store.report(connection, report_id, author, removed=True)
            if row is None or not await self._store.restore(connection, report_id, now - self._undo):
                raise not_found("removed report")
            await self._store.add_step(connection, report_id, row.version, Step.RESTORED, author.id, now)

    async def share(self, report_id: str, author: Person) -> str:
        """Return the secret of a new link to a report; an earlier link leads nowhere from now on."""
        secret = secrets.token_urlsafe(32)
        await self._link(report_id, author, digest(secret.encode()), Step.SHARED)
        return secret

    async def unshare(self, report_id: str, author: Person) -> None:
        """Let no link lead to a report."""
        await self._link(report_id, author, None, Step.UNSHARED)

    async def _link(self, report_id: str, author: Person, link_hash: str | None, step: Step) -> None:
        async with self._store.begin() as connection:
            row = await self._owned(connection, report_id, author)
            await self._store.put_link(connection, report_id, link_hash)
            await self._store.add_step(connection, report_id, row.version, step, author.id, utcnow())

    async def _owned(self, connection: Connection, report_id: str, author: Person) -> Stored:
        row = await self._store.report(connection, report_id, author)
        if row is None:
            raise not_found("report")
        return row

    async def drop_removed(self) -> None:
        """Delete for good what was removed too long ago to be taken back; the loop `removed reports`."""
        async with self._store.begin() as connection:
            await self._store.drop_removed(connection, utcnow() - self._undo)
