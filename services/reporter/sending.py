"""Sends queued deliveries, one at a time.

Invariant: `sending` is durable before the first byte leaves. Whoever finds it later without its sender knows that the
document may have arrived, and calls the outcome unknown.
"""

import asyncio
import random
import secrets
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from services.reporter.avid_client import AvidClient
from services.reporter.avid_export import submission
from services.reporter.delivery import SINK_AVID, Answer, Reached, Settled, kept, settle
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store, Stored
from shared.bus.commit import backoff_s
from shared.clock import utcnow
from shared.errors import Unavailable
from shared.vocabulary import DeliveryState

log = structlog.get_logger("ombud.reporter")

GRACE_S = 15.0
"""How much longer than its timeout a try may take before its sender counts as gone."""
STORE_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)

TRIES = Counter("ombud_reporter_delivery_tries", "Tries to deliver a report, by the state that followed.", ["state"])


class Sender:
    """The loop `deliveries`. Sending runs beside it, so that a slow outsider does not stop the loop."""

    def __init__(self, store: Store, settings: ReporterSettings) -> None:
        self._store = store
        self._settings = settings
        self._owner = secrets.token_hex(8)
        self._key = settings.avid_api_key.get_secret_value() if settings.avid_api_key else None
        url = settings.avid_submit_url
        self._client = AvidClient(url, self._key, settings.avid_timeout_s) if url else None
        self._running: asyncio.Task[int] | None = None

    async def __call__(self) -> None:
        """Give orphans up and start sending what is due, unless that is going on already."""
        await self._give_up_orphans()
        if self._running is not None and self._running.done():
            ended, self._running = self._running, None
            ended.result()
        if self._client is not None and self._running is None:
            self._running = asyncio.create_task(self.send_due(), name="reporter deliveries")

    async def _give_up_orphans(self) -> None:
        now = utcnow()
        async with self._store.read() as connection:
            if not await self._store.has_orphans(connection, now):
                return
        async with self._store.begin() as connection:
            orphans = await self._store.give_up_orphans(connection, now, "its sender stopped; it may have arrived")
        log.warning("deliveries without a sender are unknown now", count=orphans)

    async def stop(self) -> None:
        """Stop sending; a try under way becomes unknown."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def send_due(self) -> int:
        """Try everything that is due now once; return how many tries were made."""
        tries = 0
        while self._client is not None:
            async with self._store.read() as connection:
                row = await self._store.next_due(connection, SINK_AVID, utcnow())
                document = row and await self._store.frozen_document(connection, row.report_id, row.version)
            if row is None:
                break
            if await self._claim(row):
                await self._try(self._client, row, document)
                tries += 1
        return tries

    async def _claim(self, row: Stored) -> bool:
        lease = utcnow() + timedelta(seconds=self._settings.avid_timeout_s + GRACE_S)
        async with self._store.begin() as connection:
            return await self._store.claim(connection, row, self._owner, lease)

    async def _try(self, client: AvidClient, row: Stored, document: dict[str, Any] | None) -> None:
        answer = Answer(Reached.ANSWERED, "there is no document")
        try:
            if document is not None:
                body = submission(document, decimals_as_text=self._settings.avid_decimals_as_text)
                answer = Answer(Reached.UNCLEAR, "stopped while sending")
                answer = await client.submit(body, utcnow())
        finally:
            await self._settle(row, row.attempts + 1, answer)

    async def _settle(self, row: Stored, attempt: int, answer: Answer) -> None:
        settings, now = self._settings, utcnow()
        settled = settle(answer, attempt=attempt, attempts=settings.avid_attempts)
        values: dict[str, Any] = {
            "state": settled.state.value,
            "reason": settled.reason,
            "receipt": settled.receipt,
            "answer": kept(answer.text, self._key) or None,
        }
        if settled.state is DeliveryState.QUEUED:
            values["due_at"] = now + timedelta(seconds=self._pause_s(attempt, answer))
        else:
            values["finished_at"] = now
            if settled.state is DeliveryState.SENT and settings.avid_review_path:
                values["review_due_at"] = now + timedelta(seconds=settings.avid_review_every_s)
        await self._store_patiently(row, values)
        TRIES.labels(settled.state.value).inc()
        self._log(row, attempt, settled)

    def _pause_s(self, attempt: int, answer: Answer) -> float:
        jitter = random.random()  # noqa: S311 - spreads tries, guards nothing
        base, limit = self._settings.avid_backoff_base_s, self._settings.avid_backoff_limit_s
        return max(backoff_s(attempt, base, limit, jitter), answer.retry_after_s or 0.0)

    async def _store_patiently(self, row: Stored, values: dict[str, Any]) -> None:
        for pause in (*STORE_AGAIN_S, None):
            try:
                async with self._store.begin() as connection:
                    await self._store.pass_gate(connection)
                    if await self._store.is_redacted(connection, row.report_id):
                        values["answer"] = None  # it may quote what was deleted since
                    if not await self._store.settle(connection, row, self._owner, values):
                        log.warning("a delivery was given up before its answer came", report=row.report_id)
                return
            except Unavailable:
                if pause is None:
                    raise  # the lease ends and the delivery becomes unknown
                await asyncio.sleep(pause)

    def _log(self, row: Stored, attempt: int, settled: Settled) -> None:
        say = log.info if settled.state is DeliveryState.SENT else log.warning
        say("delivery", report=row.report_id, attempt=attempt, state=settled.state.value, reason=settled.reason)
