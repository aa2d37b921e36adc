"""Runs: queued once, held by one process, taken up again where they stopped, finished once.

Invariant: a run is written to only by who still holds it (state, owner and attempt are compared in the UPDATE).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.jobs import WORK
from services.trainer.labels import Correction
from services.trainer.lifecycle import Layer, Stage, Terms, first_stage, layer_of
from services.trainer.runs import (
    MOST_ATTEMPTS,
    OWNER_GONE_S,
    ActiveRun,
    Champion,
    Claim,
    Outlook,
    RecipeName,
    Result,
    RunKind,
    RunState,
    Trigger,
    slot_of,
    version_of,
)
from services.trainer.steps import Line, Progress, Step, StepStatus, again_from, heard, planned, stopped, taken_up
from services.trainer.store.learning import correction_of, known, material, settled, standing, taken_back
from services.trainer.store.models import in_force, learn, lineage, promote, tell
from services.trainer.store.registry import describe_model
from services.trainer.tables import corrections, lessons, models, posts, runs, steps
from shared.db import Database, insert_new, upsert
from shared.vocabulary import Verdict

OVER = {"slot": None, "owner": None, "heartbeat_at": None}
"""What is emptied when a run ends."""
PROMOTION = "promotion"
"""The step of a refit that is done here, in the transaction that finishes it."""


class Runs:
    """Questions about runs."""

    _database: Database

    async def outlook(self) -> Outlook:
        """Return what decides whether a run is due."""
        question = select(runs.c.run_id, runs.c.state, runs.c.attempt, runs.c.heartbeat_at, runs.c.kind)
        unseen = corrections.c.first_run_id.is_(None), corrections.c.verdict != Verdict.UNSURE.value, settled()
        new = corrections.c.retracts.is_(None), not_(taken_back())
        count = select(func.count()).select_from(corrections).where(*unseen)
        last = select(func.max(runs.c.requested_at)).where(runs.c.kind == RunKind.REFIT.value)
        async with self._database.read() as connection:
            rows = (await connection.execute(question.where(runs.c.slot.is_not(None)))).all()
            made = await connection.scalar(select(func.count()).select_from(models)) or 0
            waiting = await connection.scalar(count.where(*new)) or 0
            news = await connection.scalar(count) or 0
            last_refit_at = await connection.scalar(last)
        active = tuple(
            ActiveRun(row.run_id, RunState(row.state), row.attempt, row.heartbeat_at, RunKind(row.kind)) for row in rows
        )
        return Outlook(active, made, waiting, news, last_refit_at)

    async def queue_run(
        self,
        trigger: Trigger,
        recipe: RecipeName,
        now: datetime,
        *,
        by: str | None = None,
        kind: RunKind = RunKind.REFIT,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[str | None, bool]:
        """Queue a run unless one of its kind and recipe is active; return the active run's id and whether it is new."""
        mine, slot = str(uuid4()), slot_of(kind, recipe)
        row = {
            "run_id": mine,
            "trigger": trigger.value,
            "recipe": recipe,
            "kind": kind.value,
            "state": RunState.QUEUED.value,
            "slot": slot,
            "options": dict(options or {}),
            "attempt": 0,
            "requested_by": by,
            "requested_at": now,
        }
        async with self._database.begin() as connection:
            await insert_new(connection, runs, [row])
            active = await connection.scalar(select(runs.c.run_id).where(runs.c.slot == slot))
            if active == mine and kind in WORK:
                await _write_steps(connection, mine, planned(WORK[kind].steps))
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
        async with self._database.begin() as connection:
            if (await connection.execute(taken)).rowcount != 1:
                return None
            row = (await connection.execute(select(runs).where(runs.c.run_id == run_id))).one()
            await _write_steps(connection, run_id, taken_up(await _steps(connection, run_id)))
        return Claim(
            row.run_id, row.recipe, row.attempt, owner, RunKind(row.kind), row.options or {}, Trigger(row.trigger)
        )

    async def beat(self, claim: Claim, now: datetime) -> bool:
        """Say that a run is alive; return whether it is still ours."""
        async with self._database.begin() as connection:
            return await _alive(connection, claim, now)

    async def progress(self, claim: Claim, said: Progress, now: datetime) -> bool:
        """Write down what a worker said about a step; return whether the run is still ours."""
        async with self._database.begin() as connection:
            if not await _alive(connection, claim, now):
                return False
            await _write_steps(connection, claim.run_id, heard(await _steps(connection, claim.run_id), said, now))
        return True

    async def give_back(self, claim: Claim) -> None:
        """Queue a run again that we were told to stop; it counts as no attempt."""
        queued = {"state": RunState.QUEUED.value, "owner": None, "heartbeat_at": None, "attempt": claim.attempt - 1}
        async with self._database.begin() as connection:
            if (await connection.execute(update(runs).where(*_held(claim)).values(queued))).rowcount == 1:
                await _write_steps(connection, claim.run_id, taken_up(await _steps(connection, claim.run_id)))

    async def recover_lost(self, now: datetime) -> None:
        """Queue runs again whose owner is gone; after three attempts they have failed."""
        lost = (
            runs.c.state == RunState.RUNNING.value,
            runs.c.heartbeat_at < now - timedelta(seconds=OWNER_GONE_S),
        )
        error = f"its process went away {MOST_ATTEMPTS} times"
        failed = {**OVER, "state": RunState.FAILED.value, "finished_at": now, "error": error}
        queued = {"state": RunState.QUEUED.value, "owner": None, "heartbeat_at": None}
        async with self._database.begin() as connection:
            hopeless = (
                await connection.scalars(select(runs.c.run_id).where(*lost, runs.c.attempt >= MOST_ATTEMPTS))
            ).all()
            await connection.execute(update(runs).where(*lost, runs.c.attempt >= MOST_ATTEMPTS).values(failed))
            await connection.execute(update(runs).where(*lost).values(queued))
            for run_id in hopeless:
                await _fail_steps(connection, run_id, now)

    async def snapshot(self, claim: Claim) -> tuple[Champion | None, tuple[Correction, ...]]:
        """Return the champion and every correction with what is known of its post; mark them as seen by this run."""
        fresh = corrections.c.first_run_id.is_(None), settled()
        seen = update(corrections).where(*fresh).values(first_run_id=claim.run_id)
        async with self._database.begin() as connection:
            await connection.execute(seen)
            rows = await connection.execute(material())
            told = tuple(correction_of(row) for row in rows)
            champion = await _judge_against(connection, claim)
        return champion, told

    async def waiting(self, claim: Claim, limit: int) -> tuple[Champion | None, tuple[Correction, ...]]:
        """Return the champion and the standing corrections, oldest first, that its lineage has not learned.

        After a rollback only those count that no model has learned: the others wait for a refit and its gate.
        """
        async with self._database.begin() as connection:
            champion = await _judge_against(connection, claim)
            rows = await connection.execute((await _unlearned(connection)).limit(limit))
            return champion, tuple(correction_of(row) for row in rows)

    async def learned_since_refit(self, newest: int) -> tuple[Correction, ...]:
        """Return the newest standing corrections that replays on top of the champion's refit learned, oldest first."""
        async with self._database.read() as connection:
            present = await in_force(connection)
            replays = [name for name in await lineage(connection) if present and name != present.root]
            taught = select(lessons.c.correction_id).where(lessons.c.version.in_(replays), lessons.c.taught)
            question = known().where(*standing(), corrections.c.correction_id.in_(taught))
            rows = await connection.execute(question.order_by(corrections.c.corrected_at.desc()).limit(newest))
            return tuple(correction_of(row) for row in reversed(rows.all()))

    async def count_waiting(self) -> int:
        """Return how many standing corrections the champion's lineage has not learned."""
        async with self._database.read() as connection:
            question = await _unlearned(connection)
            return await connection.scalar(select(func.count()).select_from(question.order_by(None).subquery())) or 0

    async def finish(
        self, claim: Claim, result: Result, champion: Champion | None, now: datetime, terms: Terms | None = None
    ) -> str | None:
        """Record a run's model, its stage and the run's end in one transaction; None if the run is not ours now."""
        counts = {"examples": result.examples, "corrections": result.corrections}
        told = {"metrics": result.metrics, "reasons": list(result.reasons)}
        async with self._database.begin() as connection:
            highest = await connection.scalar(select(func.max(models.c.sequence))) or 0
            again = (await connection.execute(select(models).where(models.c.run_id == claim.run_id))).first()
            sequence = again.sequence if again else highest + 1
            version = version_of(sequence, result.artifact)
            ended = {
                **OVER,
                **counts,
                **told,
                "state": RunState.FINISHED.value,
                "finished_at": now,
                "error": None,
                "held_out": result.held_out,
                "champion_metrics": result.champion_metrics,
                "model_version": version,
            }
            if (await connection.execute(update(runs).where(*_held(claim)).values(ended))).rowcount != 1:
                return None
            present = await in_force(connection, lock=True)
            layer = layer_of(claim.kind, first=present is None)
            replayed = layer is Layer.REPLAY and champion is not None
            row = {
                **counts,
                "metrics": result.metrics,
                "version": version,
                "sequence": sequence,
                "run_id": claim.run_id,
                "model": result.model,
                "recipe": claim.recipe,
                "artifact": result.artifact,
                "data_hash": result.data_hash,
                "promoted": False,
                "replaces": None,
                "trained_at": now,
                "layer": layer.value,
                "parent": champion.version if champion and replayed else None,
                "root": champion.root if champion and replayed else version,
                "checks": list(result.checks),
            }
            stage, why = first_stage(
                result.passed,
                layer,
                terms or Terms(),
                judged_against=champion.version if champion else None,
                judged_root=champion.root if champion else None,
                now=present,
            )
            row["reasons"] = reasons = [*result.reasons, *([why] if why else [])]
            if again:
                await connection.execute(update(models).where(models.c.run_id == claim.run_id).values(row))
            else:
                await connection.execute(models.insert(), [row])
            if stage is Stage.CHAMPION:
                expected = present.version if present else None
                if not await promote(connection, row, layer, reasons, now, by=None, expected=expected):
                    stage, reasons = Stage.CANDIDATE, [*reasons, "another model was promoted at the same moment"]
            if stage is not Stage.CHAMPION:
                await tell(connection, row, stage, reasons, now)
            await learn(connection, version, layer, result.taught, result.looked_at, result.effects, now)
            if result.facts:
                await describe_model(connection, version, result.facts, result.left)
            await _end_steps(connection, claim.run_id, f"{version} is {stage.value}", now)
        return version

    async def end(self, connection: AsyncConnection, claim: Claim, now: datetime, **facts: Any) -> bool:
        """Finish a run that makes no model of ours; return False if it is not ours any more."""
        return await end(connection, claim, now, **facts)

    async def fail(self, claim: Claim, error: str, now: datetime) -> None:
        """Record that a run ended without a model."""
        failed = {**OVER, "state": RunState.FAILED.value, "finished_at": now, "error": error}
        async with self._database.begin() as connection:
            if (await connection.execute(update(runs).where(*_held(claim)).values(failed))).rowcount == 1:
                await _fail_steps(connection, claim.run_id, now)

    async def cancel(self, run_id: str, error: str, now: datetime) -> bool:
        """End an active run; whoever works on it notices at its next heartbeat. Return whether it was active."""
        failed = {**OVER, "state": RunState.FAILED.value, "finished_at": now, "error": error}
        active = update(runs).where(runs.c.run_id == run_id, runs.c.slot.is_not(None))
        async with self._database.begin() as connection:
            cancelled = (await connection.execute(active.values(failed))).rowcount == 1
            if cancelled:
                await _fail_steps(connection, run_id, now)
        return cancelled

    async def retry(self, run_id: str, name: str) -> str | None:
        """Queue a run that is over again, from one of its steps; return the id that holds its place if it is taken.

        Raises ValueError if an earlier step has left nothing.
        """
        async with self._database.begin() as connection:
            row = (await connection.execute(select(runs).where(runs.c.run_id == run_id).with_for_update())).one()
            changed = again_from(await _steps(connection, run_id), name)
            slot = slot_of(RunKind(row.kind), row.recipe)
            taken: str | None = await connection.scalar(select(runs.c.run_id).where(runs.c.slot == slot))
            if taken is not None:
                return taken
            queued = {"state": RunState.QUEUED.value, "slot": slot, "attempt": 0, "finished_at": None, "error": None}
            await connection.execute(update(runs).where(runs.c.run_id == run_id).values(queued))
            await _write_steps(connection, run_id, changed)
        return None

    async def run(self, run_id: str) -> Row[Any] | None:
        """Return one run."""
        async with self._database.read() as connection:
            return (await connection.execute(select(runs).where(runs.c.run_id == run_id))).first()

    async def steps(self, run_id: str) -> tuple[Step, ...]:
        """Return the steps of a run in their order."""
        async with self._database.read() as connection:
            return await _steps(connection, run_id)

    async def latest_runs(self, limit: int, kind: RunKind | None = None) -> Sequence[Row[Any]]:
        """Return the newest runs, newest first."""
        question = select(runs).order_by(runs.c.requested_at.desc(), runs.c.run_id).limit(limit)
        async with self._database.read() as connection:
            return (
                await connection.execute(question if kind is None else question.where(runs.c.kind == kind.value))
            ).all()

    async def unfinished_since(self, moment: datetime) -> set[str]:
        """Return the runs whose folders are still wanted: active ones, and those that ended without a model since."""
        wanted = runs.c.slot.is_not(None) | (
            (runs.c.finished_at >= moment) & ((runs.c.state == RunState.FAILED.value) | (runs.c.kind == "refit"))
        )
        async with self._database.read() as connection:
            return set(await connection.scalars(select(runs.c.run_id).where(wanted)))


async def end(connection: AsyncConnection, claim: Claim, now: datetime, **facts: Any) -> bool:
    """Finish a run that makes no model of ours; return False if it is not ours any more."""
    ended = {**OVER, "state": RunState.FINISHED.value, "finished_at": now, "error": None, **facts}
    if (await connection.execute(update(runs).where(*_held(claim)).values(ended))).rowcount != 1:
        return False
    await _end_steps(connection, claim.run_id, None, now)
    return True


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        runs.c.run_id == claim.run_id,
        runs.c.state == RunState.RUNNING.value,
        runs.c.owner == claim.owner,
        runs.c.attempt == claim.attempt,
    )


async def _alive(connection: AsyncConnection, claim: Claim, now: datetime) -> bool:
    answer = await connection.execute(update(runs).where(*_held(claim)).values(heartbeat_at=now))
    return answer.rowcount == 1


async def _judge_against(connection: AsyncConnection, claim: Claim) -> Champion | None:
    present = await in_force(connection)
    if present is None:
        return None
    await connection.execute(update(runs).where(*_held(claim)).values(champion=present.version))
    return Champion(present.version, present.artifact, present.root)


async def _unlearned(connection: AsyncConnection) -> Any:
    """Return the question for standing corrections with a text that the champion's lineage has not looked at."""
    present = await in_force(connection)
    seen = select(lessons.c.correction_id).where(lessons.c.correction_id == corrections.c.correction_id)
    if present is not None and present.layer != Layer.ROLLBACK.value:
        seen = seen.where(lessons.c.version.in_(await lineage(connection)))
    text = func.coalesce(corrections.c.text, posts.c.text)
    question = known().where(*standing(), settled(), text.is_not(None), not_(seen.exists()))
    return question.order_by(corrections.c.corrected_at, corrections.c.correction_id)


async def _steps(connection: AsyncConnection, run_id: str) -> tuple[Step, ...]:
    question = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.position)
    return tuple(
        Step(
            row.position,
            row.name,
            StepStatus(row.status),
            row.started_at,
            row.finished_at,
            tuple(Line(datetime.fromisoformat(each["at"]), each["line"]) for each in row.log),
            row.artifacts,
        )
        for row in await connection.execute(question)
    )


async def _write_steps(connection: AsyncConnection, run_id: str, changed: Iterable[Step]) -> None:
    rows = [
        {
            "run_id": run_id,
            "position": step.position,
            "name": step.name,
            "status": step.status.value,
            "started_at": step.started_at,
            "finished_at": step.finished_at,
            "log": [{"at": each.at.isoformat(), "line": each.line} for each in step.log],
            "artifacts": dict(step.artifacts),
        }
        for step in changed
    ]
    await upsert(connection, steps, rows)


async def _fail_steps(connection: AsyncConnection, run_id: str, now: datetime) -> None:
    await _write_steps(connection, run_id, stopped(await _steps(connection, run_id), now))


async def _end_steps(connection: AsyncConnection, run_id: str, line: str | None, now: datetime) -> None:
    """Write down that the last step, the one that is done here, is done."""
    mine = await _steps(connection, run_id)
    if mine and mine[-1].name == PROMOTION:
        begun = heard(mine, Progress(PROMOTION, StepStatus.RUNNING), now)
        await _write_steps(connection, run_id, heard(begun, Progress(PROMOTION, StepStatus.DONE, line), now)[:1])
