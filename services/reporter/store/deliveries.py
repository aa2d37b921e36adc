"""Questions about deliveries: documents on their way to an outsider.

Invariant: a row leaves `queued` by one UPDATE that names that state, so that one sender gets it and nobody resends
what may have arrived.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import deliveries
from shared.db import insert_new
from shared.vocabulary import DeliveryState


class DeliveryQueries:
    """Deliveries and their states."""

    async def queue(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert deliveries; one that is there already stays as it is."""
        await insert_new(connection, deliveries, rows)

    async def deliveries_of(self, connection: AsyncConnection, report_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
        """Return the deliveries of some reports, oldest version first."""
        question = select(deliveries).where(deliveries.c.report_id.in_(report_ids))
        found: dict[str, list[Row[Any]]] = {}
        for row in await connection.execute(question.order_by(deliveries.c.version, deliveries.c.sink)):
            found.setdefault(row.report_id, []).append(row)
        return found

    async def count_failed_deliveries(self, connection: AsyncConnection) -> int:
        """Return how many deliveries failed for good, or nobody knows whether they arrived."""
        lost = (DeliveryState.FAILED.value, DeliveryState.UNKNOWN.value)
        question = select(func.count()).select_from(deliveries).where(deliveries.c.state.in_(lost))
        return int((await connection.execute(question)).scalar_one())

    async def next_due(self, connection: AsyncConnection, sink: str, now: datetime) -> Row[Any] | None:
        """Return the delivery that waits longest, if one is due."""
        where = (
            deliveries.c.sink == sink,
            deliveries.c.state == DeliveryState.QUEUED.value,
            deliveries.c.due_at <= now,
        )
        question = select(deliveries).where(*where).order_by(deliveries.c.due_at, deliveries.c.report_id).limit(1)
        return (await connection.execute(question)).first()

    async def claim(self, connection: AsyncConnection, row: Row[Any], owner: str, lease_until: datetime) -> bool:
        """Make a queued delivery ours; return False if somebody else was faster."""
        where = (*_is(row), deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.attempts == row.attempts)
        values = {
            "state": DeliveryState.SENDING.value,
            "owner": owner,
            "lease_until": lease_until,
            "attempts": row.attempts + 1,
        }
        answer = await connection.execute(update(deliveries).where(*where).values(values))
        return answer.rowcount == 1

    async def settle(self, connection: AsyncConnection, row: Row[Any], owner: str, values: Mapping[str, Any]) -> bool:
        """Store how our try ended; return False if the delivery is not ours any more."""
        where = (*_is(row), deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.owner == owner)
        free = {"owner": None, "lease_until": None}
        answer = await connection.execute(update(deliveries).where(*where).values({**free, **values}))
        return answer.rowcount == 1

    async def has_orphans(self, connection: AsyncConnection, now: datetime) -> bool:
        """Return whether some sender is gone."""
        where = (deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.lease_until < now)
        return (await connection.execute(select(deliveries.c.report_id).where(*where).limit(1))).first() is not None

    async def give_up_orphans(self, connection: AsyncConnection, now: datetime, reason: str) -> int:
        """Call every delivery unknown whose sender is gone; return how many."""
        where = (deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.lease_until < now)
        values = {
            "state": DeliveryState.UNKNOWN.value,
            "reason": reason,
            "finished_at": now,
            "owner": None,
            "lease_until": None,
        }
        return int((await connection.execute(update(deliveries).where(*where).values(values))).rowcount)

    async def withdraw(self, connection: AsyncConnection, report_id: str, now: datetime, reason: str) -> bool:
        """Let what waits for a try have failed for a reason; return False if something is being sent right now."""
        where = (deliveries.c.report_id == report_id, deliveries.c.state == DeliveryState.QUEUED.value)
        values = {"state": DeliveryState.FAILED.value, "reason": reason, "finished_at": now}
        await connection.execute(update(deliveries).where(*where).values(values))
        sending = (deliveries.c.report_id == report_id, deliveries.c.state == DeliveryState.SENDING.value)
        return (await connection.execute(select(deliveries.c.report_id).where(*sending).limit(1))).first() is None

    async def reviews_due(self, connection: AsyncConnection, now: datetime, limit: int) -> Sequence[Row[Any]]:
        """Return sent deliveries whose review should be asked for, the longest due first."""
        where = (
            deliveries.c.state == DeliveryState.SENT.value,
            deliveries.c.receipt.is_not(None),
            deliveries.c.review_due_at <= now,
        )
        question = select(deliveries).where(*where).order_by(deliveries.c.review_due_at).limit(limit)
        return (await connection.execute(question)).all()

    async def keep_review(self, connection: AsyncConnection, row: Row[Any], values: Mapping[str, Any]) -> None:
        """Store what the editors said, unless somebody else asked meanwhile."""
        where = (*_is(row), deliveries.c.receipt == row.receipt, deliveries.c.review_due_at == row.review_due_at)
        await connection.execute(update(deliveries).where(*where).values(values))

    async def queue_again(self, connection: AsyncConnection, row: Row[Any], now: datetime) -> bool:
        """Queue a delivery that failed or is unknown and was announced as such; return False otherwise."""
        ended = (DeliveryState.FAILED.value, DeliveryState.UNKNOWN.value)
        where = (
            *_is(row),
            deliveries.c.round == row.round,
            deliveries.c.state.in_(ended),
            deliveries.c.announced_at.is_not(None),
        )
        values = {
            "state": DeliveryState.QUEUED.value,
            "round": row.round + 1,
            "attempts": 0,
            "due_at": now,
            "reason": None,
            "receipt": None,
            "answer": None,
            "finished_at": None,
            "review_status": None,
            "review_asked_at": None,
            "review_due_at": None,
            "announced_at": None,
        }
        answer = await connection.execute(update(deliveries).where(*where).values(values))
        return answer.rowcount == 1


def _is(row: Row[Any]) -> tuple[Any, ...]:
    return (
        deliveries.c.report_id == row.report_id,
        deliveries.c.version == row.version,
        deliveries.c.sink == row.sink,
    )
