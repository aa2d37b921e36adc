"""Drift: what a full training knew of its posts, and what the posts of each day since then are like.

Invariant: a post is counted once, whoever counts at that moment: counting it and marking it is one transaction.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update

from services.trainer.drift import COUNTED, ENOUGH, Key
from services.trainer.runs import RunKind, Trigger
from services.trainer.store.learning import standing
from services.trainer.store.models import in_force
from services.trainer.tables import corrections, drift_days, drift_references, models, posts, runs
from shared.db import Database, add_counts, chunks, insert_first
from shared.vocabulary import Standing

REFERENCE = ""
"""The day of a reference's own counts."""
LONGEST_DAYS = 7
"""Days that are put together at most until there are enough posts."""


class CountedElsewhere(Exception):
    """Another process counted some of these posts."""


class Drift:
    """Questions about drift."""

    _database: Database

    async def drift_root(self) -> Row[Any] | None:
        """Return the full training the model in force goes back to: its version, artifact and metrics."""
        async with self._database.read() as connection:
            champion = await in_force(connection)
            if champion is None:
                return None
            question: Select[Any] = select(models.c.version, models.c.artifact, models.c.metrics)
            version = champion.root or champion.version
            row: Row[Any] | None = (await connection.execute(question.where(models.c.version == version))).first()
            return row

    async def drift_reference(self, reference: str) -> Row[Any] | None:
        """Return what a full training knew of its posts."""
        question = select(drift_references).where(drift_references.c.reference == reference)
        async with self._database.read() as connection:
            row: Row[Any] | None = (await connection.execute(question)).first()
            return row

    async def newest_texts(self, limit: int) -> list[Row[Any]]:
        """Return text and language of the newest posts, newest first."""
        question = select(posts.c.text, posts.c.language).where(posts.c.text.is_not(None))
        async with self._database.read() as connection:
            return list(await connection.execute(question.order_by(posts.c.scored_at.desc()).limit(limit)))

    async def save_reference(
        self, reference: str, counts: Mapping[Key, int], thresholds: Mapping[str, float], words: bytes, now: datetime
    ) -> None:
        """Keep a reference, once; the posts that are there by now are of it or before it, and counted by no day."""
        row = {
            "reference": reference,
            "posts": counts.get(COUNTED, 0),
            "thresholds": dict(thresholds),
            "words": words,
            "made_at": now,
        }
        async with self._database.begin() as connection:
            if await insert_first(connection, drift_references, row):
                await add_counts(connection, drift_days, _rows(reference, {REFERENCE: counts}), "n")
                await connection.execute(update(posts).where(posts.c.counted_at.is_(None)).values(counted_at=now))

    async def uncounted(self, limit: int) -> list[Row[Any]]:
        """Return posts no day has counted: post_id, text, language and scored_at."""
        wanted = posts.c.post_id, posts.c.text, posts.c.language, posts.c.scored_at
        async with self._database.read() as connection:
            return list(await connection.execute(select(*wanted).where(posts.c.counted_at.is_(None)).limit(limit)))

    async def count_posts_of_days(
        self, reference: str, names: Iterable[str], days: Mapping[str, Mapping[Key, int]], now: datetime
    ) -> None:
        """Add posts to their days. Raises CountedElsewhere, and adds nothing, if somebody else counted one of them."""
        ordered = sorted(names)
        async with self._database.begin() as connection:
            for piece in chunks(ordered):
                mine = update(posts).where(posts.c.post_id.in_(piece), posts.c.counted_at.is_(None))
                if (await connection.execute(mine.values(counted_at=now))).rowcount != len(piece):
                    raise CountedElsewhere
            await add_counts(connection, drift_days, _rows(reference, days), "n")

    async def drift_counts(self, reference: str, today: date) -> tuple[Counter[Key], Counter[Key], int]:
        """Return the counts of the reference, those of the newest days, and how many days these are.

        Days are put together until there are enough posts, a week at most.
        """
        question = select(drift_days).where(drift_days.c.reference == reference)
        first = (today - timedelta(days=LONGEST_DAYS - 1)).isoformat()
        recent = (drift_days.c.day == REFERENCE) | (drift_days.c.day >= first)
        days: dict[str, Counter[Key]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(question.where(recent)):
                days.setdefault(row.day, Counter())[row.signal, row.part, row.bucket] = row.n
        known = days.pop(REFERENCE, Counter())
        now: Counter[Key] = Counter()
        taken = 0
        for day in sorted(days, reverse=True):
            if now[COUNTED] >= ENOUGH:
                break
            now += days[day]
            taken += 1
        return known, now, taken

    async def forget_drift(self, before: datetime) -> None:
        """Remove days from before a moment, and references made before it that are not in force."""
        root = await self.drift_root()
        old = drift_references.c.made_at < before
        if root is not None:
            old &= drift_references.c.reference != root.version
        async with self._database.begin() as connection:
            names = list(await connection.scalars(select(drift_references.c.reference).where(old)))
            for piece in chunks(names):
                await connection.execute(delete(drift_days).where(drift_days.c.reference.in_(piece)))
                await connection.execute(delete(drift_references).where(drift_references.c.reference.in_(piece)))
            past = drift_days.c.day != REFERENCE, drift_days.c.day < before.date().isoformat()
            await connection.execute(delete(drift_days).where(*past))

    async def last_drift_run(self) -> datetime | None:
        """Return when drift asked for a full training last."""
        drifted = runs.c.kind == RunKind.REFIT.value, runs.c.trigger == Trigger.DRIFT.value
        async with self._database.read() as connection:
            last: datetime | None = await connection.scalar(select(func.max(runs.c.requested_at)).where(*drifted))
            return last

    async def reviews(self, since: datetime, limit: int) -> list[Row[Any]]:
        """Return the newest reviewers' words on posts whose text is known, that were said since a moment."""
        told = corrections.c.verdict, corrections.c.feedback_type, corrections.c.sampled
        post = posts.c.text, posts.c.language, posts.c.flagged
        question: Select[Any] = select(*told, *post).join(posts, posts.c.post_id == corrections.c.post_id)
        which = corrections.c.standing == Standing.REVIEWER.value, corrections.c.corrected_at >= since
        question = question.where(*standing(), *which, posts.c.text.is_not(None))
        async with self._database.read() as connection:
            rows = await connection.execute(question.order_by(corrections.c.corrected_at.desc()).limit(limit))
            return list(rows)

    async def llm_scored(self, moment: datetime, limit: int, *, since: bool) -> list[Row[Any]]:
        """Return the newest posts an LLM decided, scored before a moment or since: text, language and llm_flagged."""
        told = posts.c.text, posts.c.language, posts.c.llm_flagged
        when = posts.c.scored_at >= moment if since else posts.c.scored_at < moment
        question = select(*told).where(posts.c.llm_flagged.is_not(None), posts.c.text.is_not(None), when)
        async with self._database.read() as connection:
            return list(await connection.execute(question.order_by(posts.c.scored_at.desc()).limit(limit)))


def _rows(reference: str, days: Mapping[str, Mapping[Key, int]]) -> list[dict[str, Any]]:
    """Return counts as rows, in one order for all processes; what is not there needs no row."""
    return [
        {"reference": reference, "day": day, "signal": signal, "part": part, "bucket": bucket, "n": n}
        for day, counts in sorted(days.items())
        for (signal, part, bucket), n in sorted(counts.items())
        if n
    ]
