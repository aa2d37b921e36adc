"""The loop that decides what is due, lets workers do it, and records what came of it; and what is said about a model.

Invariant: a model exists for others only after its artifact is durable and its row is committed; a process that
dies at any moment leaves runs that the next one takes up where they stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.trainer.jobs import WORK
from services.trainer.runner import RunFailed, Runner
from services.trainer.runs import ActiveRun, Claim, Due, RunKind, RunState, due, is_lost
from services.trainer.schedule import last_moment, parse
from services.trainer.settings import TrainerSettings
from services.trainer.steps import Progress
from services.trainer.store import Store
from shared.clock import monotonic, utcnow
from shared.db import Stored
from shared.errors import Unavailable, describe
from shared.events import Event, ModelPromoted, ModelTrained, said

log = structlog.get_logger("ombud.trainer")

RUNS = Counter("ombud_trainer_runs", "Runs this process ended, by outcome.", ["outcome"])
RUN_SECONDS = Histogram("ombud_trainer_run_seconds", "Time of one run.", buckets=(1, 2, 5, 10, 30, 60, 300, 600))
WAITING = Gauge("ombud_trainer_waiting_corrections", "Corrections that no run has seen yet.")

HEARTBEAT_S = 2.0
START_PAUSE_S = 60.0
"""Pause before the first model is tried again after a start that failed."""


class Lost(Exception):
    """The run is no longer ours: cancelled, or taken over."""


@dataclass(frozen=True)
class Craft:
    """How the runs of one kind are prepared and what becomes of their results.

    `job` makes what the worker gets; `record` writes down what it gave in one transaction and returns one word for the
    metric. Either raises Lost if the run is not ours any more.
    """

    job: Callable[[Claim], Awaitable[Any]]
    record: Callable[[Claim, Any], Awaitable[str]]


Ask = Callable[[], Awaitable[Sequence[Due]]]
"""What else may make a run due: it is asked at every round."""


class Training:
    """Queues runs when they are due and works on one of each kind at a time.

    It sets `wake` when there is reason for another round, and `decided` when there may be something to announce.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        settings: TrainerSettings,
        owner: str,
        crafts: Mapping[RunKind, Craft],
        asks: Sequence[Ask] = (),
        wake: asyncio.Event | None = None,
        decided: asyncio.Event | None = None,
    ) -> None:
        self._store = store
        self._runner = runner
        self._settings = settings
        self._owner = owner
        self._crafts = crafts
        self._asks = asks
        self._schedule = parse(settings.schedule)
        self._start_queued_at = float("-inf")
        self._tasks: dict[RunKind, asyncio.Task[None]] = {}
        self._wake, self._decided = wake or asyncio.Event(), decided or asyncio.Event()

    async def __call__(self) -> None:
        """Go round once: recover what was lost, queue what is due, start what is queued."""
        outlook = await self._store.outlook()
        WAITING.set(outlook.waiting)
        if any(is_lost(run, utcnow()) for run in outlook.active):
            await self._store.recover_lost(utcnow())
            return
        rests = monotonic() - self._start_queued_at < START_PAUSE_S
        trigger = due(
            outlook,
            corrections_per_run=self._settings.corrections_per_run,
            start_rests=rests,
            scheduled_at=last_moment(self._schedule, utcnow()),
        )
        wanted = [] if trigger is None else [Due(RunKind.REFIT, trigger)]
        for ask in self._asks:
            wanted += await ask()
        for each in wanted:
            await self._queue(each)
        for run in (await self._store.outlook()).active if wanted else outlook.active:
            await self._begin(run)

    async def stop(self) -> None:
        """End the workers, if any are at it; their runs go back into the queue."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._runner.stop()

    async def _queue(self, due: Due) -> None:
        recipe = self._settings.recipe
        run_id, mine = await self._store.queue_run(due.trigger, recipe, utcnow(), kind=due.kind, options=due.options)
        if due.kind is RunKind.REFIT:
            self._start_queued_at = monotonic()
        if mine:
            log.info("run queued", run_id=run_id, kind=due.kind.value, trigger=due.trigger.value)

    async def _begin(self, run: ActiveRun) -> None:
        if run.state is not RunState.QUEUED or run.kind not in self._crafts or self._busy(run.kind):
            return
        claim = await self._store.claim(run.run_id, self._owner, utcnow())
        if claim is not None:
            self._tasks[run.kind] = asyncio.create_task(self._work(claim), name=f"run {claim.run_id}")

    def _busy(self, kind: RunKind) -> bool:
        task = self._tasks.get(kind)
        return (task is not None and not task.done()) or self._runner.busy(kind)

    async def _work(self, claim: Claim) -> None:
        started = monotonic()
        outcome = "lost"
        craft = self._crafts[claim.kind]
        try:
            job = await craft.job(claim)
            extra_s = 60.0 * float(claim.options.get("minutes", 0))
            work = self._runner.run(claim.kind, job, self._hears(claim), extra_s=extra_s)
            result = await self._alive(claim, work)
            outcome = await craft.record(claim, result)
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
            self._decided.set()
            asyncio.get_running_loop().call_soon(self._wake.set)  # then this task is done, and another may begin

    def _hears(self, claim: Claim) -> Callable[[Progress], Awaitable[None]]:
        """Return what writes down how far a run is; a kind without steps has nothing to write."""

        async def heard(said: Progress) -> None:
            if said.step in WORK[claim.kind].steps and not await self._store.progress(claim, said, utcnow()):
                raise Lost

        return heard

    async def _alive(self, claim: Claim, work: Coroutine[Any, Any, Any]) -> Any:
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
        log.warning("run failed", run_id=claim.run_id, kind=claim.kind.value, reason=reason)
        with suppress(Unavailable):
            await self._store.fail(claim, reason, utcnow())


def events_of(row: Stored) -> list[Event[Any]]:
    """Return what is said about a step of a model's life: that it was trained, that it scores from now on."""
    events: list[Event[Any]] = []
    if row.trained is not None:
        events.append(_said(ModelTrained.model_validate(row.trained), row))
    if row.promoted is not None:
        events.append(_said(ModelPromoted.model_validate(row.promoted), row))
    return events


def _said(data: ModelTrained | ModelPromoted, row: Stored) -> Event[Any]:
    event = said(data, by="trainer", cause=row.cause, correlation_id=data.run_id)
    return event.model_copy(update={"time": row.at})  # when it came about, however often and late it is said
