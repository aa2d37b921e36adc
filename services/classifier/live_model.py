"""The model that scores right now. Swapping is one assignment: a batch under way ends with the model it began with."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Gauge

from shared.artifacts import ArtifactStore, BadArtifact
from shared.errors import Unavailable
from shared.model import Explanation, Model, load

log = structlog.get_logger("ombud.classifier")

SLICE, SLICE_CHARACTERS = 250, 50_000
"""Texts, or characters of them, the reference path scores before the event loop gets its turn: about 40 ms."""
FEW, FEW_CHARACTERS = 32, 20_000
"""Texts, or characters of them, that are scored sooner than a thread would have begun: about 1 ms."""

LIVE = Gauge("ombud_classifier_live_model_info", "1 for the model version that scores in this process.", ["version"])


def slices(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the texts in order, in parts that are scored in one go."""
    start, characters = 0, 0
    for at, text in enumerate(texts):
        if at - start == SLICE or (at > start and characters + len(text) > SLICE_CHARACTERS):
            yield texts[start:at]
            start, characters = at, 0
        characters += len(text)
    if texts:
        yield texts[start:]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory with the names it goes by."""

    name: str
    version: str
    artifact: str
    model: Model

    async def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities (texts, 12) while other work goes on.

        The fast path gives up the interpreter lock, so many texts are a thread's work. The reference holds it, and
        every switch back from such a thread can take 5 ms: there other work gets its turn after each slice.
        """
        if self.model.path.name == "fast":
            few = len(texts) <= FEW and sum(map(len, texts)) <= FEW_CHARACTERS
            return self.model.score(texts) if few else await asyncio.to_thread(self.model.score, texts)
        parts = []
        for some in slices(texts):
            parts.append(self.model.score(some))
            await asyncio.sleep(0)
        return np.concatenate(parts) if parts else self.model.score(texts)

    def explain(self, text: str, category: str) -> Explanation | None:
        """Return what carried the score of a category; None if the model does not know it."""
        return self.model.explain(text, category) if category in self.model.categories else None

    def explain_many(self, wanted: Mapping[int, tuple[str, str]]) -> dict[int, Explanation]:
        """Return by name what carried the scores of texts and categories; of those the model does not know, nothing."""
        known = {name: each for name, each in wanted.items() if each[1] in self.model.categories}
        return dict(zip(known, self.model.explain_many(list(known.values())), strict=True)) if known else {}


class LiveModel:
    """Holds the loaded model of this process."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._loaded: Loaded | None = None
        self._checked: tuple[str, Model] | None = None

    def get(self) -> Loaded:
        """Return the model in force. Raises Unavailable until the first one was promoted."""
        if self._loaded is None:
            raise Unavailable("no model was promoted yet")
        return self._loaded

    @property
    def loaded(self) -> Loaded | None:
        """Return the model in force, if any."""
        return self._loaded

    @property
    def version(self) -> str | None:
        """Return the version in force, if any."""
        return self._loaded.version if self._loaded else None

    async def check(self, artifact: str) -> None:
        """Load an artifact without using it; the swap that follows need not load it again.

        Raises FileNotFoundError if it is not here yet and BadArtifact if it is not a model of ours.
        """
        self._checked = artifact, await self._load(artifact)

    async def swap(self, name: str, version: str, artifact: str) -> None:
        """Load an artifact and put it in force.

        Raises FileNotFoundError if it is not here yet and BadArtifact if it is not a model of ours.
        """
        if version == self.version:
            self._checked = None
            return
        checked, self._checked = self._checked, None
        model = checked[1] if checked and checked[0] == artifact else await self._load(artifact)
        await asyncio.to_thread(model.score, [""])  # the first call of a process compiles
        before, self._loaded = self.version, Loaded(name, version, artifact, model)
        if before:
            LIVE.remove(before)
        LIVE.labels(version).set(1)
        log.info("model swapped", version=version, before=before)

    async def earlier(self, name: str, version: str, artifact: str) -> Loaded | None:
        """Return a model that was in force once, to explain its scores; None if its artifact is gone."""
        try:
            return Loaded(name, version, artifact, await self._load(artifact))
        except (FileNotFoundError, BadArtifact):
            return None

    async def _load(self, artifact: str) -> Model:
        return await asyncio.to_thread(lambda: load(self._artifacts.get(artifact)))
