"""Asks AVID's editors what became of the reports that were sent, ever more rarely.

Invariant: asking changes nothing anywhere but the editors' word on our row; a sent report stays sent whatever they say.
"""

from datetime import timedelta
from typing import Any

import structlog

from services.reporter.avid_client import AvidClient
from services.reporter.delivery import Reached, next_review, review_status_of
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store, Stored
from shared.clock import utcnow

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 20
"""Submissions asked about in one round, one after the other."""


class Reviewing:
    """The loop `editors' words`."""

    def __init__(self, store: Store, settings: ReporterSettings) -> None:
        self._store = store
        self._settings = settings
        key = settings.avid_api_key.get_secret_value() if settings.avid_api_key else None
        url = settings.avid_submit_url
        asks = url is not None and bool(settings.avid_review_path)
        self._client = AvidClient(url, key, settings.avid_timeout_s) if asks and url else None

    async def __call__(self) -> int:
        """Ask about everything that is due; return how many answers there were."""
        if self._client is None:
            return 0
        async with self._store.read() as connection:
            due = await self._store.reviews_due(connection, utcnow(), AT_ONCE)
        return sum([await self._ask(self._client, row) for row in due])

    async def _ask(self, client: AvidClient, row: Stored) -> bool:
        settings, url = self._settings, self._settings.avid_review_url(row.receipt)
        answer = await client.review_status(url or "", utcnow())
        now = utcnow()
        values: dict[str, Any] = {"review_asked_at": now}
        status = review_status_of(answer.text) if answer.reached is Reached.ANSWERED and answer.status == 200 else None
        if status is not None:
            values["review_status"] = status
        since_s = (now - row.finished_at).total_seconds()
        pause_s = next_review(since_s, settings.avid_review_every_s, settings.avid_review_limit_s)
        more = since_s < settings.avid_review_for_s
        values["review_due_at"] = now + timedelta(seconds=pause_s) if more else None
        async with self._store.begin() as connection:
            await self._store.keep_review(connection, row, values)
        log.info("editors asked", report=row.report_id, answered=answer.status or None, changed=status is not None)
        return status is not None
