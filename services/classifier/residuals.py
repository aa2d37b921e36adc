"""Keeps the residual of every community with enough corrections, for the model in force."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from prometheus_client import Gauge

from services.classifier.live_model import LiveModel, Loaded
from services.classifier.near import Seen
from services.classifier.residual import Residual, fitted
from services.classifier.settings import ClassifierSettings
from shared.clock import monotonic

KEPT = Gauge("ombud_classifier_residuals", "Platforms whose corrections move scores there, in this process.")

EVERY_S, SHARE = 2.0, 10
"""How long residuals rest while corrections come in: until a replay is there, and ten times as long as it took."""

Lessons = tuple[Sequence[Seen], Sequence[Mapping[str, int]]]
"""Corrected texts of one community, oldest first, and what stands on each."""


class Residuals:
    """Residuals by community, all of one model."""

    def __init__(self, live: LiveModel, settings: ClassifierSettings) -> None:
        self._live = live
        self._settings = settings
        self._version: str | None = None
        self._learned: dict[str, Residual] = {}
        self._stale: set[str] = set()
        self._rests_until = float("-inf")

    def changed(self, communities: Collection[str]) -> None:
        """Say that these communities have other corrections now."""
        self._stale.update(communities)

    async def follow(self, communities: Collection[str], lessons: Callable[[str], Lessons]) -> None:
        """Learn again what is old: of communities with other corrections, or of all for another model."""
        loaded = self._live.loaded
        if loaded is None or not self._settings.residual:
            return
        if loaded.version != self._version:
            self._stale.update(communities)
        elif not self._stale or monotonic() < self._rests_until:
            return
        begun, stale, self._stale = monotonic(), self._stale, set()
        told = {community: lessons(community) for community in sorted(stale)}
        made = await asyncio.to_thread(self._made, told, loaded)
        kept = {} if loaded.version != self._version else self._learned
        both = {**{name: each for name, each in kept.items() if name not in stale}, **made}
        self._learned, self._version = both, loaded.version
        self._rests_until = monotonic() + max(EVERY_S, SHARE * (monotonic() - begun))
        KEPT.set(len(both))

    def _made(self, told: Mapping[str, Lessons], loaded: Loaded) -> dict[str, Residual]:
        found = {
            community: fitted(texts, labels, loaded.model, self._settings.residual_fewest)
            for community, (texts, labels) in told.items()
            if texts
        }
        return {community: each for community, each in found.items() if each is not None}

    def asked(self, communities: Sequence[str | None], versions: Sequence[str | None]) -> dict[str, list[int]]:
        """Return community -> positions of what its residual is about: scores of the version it was learned for."""
        found: dict[str, list[int]] = {}
        if self._learned:
            for at, (community, version) in enumerate(zip(communities, versions, strict=True)):
                if community in self._learned and version == self._version:
                    found.setdefault(community, []).append(at)
        return found

    def shifts(self, texts: Sequence[str], asked: Mapping[str, Sequence[int]]) -> dict[int, dict[str, float]]:
        """Return position -> what is added to the calibrated logits of a text; takes as long as scoring it."""
        found: dict[int, dict[str, float]] = {}
        for community, places in asked.items():
            residual = self._learned.get(community)
            if residual is not None:
                vectors = self._live.get().model.vectors([texts[at] for at in places])
                found |= dict(zip(places, residual.shifts(vectors), strict=True))
        return found
