"""Questions about webhooks and the events on their way to them.

Invariant: events are taken from the streams and noted as taken in one transaction; one process at a time posts to a
webhook, and what it posted is marked only after the receiver took it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.holding import Hold, HoldState
from services.reporter.tables import dispatches, posts, webhook_holds, webhooks
from services.reporter.webhooks import DispatchState, WebhookState
from shared.db import append, insert_new, upsert


class WebhookQueries:
    """Webhooks and their lines of events."""

    async def add_webhook(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Insert a webhook."""
        await append(connection, webhooks, [row])

    async def webhooks(self, connection: AsyncConnection) -> list[Row[Any]]:
        """Return every webhook, oldest first."""
        return list(await connection.execute(select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)))

    async def webhook(self, connection: AsyncConnection, webhook_id: str) -> Row[Any] | None:
        """Return one webhook."""
        return (await connection.execute(select(webhooks).where(webhooks.c.id == webhook_id))).first()

    async def change_webhook(self, connection: AsyncConnection, webhook_id: str, values: Mapping[str, Any]) -> bool:
        """Change a webhook; return whether it is there."""
        answer = await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))
        return answer.rowcount == 1

    async def remove_webhook(self, connection: AsyncConnection, webhook_id: str) -> bool:
        """Remove a webhook with everything on its way to it; return whether it was there."""
        await connection.execute(delete(dispatches).where(dispatches.c.webhook_id == webhook_id))
        await connection.execute(delete(webhook_holds).where(webhook_holds.c.webhook_id == webhook_id))
        return (await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))).rowcount == 1

    async def waiting(self, connection: AsyncConnection) -> dict[str, dict[str, int]]:
        """Return how many events each webhook has that were not delivered, by state."""
        counted = select(dispatches.c.webhook_id, dispatches.c.state, func.count().label("events"))
        counted = counted.where(dispatches.c.state != DispatchState.DELIVERED.value)
        found: dict[str, dict[str, int]] = {}
        for row in await connection.execute(counted.group_by(dispatches.c.webhook_id, dispatches.c.state)):
            found.setdefault(row.webhook_id, {})[row.state] = row.events
        return found

    async def put_in_line(
        self,
        connection: AsyncConnection,
        webhook_id: str,
        turn: int,
        rows: Sequence[Mapping[str, Any]],
        seen: Mapping[str, str],
    ) -> bool:
        """Take events from the streams; return False, with nothing taken, if somebody else was faster."""
        ours = and_(webhooks.c.id == webhook_id, webhooks.c.turn == turn)
        moved = await connection.execute(update(webhooks).where(ours).values(seen=dict(seen), turn=turn + 1))
        if moved.rowcount == 1:
            await insert_new(connection, dispatches, rows)
        return moved.rowcount == 1

    async def holds(
        self, connection: AsyncConnection, webhook_id: str, correlations: Collection[str], corrections: Collection[str]
    ) -> list[Hold]:
        """Return the holds of a webhook that events with these correlations or corrections may be kept back by."""
        its = or_(
            webhook_holds.c.correlation.in_(list(correlations)), webhook_holds.c.correction_id.in_(list(corrections))
        )
        rows = await connection.execute(select(webhook_holds).where(webhook_holds.c.webhook_id == webhook_id, its))
        return [_hold(row) for row in rows]

    async def keep_holds(
        self, connection: AsyncConnection, webhook_id: str, holds: Sequence[Hold], undone: Collection[str]
    ) -> None:
        """Note how holds stand, and take out of the line what waits for one that was undone."""
        rows = [
            {
                "webhook_id": webhook_id,
                "cause_id": each.cause_id,
                "correction_id": each.correction_id,
                "correlation": each.correlation,
                "until": each.until,
                "state": each.state.value,
                "back": each.back,
                "posts": list(each.posts),
            }
            for each in holds
        ]
        await upsert(connection, webhook_holds, rows)
        if undone:
            where = (dispatches.c.webhook_id == webhook_id, dispatches.c.held.in_(list(undone)))
            await connection.execute(delete(dispatches).where(*where))

    async def holds_over(self, connection: AsyncConnection, now: datetime) -> dict[str, dict[str, datetime]]:
        """Return by webhook the causes, each with its end, whose wait is over and of which nothing left yet."""
        where = (webhook_holds.c.state == HoldState.HELD.value, webhook_holds.c.until <= now)
        found: dict[str, dict[str, datetime]] = {}
        for row in await connection.execute(select(webhook_holds).where(*where)):
            found.setdefault(row.webhook_id, {})[row.cause_id] = row.until
        return found

    async def let_go(self, connection: AsyncConnection, webhook_id: str, causes: Sequence[str]) -> None:
        """Let what waits for these causes leave; what was undone meanwhile stays undone."""
        if not causes:
            return
        held = webhook_holds.c.state == HoldState.HELD.value
        theirs = (webhook_holds.c.webhook_id == webhook_id, webhook_holds.c.cause_id.in_(causes), held)
        await connection.execute(update(webhook_holds).where(*theirs).values(state=HoldState.OVER.value))
        where = (dispatches.c.webhook_id == webhook_id, dispatches.c.held.in_(causes))
        await connection.execute(update(dispatches).where(*where).values(held=None))

    async def forget_holds(self, connection: AsyncConnection, before: datetime) -> int:
        """Remove holds that ended before a moment; return how many."""
        where = (webhook_holds.c.state != HoldState.HELD.value, webhook_holds.c.until < before)
        return int((await connection.execute(delete(webhook_holds).where(*where))).rowcount)

    async def take_turn(
        self, connection: AsyncConnection, webhook: Row[Any], owner: str, now: datetime, until: datetime
    ) -> bool:
        """Become, or stay, the one who posts to an active webhook that is due; return whether that is us."""
        free = or_(webhooks.c.owner.is_(None), webhooks.c.owner == owner, webhooks.c.lease_until < now)
        where = (
            webhooks.c.id == webhook.id,
            webhooks.c.state == WebhookState.ACTIVE.value,
            webhooks.c.due_at <= now,
            webhooks.c.url == webhook.url,
            webhooks.c.secret == webhook.secret,
            free,
        )
        answer = await connection.execute(update(webhooks).where(*where).values(owner=owner, lease_until=until))
        return answer.rowcount == 1

    async def give_back(self, connection: AsyncConnection, webhook_id: str, owner: str) -> None:
        """Let others post to a webhook again."""
        where = (webhooks.c.id == webhook_id, webhooks.c.owner == owner)
        await connection.execute(update(webhooks).where(*where).values(owner=None, lease_until=None))

    async def head(self, connection: AsyncConnection, webhook_id: str, limit: int) -> list[Row[Any]]:
        """Return the next events of a webhook's line in order, each with the text of its post as it stands.

        What a hold keeps back keeps back all that is behind it.
        """
        words = and_(posts.c.post_id == dispatches.c.post_id, posts.c.deleted_at.is_(None), posts.c.hidden.is_(False))
        question = select(dispatches, posts.c.text, posts.c.author).outerjoin(posts, words)
        where = (dispatches.c.webhook_id == webhook_id, dispatches.c.state == DispatchState.QUEUED.value)
        rows = list(await connection.execute(question.where(*where).order_by(dispatches.c.place).limit(limit)))
        return list(takewhile(lambda row: row.held is None, rows))

    async def mark(
        self, connection: AsyncConnection, webhook_id: str, event_ids: Sequence[str], values: Mapping[str, Any]
    ) -> int:
        """Note how events ended; return how many there were."""
        where = (dispatches.c.webhook_id == webhook_id, dispatches.c.event_id.in_(list(event_ids)))
        return int((await connection.execute(update(dispatches).where(*where).values(**values))).rowcount)

    async def line(
        self, connection: AsyncConnection, webhook_id: str, *, state: str | None, after: str | None, limit: int
    ) -> list[Row[Any]]:
        """Return events of one webhook, newest first."""
        question = select(dispatches).where(dispatches.c.webhook_id == webhook_id)
        if state is not None:
            question = question.where(dispatches.c.state == state)
        if after is not None:
            question = question.where(dispatches.c.place < after)
        return list(await connection.execute(question.order_by(dispatches.c.place.desc()).limit(limit)))

    async def start_anew(self, connection: AsyncConnection, webhook_id: str) -> None:
        """Forget how often the head of a line was tried."""
        where = (dispatches.c.webhook_id == webhook_id, dispatches.c.state == DispatchState.QUEUED.value)
        await connection.execute(update(dispatches).where(*where, dispatches.c.attempts > 0).values(attempts=0))

    async def redrive(self, connection: AsyncConnection, webhook_id: str) -> int:
        """Put a webhook's dead letters back into its line; return how many."""
        where = (dispatches.c.webhook_id == webhook_id, dispatches.c.state == DispatchState.DEAD.value)
        values = {"state": DispatchState.QUEUED.value, "attempts": 0, "finished_at": None}
        return int((await connection.execute(update(dispatches).where(*where).values(values))).rowcount)

    async def forget_delivered(self, connection: AsyncConnection, before: datetime) -> int:
        """Remove what was delivered before a moment; return how many."""
        where = (dispatches.c.state == DispatchState.DELIVERED.value, dispatches.c.finished_at < before)
        return int((await connection.execute(delete(dispatches).where(*where))).rowcount)


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        row.cause_id,
        row.correction_id,
        row.correlation,
        row.until,
        HoldState(row.state),
        row.back,
        tuple(row.posts),
    )
