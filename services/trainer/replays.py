"""A replay from the service's side: when one is due, what its worker gets, and what becomes of the model.

Invariant: corrections that come together are learned together, and what the guard refused is not tried again on the
same model until twice as many wait: it is left to the next full training.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from prometheus_client import Histogram

from services.trainer.labels import Correction
from services.trainer.replaying import EARLIER
from services.trainer.runner import RunFailed, Runner
from services.trainer.runs import Champion, Claim, Due, ReplayJob, Result, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from services.trainer.training import Craft, Lost
from shared.clock import monotonic, utcnow

log = structlog.get_logger("ombud.trainer")

LEARNED_SECONDS = Histogram(
    "ombud_trainer_replay_seconds",
    "Time from the first correction of a replay to the model that learned it.",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 30, 60),
)

MOST_PAUSES = 10
"""However steadily corrections come, after so many pauses those that wait are learned."""
LOOK_EVERY_S = 30.0
"""How often one looks for corrections this process did not hear: of another process, or waiting again."""
WARM_AFTER_S = 20.0
"""How long after its start a service without corrections lets its worker get ready: what starts comes first."""


class Replays:
    """Hears that corrections came, says when they are due, and prepares and records what learns them."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        settings: TrainerSettings,
        artifacts: Path,
        data_dir: Path,
        wake: asyncio.Event,
    ) -> None:
        self._store = store
        self._runner = runner
        self._settings = settings
        self._artifacts = str(artifacts.resolve())
        self._sources = settings.sources(data_dir)
        self._wake = wake
        self._first: float | None = None
        self._last = self._looked = float("-inf")
        self._began = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._warming: asyncio.Task[None] | None = None
        self._refused: tuple[str, int] | None = None
        self._refit_of: str | None = None
        self._judged: dict[str, tuple[Champion, float]] = {}

    def heard(self) -> None:
        """Note that corrections came; the next round is when the pause is over."""
        self._last = monotonic()
        self._first = self._last if self._first is None else self._first
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._settings.replay_pause_s, self._wake.set)

    async def ask(self) -> Sequence[Due]:
        """Return the runs that corrections make due now: a replay, and a refit where a replay does not do."""
        if not self._settings.replay or self._settings.promotion == "hand":
            return []
        await self._warm()
        now = monotonic()
        if not due(self._first, self._last, self._looked, now, self._settings.replay_pause_s):
            return []
        self._looked = now
        waiting, champion = await self._store.count_waiting(), await self._store.champion()
        if champion is None or not waiting:
            self._first = None
            return []
        wanted, root = [], champion.root or champion.version
        refused = self._refused is not None and is_refused(self._refused, champion.version, waiting)
        if (refused or waiting > self._settings.replay_at_once) and self._refit_of != root:
            self._refit_of = root
            wanted.append(Due(RunKind.REFIT, Trigger.CORRECTIONS))
        if refused:
            self._first = None
        else:
            wanted.append(Due(RunKind.REPLAY, Trigger.CORRECTIONS))
        return wanted

    def craft(self) -> Craft:
        """Return how replays are prepared and recorded."""
        return Craft(self._job, self._record)

    async def stop(self) -> None:
        """Let nothing begin any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def _job(self, claim: Claim) -> ReplayJob:
        began, self._first = self._first or monotonic(), None
        champion, waiting = await self._store.waiting(claim, self._settings.replay_at_once)
        if champion is None or not waiting:
            raise RunFailed("nothing waits any more")
        self._judged = {claim.run_id: (champion, began)}
        return await self._prepared(champion.artifact, champion.root, waiting)

    async def _record(self, claim: Claim, result: Result) -> str:
        champion, began = self._judged.pop(claim.run_id)
        version = await self._store.finish(claim, result, champion, utcnow(), self._settings.terms())
        if version is None:
            raise Lost
        LEARNED_SECONDS.observe(monotonic() - began)
        if not result.passed:
            self._refused = champion.version, len(result.taught) + len(result.looked_at)
        if self._first is None and len(result.taught) + len(result.looked_at) >= self._settings.replay_at_once:
            self.heard()  # there were more
        log.info(
            "corrections learned" if result.passed else "corrections not learned",
            run_id=claim.run_id,
            version=version,
            corrections=result.corrections,
            reasons=list(result.reasons),
        )
        return "promoted" if result.passed else "refused"

    async def _prepared(self, champion: str, root: str | None, waiting: Sequence[Correction] = ()) -> ReplayJob:
        model = await self._store.model(root) if root else None
        return ReplayJob(
            seed=self._settings.seed,
            tolerance=self._settings.gate_tolerance,
            artifacts=self._artifacts,
            sources=self._sources,
            champion=champion,
            root=model.artifact if model else None,
            waiting=tuple(waiting),
            learned=await self._store.learned_since_refit(EARLIER) if waiting else (),
        )

    async def _warm(self) -> None:
        """Let the worker get ready, once: at the first correction, or some time after the start."""
        if self._warming is not None or (self._first is None and monotonic() - self._began < WARM_AFTER_S):
            return
        champion = await self._store.champion()
        if champion is not None:
            job = await self._prepared(champion.artifact, champion.root)
            self._warming = asyncio.create_task(self._get_ready(job), name="warming a worker")

    async def _get_ready(self, job: ReplayJob) -> None:
        try:
            await self._runner.warm(RunKind.REPLAY, job)
        except RunFailed as error:
            log.warning("the worker that stands by did not get ready", reason=str(error))


def is_refused(refused: tuple[str, int], champion: str, waiting: int) -> bool:
    """Return whether what waits on top of this champion was refused, and has not doubled since.

    What a few corrections cost elsewhere, many may make up for.
    """
    version, before = refused
    return champion == version and waiting < 2 * before


def due(first: float | None, last: float, looked: float, now: float, pause_s: float) -> bool:
    """Return whether to look for corrections to learn; moments in seconds.

    `first` is when the first came that no replay has, `last` when the newest came, `looked` when it was last looked.
    """
    if first is None:
        return now - looked >= LOOK_EVERY_S
    return now - last >= pause_s or now - first >= MOST_PAUSES * pause_s
