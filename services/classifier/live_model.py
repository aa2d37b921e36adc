"""The model that scores right now. Swapping is one assignment: a batch under way ends with the model it began with."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Gauge

from shared.artifacts import ArtifactStore
from shared.errors import Unavailable
from shared.model import Model, load

log = structlog.get_logger("ombud.classifier")

SLICE, SLICE_CHARACTERS = 250, 50_000
"""Texts, or characters of them, scored before the event loop gets its turn: about 40 ms. One long text stays whole."""

LIVE = Gauge("ombud_classifier_live_model_info", "1 for the model version that scores in this process.", ["version"])


class Explanation(Protocol):
    """What carried a score: words as (begin, end, weight) in code points, and n-grams as (token, weight)."""

    @property
    def words(self) -> tuple[tuple[int, int, float], ...]:
        """Return the words of the text."""

    @property
    def ngrams(self) -> tuple[tuple[str, float], ...]:
        """Return the heaviest n-grams."""


@runtime_checkable
class Explains(Protocol):
    """A model that can say what carried a score."""

    def explain(self, text: str, category: str) -> Explanation:
        """Return what carried the score of a category."""


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
        """Return probabilities (texts, 12); other work gets its turn after each slice."""
        parts = [await self._call(some) for some in slices(texts)]
        return np.concatenate(parts) if parts else self.model.score(texts)

    async def _call(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Call the model: the one place that decides where this runs.

        A thread would not help: scikit-learn's text features hold the interpreter lock, and every switch back
        from such a thread can take 5 ms.
        """
        scores = self.model.score(texts)
        await asyncio.sleep(0)
        return scores

    def explain(self, text: str, category: str) -> Explanation | None:
        """Return what carried the score of a category; None where the model cannot tell or does not know it."""
        model: object = self.model
        if not isinstance(model, Explains) or category not in self.model.categories:
            return None
        return model.explain(text, category)


class LiveModel:
    """Holds the loaded model of this process."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._loaded: Loaded | None = None

    def get(self) -> Loaded:
        """Return the model in force. Raises Unavailable until the first one was promoted."""
        if self._loaded is None:
            raise Unavailable("no model was promoted yet")
        return self._loaded

    @property
    def version(self) -> str | None:
        """Return the version in force, if any."""
        return self._loaded.version if self._loaded else None

    async def check(self, artifact: str) -> None:
        """Load an artifact without using it.

        Raises FileNotFoundError if it is not here yet and BadArtifact if it is not a model of ours.
        """
        await asyncio.to_thread(lambda: load(self._artifacts.get(artifact)))

    async def swap(self, name: str, version: str, artifact: str) -> None:
        """Load an artifact and put it in force.

        Raises FileNotFoundError if it is not here yet and BadArtifact if it is not a model of ours.
        """
        if version == self.version:
            return
        model = await asyncio.to_thread(lambda: load(self._artifacts.get(artifact)))
        before, self._loaded = self.version, Loaded(name, version, artifact, model)
        if before:
            LIVE.remove(before)
        LIVE.labels(version).set(1)
        log.info("model swapped", version=version, before=before)
