"""Scores stored posts with the shadow model and the model in force, and keeps what differs; beside the live stream.

Invariant: whatever happens to a shadow, the model in force scores as if there were none.
"""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import Counter

from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel, Loaded
from services.classifier.settings import ClassifierSettings
from services.classifier.shadow import ANY, compared
from services.classifier.shadow_store import ShadowStore
from shared.artifacts import ArtifactStore, BadArtifact
from shared.clock import utcnow
from shared.db import Stored
from shared.model import load

log = structlog.get_logger("ombud.classifier")

COMPARED = Counter(
    "ombud_classifier_shadow_posts",
    "Posts that a shadow model scored beside the one in force, by what became of the decision.",
    ["outcome"],
)

SETTLED = timedelta(seconds=5)
"""A post is looked at this long after it came: by then every write that began before it has ended."""
PAGE = 200
PAGES = 20
"""Pages of one step: a loop that never came back would look dead."""


class Shadowing:
    """Follows the shadow model and works through the posts it has not seen."""

    def __init__(
        self,
        store: ShadowStore,
        live: LiveModel,
        artifacts: ArtifactStore,
        settings: ClassifierSettings,
        limits: Limits,
    ) -> None:
        self._store = store
        self._live = live
        self._artifacts = artifacts
        self._settings = settings
        self._limits_in_force = limits
        self._loaded: Loaded | None = None

    async def step(self) -> None:
        """Compare some pages of posts, if a model is in the shadow."""
        row = await self._store.active()
        if row is None or self._live.loaded is None:
            self._loaded = None
            return
        if self._loaded is None or self._loaded.version != row.model_version:
            self._loaded = await self._load(row)
        for _ in range(PAGES):
            if self._loaded is None or row is None or row.model_version != self._loaded.version:
                return
            if not await self._compare(row, self._live.get(), self._loaded):
                return
            row = await self._store.active()

    async def _load(self, row: Stored) -> Loaded | None:
        try:
            model = await asyncio.to_thread(lambda: load(self._artifacts.get(row.artifact)))
        except FileNotFoundError:
            log.warning("the shadow model's artifact is not here yet", version=row.model_version)
            return None
        except BadArtifact as error:
            log.error("the shadow model cannot be loaded", version=row.model_version, reason=str(error))
            await self._store.end(row.model_version, "its artifact is no model of ours", utcnow())
            return None
        log.info("model in the shadow", version=row.model_version)
        return Loaded(row.model, row.model_version, row.artifact, model)

    async def _compare(self, row: Stored, champion: Loaded, shadow: Loaded) -> bool:
        """Compare one page; return whether there may be more."""
        page = await self._store.page(row, utcnow() - SETTLED, PAGE)
        if not page:
            return False
        texts = {each.post_id: each.text for each in page if each.text is not None}
        ours, theirs = await champion.score(list(texts.values())), await shadow.score(list(texts.values()))
        found = compared(ours, theirs, self._limits(champion), self._limits(shadow))
        day = utcnow().date().isoformat()
        keep = self._settings.shadow_posts
        if await self._store.count(row, page, found, list(texts), champion.version, day, keep):
            whole = found.counts[ANY]
            COMPARED.labels("gained").inc(whole.gained)
            COMPARED.labels("lost").inc(whole.lost)
            COMPARED.labels("same").inc(whole.posts - whole.gained - whole.lost)
        return len(page) == PAGE

    def _limits(self, loaded: Loaded) -> dict[str, float]:
        return self._limits_in_force.in_force(loaded.model.thresholds)
