"""Makes labels of decisions, after a wait in which they can be undone, and never more than so many a day.

Invariant: what a post deserves is read when its wait is over, so a decision undone meanwhile leaves no trace outside;
a label that is no longer deserved is always taken back, however many there were that day.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from services.reporter.labels import AT, deserved, moment, signed
from services.reporter.settings import ReporterSettings
from services.reporter.signing import private_key
from services.reporter.store import Connection, Store
from shared.clock import utcnow

log = structlog.get_logger("ombud.reporter")

AT_ONCE = 100
LATER = timedelta(minutes=5)
"""A post we know no address of yet, or a day that has no labels left, is looked at again after this long."""

LABELS = Counter("ombud_reporter_labels", "Labels made, and taken back.", ["state"])


class Labeller:
    """The loop `labels`."""

    def __init__(self, store: Store, settings: ReporterSettings) -> None:
        self._store = store
        self._settings = settings
        self._src = settings.labeler_did or ""
        self._key = private_key(settings.labeler_key.get_secret_value()) if settings.labeler_key else 0

    async def __call__(self, now: datetime | None = None) -> int:
        """Look at the posts whose wait is over; return how many labels and negations were made."""
        now = now or utcnow()
        async with self._store.read() as connection:
            if not await self._store.due_for_labels(connection, now, 1):
                return 0
        async with self._store.begin() as connection:
            await self._store.close_gate(connection)
            due = await self._store.due_for_labels(connection, now, AT_ONCE)
            left = self._settings.labels_daily - await self._made_today(connection, now)
            standing = await self._store.labels_of(connection, [row.asked for row in due])
            rows, later = list[dict[str, Any]](), list[str]()
            for row in due:
                made = self._changes(row, standing.get(row.asked, {}), now)
                new = sum(not each["neg"] for each in made)
                if row.post_id is None or row.external_id is None or new > left:
                    later.append(row.asked)
                    made = [each for each in made if each["neg"]]
                else:
                    left -= new
                rows += made
            last = await self._store.last_label(connection)
            numbered = [{"seq": last + n, **signed(each, self._key)} for n, each in enumerate(rows, 1)]
            await self._store.add_labels(connection, numbered)
            await self._store.looked_at(connection, [row.asked for row in due if row.asked not in later])
            await self._store.postpone(connection, later, now + LATER)
        for each in rows:
            LABELS.labels("taken_back" if each["neg"] else "made").inc()
            log.info("label", post=each["post_id"], value=each["val"], taken_back=each["neg"])
        return len(rows)

    def _changes(self, row: Any, standing: dict[str, bool], now: datetime) -> list[dict[str, Any]]:
        if row.post_id is None or not (row.external_id or "").startswith(AT):
            return []
        wanted = deserved(row, automatic=self._settings.labels_automatic)
        there = {val for val, stands in standing.items() if stands}
        common = {"src": self._src, "uri": row.external_id, "post_id": row.post_id, "cts": moment(now)}
        gone = [common | {"val": val, "neg": True} for val in sorted(there - wanted)]
        return gone + [common | {"val": val, "neg": False} for val in sorted(wanted - there)]

    async def _made_today(self, connection: Connection, now: datetime) -> int:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return await self._store.labels_since(connection, moment(midnight))
