"""Every question the trainer asks its tables.

Invariant: a run is written to only by who still holds it (state, owner and attempt are compared in the UPDATE).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.feedback import Alike, Position
from services.trainer.labels import Correction
from services.trainer.runs import (
    MOST_ATTEMPTS,
    OWNER_GONE_S,
    ActiveRun,
    Champion,
    Claim,
    Outlook,
    RecipeName,
    Result,
    RunState,
    Trigger,
    version_of,
)
from services.trainer.tables import corrections, models, posts, ratings, runs, tombstones
from shared.bus.erasures import is_author
from shared.db import Database, chunks, insert_new, upsert
from shared.vocabulary import FeedbackType, Verdict

OVER = {"active": None, "owner": None, "heartbeat_at": None}
"""What is emptied when a run ends."""


class Store:
    """The trainer's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return one transaction."""
        return self._database.begin()

    # -- what there is to learn from ------------------------------------------------------------------------

    async def erased_among(self, connection: AsyncConnection, subjects: Iterable[str]) -> dict[str, datetime]:
        """Return which of the post ids and author subjects are erased, and since when."""
        found: dict[str, datetime] = {}
        for piece in chunks(sorted(set(subjects))):
            question = select(tombstones.c.subject, tombstones.c.deleted_at).where(tombstones.c.subject.in_(piece))
            found |= {row.subject: row.deleted_at for row in await connection.execute(question)}
        return found

    async def erased_now(self, subjects: Iterable[str]) -> dict[str, datetime]:
        """Return the same as everybody sees it after the last commit."""
        async with self._database.read() as connection:
            return await self.erased_among(connection, subjects)

    async def save_posts(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep posts as scored; an older revision changes nothing."""
        await upsert(connection, posts, rows, newer="revision")

    async def save_corrections(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep corrections; one that is there already stays as it is."""
        await insert_new(connection, corrections, rows)

    async def save_ratings(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep each person's newest rating of a post."""
        await upsert(connection, ratings, rows, newer="rated_at")

    async def bury(self, connection: AsyncConnection, deleted: Mapping[str, datetime]) -> None:
        """Remember that post ids or author subjects are erased; an author may ask for it more than once."""
        rows: list[dict[str, Any]] = [{"subject": name, "deleted_at": at} for name, at in sorted(deleted.items())]
        await insert_new(connection, tombstones, [row for row in rows if not is_author(row["subject"])])
        authors = [row for row in rows if is_author(row["subject"])]
        await upsert(connection, tombstones, authors, newer="deleted_at")

    async def posts_of(self, authors: Iterable[tuple[str, str]]) -> list[Row[Any]]:
        """Return post_id, platform and author of everything known of some (platform, pseudonym) pairs."""
        found: list[Row[Any]] = []
        question = select(posts.c.post_id, posts.c.platform, posts.c.author)
        async with self._database.read() as connection:
            for piece in chunks(sorted(set(authors)), 2):
                found += await connection.execute(question.where(tuple_(posts.c.platform, posts.c.author).in_(piece)))
        return found

    async def erase_posts(self, connection: AsyncConnection, deleted: Mapping[str, datetime]) -> None:
        """Remove text and author of posts, also from the corrections about them."""
        if not deleted:
            return
        gone = update(posts).where(posts.c.post_id == bindparam("gone"), posts.c.deleted_at.is_(None))
        erased = gone.values(text=None, author=None, deleted_at=bindparam("at"))
        await connection.execute(erased, [{"gone": name, "at": at} for name, at in sorted(deleted.items())])
        for piece in chunks(sorted(deleted)):
            await connection.execute(update(corrections).where(corrections.c.post_id.in_(piece)).values(text=None))

    async def correction(self, correction_id: str) -> Row[Any] | None:
        """Return a correction, with `retracted`: whether another one takes it back."""
        question = select(corrections, _taken_back().label("retracted"))
        async with self._database.read() as connection:
            return (await connection.execute(question.where(corrections.c.correction_id == correction_id))).first()

    async def page_of_corrections(
        self, *, since: datetime | None, after: Position | None, limit: int
    ) -> list[Correction]:
        """Return corrections that stand and whose text is not gone, oldest first, with what is known of their post."""
        at, name = corrections.c.corrected_at, corrections.c.correction_id
        question = _known().where(*_standing(), func.coalesce(corrections.c.text, posts.c.text).is_not(None))
        if since is not None:
            question = question.where(at >= since)
        if after is not None:
            question = question.where(or_(at > after.at, (at == after.at) & (name > after.correction_id)))
        async with self._database.read() as connection:
            rows = await connection.execute(question.order_by(at, name).limit(limit))
            return [_correction(row) for row in rows]

    async def corrections_alike(self) -> list[Alike]:
        """Return all corrections that stand, those that say the same together."""
        told = (corrections.c.verdict, corrections.c.feedback_type)
        named = (corrections.c.expected, corrections.c.actual, corrections.c.spoke_about)
        at = corrections.c.corrected_at
        counts = func.count().label("times"), func.min(at).label("first"), func.max(at).label("last")
        question = select(*told, *named, *counts).where(*_standing()).group_by(*told, *named)
        async with self._database.read() as connection:
            rows = (await connection.execute(question)).all()
        return [_alike(row) for row in rows]

    # -- runs -----------------------------------------------------------------------------------------------

    async def outlook(self) -> Outlook:
        """Return what decides whether a run is due."""
        question = select(runs.c.run_id, runs.c.state, runs.c.attempt, runs.c.heartbeat_at)
        new = (corrections.c.first_run_id.is_(None), corrections.c.retracts.is_(None), not_(_taken_back()))
        waiting = select(func.count()).select_from(corrections)
        async with self._database.read() as connection:
            row = (await connection.execute(question.where(runs.c.active == 1))).first()
            made = await connection.scalar(select(func.count()).select_from(models)) or 0
            told = await connection.scalar(waiting.where(*new, corrections.c.verdict != Verdict.UNSURE.value)) or 0
        active = None if row is None else ActiveRun(row.run_id, RunState(row.state), row.attempt, row.heartbeat_at)
        return Outlook(active, made, told)

    async def queue_run(
        self, trigger: Trigger, recipe: RecipeName, now: datetime, *, by: str | None = None
    ) -> tuple[str | None, bool]:
        """Queue a run unless one is active; return the active run's id and whether it is the new one."""
        mine = str(uuid4())
        row = {
            "run_id": mine,
            "trigger": trigger.value,
            "recipe": recipe,
            "state": RunState.QUEUED.value,
            "active": 1,
            "attempt": 0,
            "requested_by": by,
            "requested_at": now,
        }
        async with self.begin() as connection:
            await insert_new(connection, runs, [row])
            active = await connection.scalar(select(runs.c.run_id).where(runs.c.active == 1))
        return active, active == mine

    async def claim(self, run_id: str, owner: str, now: datetime) -> Claim | None:
        """Take a queued run; return None if somebody else was faster."""
        taken = (
            update(runs)
            .where(runs.c.run_id == run_id, runs.c.state == RunState.QUEUED.value)
            .values(
                state=RunState.RUNNING.value,
                owner=owner,
                attempt=runs.c.attempt + 1,
                started_at=now,
                heartbeat_at=now,
            )
        )
        async with self.begin() as connection:
            if (await connection.execute(taken)).rowcount != 1:
                return None
            row = (await connection.execute(select(runs).where(runs.c.run_id == run_id))).one()
        return Claim(row.run_id, row.recipe, row.attempt, owner)

    async def beat(self, claim: Claim, now: datetime) -> bool:
        """Say that a run is alive; return whether it is still ours."""
        async with self.begin() as connection:
            answer = await connection.execute(update(runs).where(*_held(claim)).values(heartbeat_at=now))
        return answer.rowcount == 1

    async def give_back(self, claim: Claim) -> None:
        """Queue a run again that we were told to stop; it counts as no attempt."""
        queued = {"state": RunState.QUEUED.value, "owner": None, "heartbeat_at": None, "attempt": claim.attempt - 1}
        async with self.begin() as connection:
            await connection.execute(update(runs).where(*_held(claim)).values(queued))

    async def recover_lost(self, now: datetime) -> None:
        """Queue a run again whose owner is gone; after three attempts it has failed."""
        lost = (
            runs.c.state == RunState.RUNNING.value,
            runs.c.heartbeat_at < now - timedelta(seconds=OWNER_GONE_S),
        )
        failed = {
            **OVER,
            "state": RunState.FAILED.value,
            "finished_at": now,
            "error": f"its process went away {MOST_ATTEMPTS} times",
        }
        queued = {"state": RunState.QUEUED.value, "owner": None, "heartbeat_at": None}
        async with self.begin() as connection:
            await connection.execute(update(runs).where(*lost, runs.c.attempt >= MOST_ATTEMPTS).values(failed))
            await connection.execute(update(runs).where(*lost).values(queued))

    async def snapshot(self, claim: Claim) -> tuple[Champion | None, tuple[Correction, ...]]:
        """Return the champion and every correction with what is known of its post; mark them as seen by this run."""
        seen = update(corrections).where(corrections.c.first_run_id.is_(None)).values(first_run_id=claim.run_id)
        async with self.begin() as connection:
            await connection.execute(seen)
            rows = await connection.execute(_material())
            material = tuple(_correction(row) for row in rows)
            champion = (await connection.execute(_champion())).first()
        return None if champion is None else Champion(champion.version, champion.artifact), material

    async def finish(self, claim: Claim, result: Result, champion: Champion | None, now: datetime) -> str | None:
        """Record a run's model and its end in one transaction; return the version, or None if it is not ours now."""
        counts = {"examples": result.examples, "corrections": result.corrections}
        told = {"metrics": result.metrics, "reasons": list(result.reasons)}
        async with self.begin() as connection:
            highest = await connection.scalar(select(func.max(models.c.sequence))) or 0
            version = version_of(highest + 1, result.artifact)
            ended = {
                **OVER,
                **counts,
                **told,
                "state": RunState.FINISHED.value,
                "finished_at": now,
                "held_out": result.held_out,
                "champion_metrics": result.champion_metrics,
                "model_version": version,
            }
            if (await connection.execute(update(runs).where(*_held(claim)).values(ended))).rowcount != 1:
                return None
            row = {
                **counts,
                **told,
                "version": version,
                "sequence": highest + 1,
                "run_id": claim.run_id,
                "model": result.model,
                "recipe": claim.recipe,
                "artifact": result.artifact,
                "data_hash": result.data_hash,
                "promoted": result.passed,
                "replaces": champion.version if champion and result.passed else None,
                "trained_at": now,
                "promoted_at": now if result.passed else None,
            }
            await connection.execute(models.insert(), [row])
            for piece in chunks(result.taught):
                learned = update(corrections).where(corrections.c.correction_id.in_(piece))
                await connection.execute(learned.where(corrections.c.learned_by.is_(None)).values(learned_by=version))
        return version

    async def fail(self, claim: Claim, error: str, now: datetime) -> None:
        """Record that a run ended without a model."""
        failed = {**OVER, "state": RunState.FAILED.value, "finished_at": now, "error": error}
        async with self.begin() as connection:
            await connection.execute(update(runs).where(*_held(claim)).values(failed))

    async def cancel(self, run_id: str, error: str, now: datetime) -> bool:
        """End an active run; whoever trains it notices at its next heartbeat. Return whether it was active."""
        failed = {**OVER, "state": RunState.FAILED.value, "finished_at": now, "error": error}
        async with self.begin() as connection:
            answer = await connection.execute(
                update(runs).where(runs.c.run_id == run_id, runs.c.active == 1).values(failed)
            )
        return answer.rowcount == 1

    async def run(self, run_id: str) -> Row[Any] | None:
        """Return one run."""
        async with self._database.read() as connection:
            return (await connection.execute(select(runs).where(runs.c.run_id == run_id))).first()

    async def latest_runs(self, limit: int) -> Sequence[Row[Any]]:
        """Return the newest runs, newest first."""
        async with self._database.read() as connection:
            question = select(runs).order_by(runs.c.requested_at.desc(), runs.c.run_id).limit(limit)
            return (await connection.execute(question)).all()

    async def latest_models(self, limit: int) -> Sequence[Row[Any]]:
        """Return the newest models, newest first."""
        async with self._database.read() as connection:
            return (await connection.execute(select(models).order_by(models.c.sequence.desc()).limit(limit))).all()

    async def named(self, version: str | None) -> Row[Any] | None:
        """Return a model by its version, without one the newest that was promoted."""
        question = _champion() if version is None else select(models).where(models.c.version == version)
        async with self._database.read() as connection:
            row: Row[Any] | None = (await connection.execute(question)).first()
        return row

    async def model(self, version: str) -> Row[Any] | None:
        """Return one model."""
        async with self._database.read() as connection:
            return (await connection.execute(select(models).where(models.c.version == version))).first()


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        runs.c.run_id == claim.run_id,
        runs.c.state == RunState.RUNNING.value,
        runs.c.owner == claim.owner,
        runs.c.attempt == claim.attempt,
    )


def _taken_back() -> ColumnElement[bool]:
    other = corrections.alias("other")
    return select(other.c.correction_id).where(other.c.retracts == corrections.c.correction_id).exists()


def _champion() -> Select[Any]:
    newest = models.c.sequence.desc()
    return select(models.c.version, models.c.artifact).where(models.c.promoted).order_by(newest).limit(1)


def _standing() -> tuple[ColumnElement[bool], ...]:
    """Return what holds of a correction that says something and was not taken back."""
    return corrections.c.verdict != Verdict.UNSURE.value, corrections.c.retracts.is_(None), not_(_taken_back())


def _known() -> Select[Any]:
    known = posts.c.text.label("post_text"), posts.c.language.label("post_language"), posts.c.revision, posts.c.platform
    joined = corrections.outerjoin(posts, posts.c.post_id == corrections.c.post_id)
    return select(corrections, *known).select_from(joined)


def _material() -> Select[Any]:
    return _known().where(corrections.c.first_run_id.is_not(None))


def _alike(row: Row[Any]) -> Alike:
    one = Correction(
        correction_id="",
        verdict=Verdict(row.verdict),
        corrected_at=row.first,
        expected=tuple(row.expected),
        actual=tuple(row.actual),
        spoke_about=tuple(row.spoke_about),
        feedback_type=FeedbackType(row.feedback_type),
    )
    return Alike(one, row.times, row.first, row.last)


def _correction(row: Row[Any]) -> Correction:
    return Correction(
        correction_id=row.correction_id,
        verdict=Verdict(row.verdict),
        corrected_at=row.corrected_at,
        post_id=row.post_id,
        text=row.text,
        language=row.language,
        expected=tuple(row.expected),
        actual=tuple(row.actual),
        spoke_about=tuple(row.spoke_about),
        retracts=row.retracts,
        post_text=row.post_text,
        post_language=row.post_language,
        post_revision=row.revision or 0,
        feedback_type=FeedbackType(row.feedback_type),
        weak=bool(row.weak),
        reviewer=row.reviewer,
        platform=row.platform,
    )
