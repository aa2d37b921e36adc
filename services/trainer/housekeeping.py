"""What is looked after between runs: shadows whose time is over, artifacts and lessons nobody needs, old folders.

Invariant: the champion, every model that may still be promoted or rolled back to, and what a classifier may be about to
load keep their artifacts; a run that may be retried keeps what its steps left.
"""

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from services.trainer.lifecycle import Layer, Stage, same_lineage, shadow_is_over
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from shared.artifacts import ArtifactStore
from shared.clock import utcnow

log = structlog.get_logger("ombud.trainer")

RUNS_KEPT = timedelta(days=30)
"""How long what a refit made, or was judged against, stays."""
FOLDERS_KEPT = timedelta(days=7)
"""How long a refit may be retried from one of its steps."""
STILL_LOADING = timedelta(hours=1)
"""How far a classifier may be behind and still find the artifact of the promotion it reads."""


class Promoting:
    """Promotes a shadow when it has scored beside the champion for long enough."""

    def __init__(self, store: Store, settings: TrainerSettings) -> None:
        self._store = store
        self._terms = settings.terms()

    async def __call__(self) -> None:
        """Promote the newest shadow that is due; one that was judged against another champion waits for a person."""
        now, champion = utcnow(), await self._store.champion()
        for shadow in await self._store.shadows():
            if champion is None:
                return
            if not same_lineage(shadow.champion, shadow.root, champion):
                why = f"the champion is {champion.version} by now, and nothing compared the two: promote by hand"
                await self._store.put_away(shadow.version, Stage.CANDIDATE, why, now, by=None)
                continue
            if not shadow_is_over(shadow.since, self._terms, now):
                continue
            reasons = [f"scored beside the champion since {shadow.since:%Y-%m-%d %H:%M} and nobody refused it"]
            await self._store.put_in_force(
                shadow.version, Layer.REFIT, reasons, now, by=None, expected=champion.version
            )
            return


class Cleaning:
    """Removes artifacts and run folders that nothing names any more."""

    def __init__(self, store: Store, settings: TrainerSettings, artifacts: ArtifactStore, folders: Path) -> None:
        self._store = store
        self._newest = settings.keep_models
        self._artifacts = artifacts
        self._folders = folders

    async def __call__(self) -> int:
        """Remove what is not needed; return how many artifacts went."""
        now = utcnow()
        every, stay = await self.needed(now)
        old = await self._store.forget_topics(self._newest)
        await self._store.forget_drift(now - RUNS_KEPT)
        gone = await asyncio.to_thread(self._remove, (every - stay) | old)
        kept = await self._store.unfinished_since(now - FOLDERS_KEPT)
        await asyncio.to_thread(self._empty, kept)
        await self._store.forget_lessons(now - RUNS_KEPT)
        if gone:
            log.info("artifacts removed", artifacts=gone)
        return gone

    async def needed(self, now: datetime) -> tuple[set[str], set[str]]:
        """Return the digests of all models, and those that have to stay."""
        return await self._store.artifacts_in_use(self._newest, now - RUNS_KEPT, now - STILL_LOADING)

    def _remove(self, names: set[str]) -> int:
        paths = [path for path in map(self._artifacts.path, sorted(names)) if path.exists()]
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _empty(self, kept: set[str]) -> None:
        if self._folders.is_dir():
            for folder in self._folders.iterdir():
                if folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)
