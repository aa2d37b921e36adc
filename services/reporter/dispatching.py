"""Takes events from the streams into each webhook's line, and posts the lines, each in its order.

Invariant: an event leaves its line only after the receiver took it, or as a dead letter that stops the line; a process
that dies in between has posted it at worst a second time, under the same webhook-id.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from prometheus_client import Counter

from services.reporter.feed import outgoing
from services.reporter.holding import STREAM as HOLDS
from services.reporter.holding import Found, about, sort_out
from services.reporter.sealing import Seal, WrongKey
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store, Stored
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from services.reporter.webhooks import DispatchState, Posted, WebhookState, failed, headers, place, post_of, with_text
from shared.clock import utcnow

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 200
"""Entries of one stream taken at a time, and events of a line looked at together."""
MARKED_AT_ONCE = 20
"""Delivered events noted in one transaction; as many may be posted a second time after a kill."""
OPEN = Seal()
GRACE_S = 5.0
"""How much longer than its timeout a try may take before its process counts as gone."""
CLEAN_EVERY = timedelta(minutes=5)
HOLDS_KEPT = timedelta(days=1)
"""How long it is known that a word was taken back in time: a hearer that was down says what followed from it late."""

TRIES = Counter("ombud_reporter_webhook_tries", "Tries to post an event to a webhook.", ["state"])


class Dispatcher:
    """The loop `webhooks`. Each webhook is posted to beside it, so that a slow receiver holds up nobody else."""

    def __init__(
        self,
        store: Store,
        tail: Tail,
        client: WebhookClient,
        settings: ReporterSettings,
        clock: Callable[[], datetime] = utcnow,
        seal: Seal = OPEN,
    ) -> None:
        self._seal = seal
        self._store = store
        self._tail = tail
        self._client = client
        self._settings = settings
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._posting: dict[str, asyncio.Task[int]] = {}
        self._cleaned = clock()

    async def __call__(self) -> None:
        """Take what was said since the last time and start posting where something is due."""
        async with self._store.read() as connection:
            known = await self._store.webhooks(connection)
            waiting = await self._store.waiting(connection) if known else {}
            over = await self._store.holds_over(connection, self._clock()) if known else {}
        for webhook in known:
            room = self._settings.webhook_room - sum(waiting.get(webhook.id, {}).values())
            await self._take(webhook, room, over.get(webhook.id, {}))
        for name in [name for name, task in self._posting.items() if task.done()]:
            if error := self._posting.pop(name).exception():
                raise error
        for webhook in known:
            due = webhook.state == WebhookState.ACTIVE and webhook.due_at <= self._clock()
            if due and webhook.id not in self._posting:
                self._posting[webhook.id] = asyncio.create_task(self.post(webhook), name="reporter webhook")
        await self._clean()

    async def stop(self) -> None:
        """Stop posting; what was posted and not yet noted is posted again, under the same id."""
        for task in self._posting.values():
            task.cancel()
        await asyncio.gather(*self._posting.values(), return_exceptions=True)
        await self._client.close()

    async def idle(self) -> None:
        """Wait until nothing is being posted."""
        await asyncio.gather(*self._posting.values())

    async def _take(self, webhook: Stored, room: int, over: dict[str, datetime]) -> None:
        """Take what was said since the last time; `over` are causes and ends of holds that ended before this."""
        seen, turn, until = dict(webhook.seen), webhook.turn, await self._tail.now()
        while room > 0 or over:
            asked = self._tail.of(seen, {*webhook.streams, HOLDS})
            read = await self._tail.read(asked, until, AT_ONCE)
            # what was said while a hold lasted is known by now: what was not taken back may leave
            free = [cause for cause, end in over.items() if not read.more or end.timestamp() * 1000 < read.known.ms]
            if not (free or read.seen.items() - asked.items()):
                break
            seen |= read.seen
            async with self._store.begin() as connection:
                found = sort_out(read.found, await self._store.holds(connection, webhook.id, *about(read.found)))
                rows = self._rows(webhook, found.kept)
                if not await self._store.put_in_line(connection, webhook.id, turn, rows, seen):
                    break
                await self._store.keep_holds(connection, webhook.id, found.changed, found.undone)
                await self._store.let_go(connection, webhook.id, free)
            over = {cause: end for cause, end in over.items() if cause not in free}
            turn, room = turn + 1, room - len(rows)

    def _rows(self, webhook: Stored, found: Sequence[tuple[Found, str | None]]) -> list[dict[str, Any]]:
        now, rows = self._clock(), []
        for (position, stream, _, event), held in found:
            if stream not in webhook.streams:
                continue
            body = outgoing(stream, event)
            body["data"].get("post", {}).pop("author", None)
            rows.append(
                {
                    "webhook_id": webhook.id,
                    "event_id": event.id,
                    "place": place(position),
                    "stream": stream,
                    "post_id": post_of(body),
                    "body": body,
                    "state": DispatchState.QUEUED.value,
                    "attempts": 0,
                    "created_at": now,
                    "held": held,
                }
            )
        return rows

    async def post(self, webhook: Stored) -> int:
        """Post a webhook's line until it is empty or a try fails; return how many events were taken."""
        taken = 0
        while await self._take_turn(webhook):
            async with self._store.read() as connection:
                line = await self._store.head(connection, webhook.id, MARKED_AT_ONCE)
            delivered, posted = await self._post_some(webhook, line)
            taken += len(delivered)
            async with self._store.begin() as connection:
                await self._note(connection, webhook, line, delivered, posted)
            if not line or not posted.taken:
                break
        return taken

    async def _take_turn(self, webhook: Stored) -> bool:
        """Become the one who posts for as long as a handful of tries can take."""
        now = self._clock()
        lease = timedelta(seconds=self._settings.webhook_timeout_s + GRACE_S)
        async with self._store.begin() as connection:
            return await self._store.take_turn(connection, webhook, self._owner, now, now + lease)

    async def _post_some(self, webhook: Stored, line: Sequence[Stored]) -> tuple[list[str], Posted]:
        delivered, posted = list[str](), Posted(200)
        until = self._clock() + timedelta(seconds=GRACE_S)
        for row in line:
            posted = await self._post_one(webhook, row)
            TRIES.labels("delivered" if posted.taken else "failed").inc()
            if not posted.taken:
                break
            delivered.append(row.event_id)
            if self._clock() >= until:  # the lease covers one more try after this moment, not all of them
                break
        return delivered, posted

    async def _post_one(self, webhook: Stored, row: Stored) -> Posted:
        now = self._clock()
        try:
            secrets_ = [self._seal.open(webhook.secret)]
            if webhook.old_secret is not None and webhook.old_until > now:
                secrets_.append(self._seal.open(webhook.old_secret))
        except WrongKey:
            return Posted(why="the secret was sealed with another key: rotate it")
        body = orjson.dumps(with_text(row.body, row.text, row.author) if webhook.text else row.body)
        return await self._client.post(webhook.url, body, headers(row.event_id, body, secrets_, now), now)

    async def _note(
        self, connection: Any, webhook: Stored, line: Sequence[Stored], delivered: Sequence[str], posted: Posted
    ) -> None:
        now = self._clock()
        if delivered:
            ended = {"state": DispatchState.DELIVERED.value, "status": 200, "reason": None, "finished_at": now}
            await self._store.mark(connection, webhook.id, delivered, ended)
            await self._store.change_webhook(connection, webhook.id, {"attempts": 0, "reason": None})
        if not posted.taken:
            await self._failed(connection, webhook, line[len(delivered)], posted, now)
        await self._store.give_back(connection, webhook.id, self._owner)

    async def _failed(self, connection: Any, webhook: Stored, row: Stored, posted: Posted, now: datetime) -> None:
        attempt = row.attempts + 1
        jitter = random.random()  # noqa: S311 - spreads tries, guards nothing
        verdict = failed(posted, attempt=attempt, pauses_s=self._settings.webhook_pauses_s, jitter=jitter)
        noted: dict[str, Any] = {"attempts": attempt, "status": posted.status or None, "reason": posted.reason}
        if verdict.dead:
            noted |= {"state": DispatchState.DEAD.value, "finished_at": now}
        await self._store.mark(connection, webhook.id, [row.event_id], noted)
        values: dict[str, Any] = {"attempts": attempt, "reason": verdict.stop or posted.reason, "updated_at": now}
        if verdict.dead:
            values["attempts"] = 0
        if verdict.stop:
            values |= {"state": WebhookState.PAUSED.value, "attempts": 0}
        else:
            values["due_at"] = now + timedelta(seconds=verdict.pause_s or 0.0)
        await self._store.change_webhook(connection, webhook.id, values)
        log.warning("webhook", webhook=webhook.id, attempt=attempt, reason=values["reason"], paused=bool(verdict.stop))

    async def _clean(self) -> None:
        now = self._clock()
        if now - self._cleaned >= CLEAN_EVERY:
            before = now - timedelta(seconds=self._settings.webhook_kept_s)
            async with self._store.begin() as connection:
                await self._store.forget_delivered(connection, before)
                await self._store.forget_holds(connection, now - HOLDS_KEPT)
            self._cleaned = now
