"""The loop that decides when to train, trains, and records what came of it; and what is said about a model.

Invariant: a model exists for others only after its artifact is durable and its row is committed; a process that
dies at any moment leaves a run that the next one takes over.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.trainer.runner import RunFailed, Runner
from services.trainer.runs import Champion, Claim, Job, Result, RunState, due, flat, is_lost
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from shared.clock import monotonic, utcnow
from shared.db import Stored
from shared.errors import Unavailable, describe
from shared.events import Event, ModelPromoted, ModelTrained, said

log = structlog.get_logger("ombud.trainer")

RUNS = Counter("ombud_trainer_runs", "Runs this process ended, by outcome.", ["outcome"])
RUN_SECONDS = Histogram("ombud_trainer_run_seconds", "Time of one run.", buckets=(1, 2, 5, 10, 30, 60, 300, 600))
WAITING = Gauge("ombud_trainer_waiting_corrections", "Corrections that no run has seen yet.")
MACRO_AUC = Gauge("ombud_trainer_macro_auc", "Macro AUC of the newest model on held-out rows.")

HEARTBEAT_S = 2.0
START_PAUSE_S = 60.0
"""Pause before the first model is tried again after a start that failed."""


class Lost(Exception):
    """The run is no longer ours: cancelled, or taken over."""


class Training:
    """Queues runs when they are due and works on one at a time."""

    def __init__(self, store: Store, runner: Runner, settings: TrainerSettings, artifacts: Path, owner: str) -> None:
        self._store = store
        self._runner = runner
        self._settings = settings
        self._artifacts = artifacts
        self._owner = owner
        self._start_queued_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Go round once: recover what was lost, queue what is due, start what is queued."""
        outlook = await self._store.outlook()
        WAITING.set(outlook.waiting)
        active = outlook.active
        rests = monotonic() - self._start_queued_at < START_PAUSE_S
        trigger = due(outlook, corrections_per_run=self._settings.corrections_per_run, start_rests=rests)
        if active is not None and is_lost(active, utcnow()):
            await self._store.recover_lost(utcnow())
        elif trigger is not None:
            run_id, _ = await self._store.queue_run(trigger, self._settings.recipe, utcnow())
            self._start_queued_at = monotonic()
            log.info("run queued", run_id=run_id, trigger=trigger.value)
        elif active is not None and active.state is RunState.QUEUED and not self._busy():
            claim = await self._store.claim(active.run_id, self._owner, utcnow())
            if claim is not None:
                self._task = asyncio.create_task(self._work(claim), name=f"run {claim.run_id}")

    async def stop(self) -> None:
        """End the worker, if one is at it; its run goes back into the queue."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _busy(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _work(self, claim: Claim) -> None:
        started = monotonic()
        outcome = "lost"
        try:
            outcome = await self._train(claim)
        except RunFailed as error:
            outcome = "failed"
            await self._fail(claim, str(error))
        except Lost:
            log.warning("run is not ours any more", run_id=claim.run_id)
        except asyncio.CancelledError:
            with suppress(Unavailable):  # then its heartbeat stops, and the next process takes it over
                await self._store.give_back(claim)
            raise
        except Unavailable as error:
            log.warning("run is left for a later attempt", run_id=claim.run_id, reason=str(error))
        except Exception as error:
            outcome = "failed"
            await self._fail(claim, describe(error))
        finally:
            RUNS.labels(outcome).inc()
            RUN_SECONDS.observe(monotonic() - started)

    async def _train(self, claim: Claim) -> str:
        champion, material = await self._store.snapshot(claim)
        job = Job(
            recipe=claim.recipe,
            seed=self._settings.seed,
            correction_weight=self._settings.correction_weight,
            gate_tolerance=self._settings.gate_tolerance,
            artifacts=str(self._artifacts.resolve()),
            champion=champion.artifact if champion else None,
            corrections=material,
        )
        result = await self._alive(claim, self._runner.run(job))
        return await self._record(claim, result, champion)

    async def _record(self, claim: Claim, result: Result, champion: Champion | None) -> str:
        version = await self._store.finish(claim, result, champion, utcnow())
        if version is None:
            raise Lost
        auc = result.metrics["macro"]["auc"]
        if auc is not None:
            MACRO_AUC.set(auc)
        log.info(
            "model trained",
            run_id=claim.run_id,
            version=version,
            promoted=result.passed,
            examples=result.examples,
            corrections=result.corrections,
            reasons=list(result.reasons),
        )
        return "promoted" if result.passed else "refused"

    async def _alive(self, claim: Claim, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` gives, with a heartbeat meanwhile. Raises Lost once the run is not ours any more."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=HEARTBEAT_S)
                if not task.done() and not await self._beat(claim):
                    raise Lost
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _beat(self, claim: Claim) -> bool:
        try:
            return await self._store.beat(claim, utcnow())
        except Unavailable:
            return True  # nobody else can take it over either while the database is away

    async def _fail(self, claim: Claim, reason: str) -> None:
        log.warning("run failed", run_id=claim.run_id, reason=reason)
        with suppress(Unavailable):
            await self._store.fail(claim, reason, utcnow())


def events_of(row: Stored) -> list[Event[Any]]:
    """Return what is said about a model: that it was trained, and then, if the gate passed, that it scores now."""
    trained = ModelTrained(
        run_id=row.run_id,
        model=row.model,
        model_version=row.version,
        artifact=row.artifact,
        data_hash=row.data_hash,
        metrics=flat(row.metrics),
        examples=row.examples,
        corrections=row.corrections,
        trained_at=row.trained_at,
    )
    events: list[Event[Any]] = [said(trained, by="trainer", cause=row.run_id, correlation_id=row.run_id)]
    if row.promoted:
        promoted = ModelPromoted(
            run_id=row.run_id,
            model=row.model,
            model_version=row.version,
            artifact=row.artifact,
            replaces=row.replaces,
            reasons=tuple(row.reasons),
            promoted_at=row.promoted_at,
        )
        events.append(said(promoted, by="trainer", cause=row.run_id, correlation_id=row.run_id))
    return events
