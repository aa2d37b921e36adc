"""The loop that keeps MLflow's registry in step with our tables: models, facts, aliases.

Invariant: nothing waits for MLflow. While it is away, or not installed, our tables say the same; what it missed is
logged when it is back.
"""

import asyncio
import sys
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Gauge

from services.trainer.lifecycle import Stage
from services.trainer.registry import SYNC, SYNCED, Entry, Sync, Synced
from services.trainer.runner import environment
from services.trainer.runs import flat
from services.trainer.store import Store
from services.trainer.store.registry import Wanted
from shared.clock import monotonic, utcnow

log = structlog.get_logger("ombud.trainer")

WAITING = Gauge("ombud_trainer_registry_waiting", "Models and aliases that MLflow does not know yet.")

SETTLED = timedelta(seconds=60)
"""How long a replay has to be in force before it is worth a version."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 600.0
"""Pauses while MLflow is away: each is twice the one before."""
TIMEOUT_S = 300.0
SQLITE, OFF = "sqlite", "off"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What a worker knows of MLflow: that it calls nobody, and that it does not wait long, because we come again."""


class Registering:
    """Goes round and tells MLflow what it does not know yet."""

    def __init__(self, store: Store, place: str, data: Path, artifacts: Path) -> None:
        self._store = store
        self._place = place
        self._data = data.resolve()
        self._artifacts = artifacts.resolve()
        self._pause_s, self._not_before = 0.0, 0.0
        self._said = False

    async def __call__(self) -> None:
        """Look once what is missing, and log it."""
        if monotonic() < self._not_before:
            return
        wanted = await self._store.wanted(utcnow() - SETTLED)
        if self._place == OFF or not self._installed():
            return
        WAITING.set(len(wanted.models) + len(wanted.aliases))
        if not wanted.models and not wanted.aliases:
            return
        synced = await self._ask(self._job(wanted))
        await self._store.logged(synced.logged, synced.aliases, utcnow())
        if synced.error is None:
            self._pause_s, self._not_before = 0.0, 0.0
            log.info("models registered", versions=sorted(synced.logged), aliases=synced.aliases)
            return
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._not_before = monotonic() + self._pause_s
        log.warning("MLflow does not answer", reason=synced.error, again_in_s=self._pause_s)

    def _installed(self) -> bool:
        if all(find_spec(part) for part in ("mlflow", "skops")):
            return True
        if self._place != SQLITE and not self._said:
            log.warning("MLflow is set and not installed", need="pip install 'ombud[mlflow]'")
            self._said = True
        return False

    def _job(self, wanted: Wanted) -> Sync:
        folder = self._data / "mlflow" if self._place == SQLITE else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        return Sync(
            uri=self._place if folder is None else f"sqlite:///{folder / 'mlflow.db'}",
            folder=None if folder is None else str(folder),
            artifacts=str(self._artifacts),
            models=tuple(entry_of(row) for row in wanted.models),
            aliases=wanted.aliases,
            numbers=wanted.numbers,
        )

    async def _ask(self, job: Sync) -> Synced:
        """Return what a worker did; it is ended when we are, and when it takes too long."""
        command = (sys.executable, "-W", "ignore", "-m", "services.trainer.registry")
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        worker = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment() | QUIET
        )
        if worker.stdin is None or worker.stdout is None:
            return Synced(error="the worker has no pipes")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                with suppress(ConnectionError):  # it died at once; its exit code says more
                    worker.stdin.write(SYNC.dump_json(job) + b"\n")
                    await worker.stdin.drain()
                said = await worker.stdout.read()
                await worker.wait()
            return SYNCED.validate_json(said) if said else Synced(error=f"the worker ended with {worker.returncode}")
        except TimeoutError:
            return Synced(error=f"no answer within {TIMEOUT_S:g} s")
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()


def entry_of(row: Any) -> Entry:
    """Return what is logged of a model: a row of its table beside its facts and what its run was started by."""
    facts = dict(row.facts or {})
    facts["metrics"] = {**flat(row.metrics), **facts.get("metrics", {})}
    facts["params"] = {"recipe": row.recipe, **facts.get("params", {})}
    tags = {
        "run_id": row.run_id,
        "trigger": row.trigger or "",
        "layer": row.layer,
        "parent": row.parent or "",
        "artifact": row.artifact,
        "data_hash": row.data_hash,
        "examples": str(row.examples),
        "corrections": str(row.corrections),
        "gate": "refused" if row.stage == Stage.REFUSED.value else "passed",
        "gate_reasons": "; ".join(row.reasons),
        **{name: str(value) for name, value in facts.get("made", {}).items() if isinstance(value, str)},
    }
    return Entry(
        version=row.version,
        recipe=row.recipe,
        artifact=row.artifact,
        trained_ms=int(row.trained_at.timestamp() * 1000),
        facts=facts,
        tags=tags,
        card=row.card,
        plots=dict(row.plots or {}),
    )
