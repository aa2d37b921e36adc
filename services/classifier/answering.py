"""What the doors ask of the live model: scores with the thresholds they count by, and what carried them.

Invariant: every door judges a text alike, and none of them stores it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.classifier.felt import Felt
from services.classifier.gathering import Gathering
from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel, Loaded
from services.classifier.residual import spoken
from services.classifier.scoring import Score, scores_of
from services.classifier.settings import ClassifierSettings
from shared.events import Provenance
from shared.model import Explanation
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES

AT_ONCE = 2_000
"""Characters of a text that is explained before the event loop gets its turn: about 4 ms; a longer one has a thread."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Scores of some texts, by one model."""

    scores: Sequence[Score]
    loaded: Loaded
    thresholds: Mapping[str, float]
    corrected: Sequence[Mapping[str, Provenance]] = ()
    residuals: Sequence[Mapping[str, float]] = ()

    @property
    def version(self) -> str:
        """Return the version of the model."""
        return self.loaded.version

    @property
    def data_hash(self) -> str | None:
        """Return the hash of what the model learned from."""
        found: str | None = self.loaded.model.facts.get("data_hash")
        return found

    async def explain(self, text: str, categories: Iterable[str]) -> dict[str, Explanation]:
        """Return category -> what carried its score, for those the model knows; other work gets its turn between."""
        found = {}
        for category in dict.fromkeys(categories):
            if len(text) > AT_ONCE:
                carried = await asyncio.to_thread(self.loaded.explain, text, category)
            else:
                carried = self.loaded.explain(text, category)
                await asyncio.sleep(0)
            if carried is not None:
                found[category] = carried
        return found


class Answering:
    """Scores texts that somebody waits for."""

    def __init__(self, live: LiveModel, felt: Felt, settings: ClassifierSettings, limits: Limits) -> None:
        self._live = live
        self._felt = felt
        self._limits = limits
        self._gathering = Gathering(live, settings)
        self._counted: tuple[Loaded | None, int, dict[str, float]] = (None, 0, {})

    def loaded(self) -> Loaded:
        """Return the model in force. Raises Unavailable until the first one was promoted."""
        return self._live.get()

    def thresholds(self, loaded: Loaded) -> dict[str, float]:
        """Return the threshold in force of every category the model knows."""
        found = self._in_force(loaded)
        return {category: threshold_of(category, found) for category in loaded.model.categories}

    def _in_force(self, loaded: Loaded) -> dict[str, float]:
        if self._counted[0] is not loaded or self._counted[1] != self._limits.version:
            found = self._limits.in_force(loaded.model.thresholds)
            self._counted = loaded, self._limits.version, found
        return self._counted[2]

    async def one(self, text: str) -> Answer:
        """Return the score of a text; it may share a call with others that came at the same time."""
        loaded, found = await self._gathering.one(text)
        return self._answer(loaded, found, [text])

    async def many(self, texts: Sequence[str], communities: Sequence[str | None] | None = None) -> Answer:
        """Return the scores of texts, in their order; in their community corrections of nearly the same text count."""
        loaded, found = await self._gathering.many(texts)
        return self._answer(loaded, found, texts, communities)

    def _answer(
        self, loaded: Loaded, found: Any, texts: Sequence[str], communities: Sequence[str | None] | None = None
    ) -> Answer:
        thresholds = self._in_force(loaded)
        words = self._felt.words_on(texts, communities)
        shifts = self._felt.shifts_on(texts, communities, loaded.version)
        said = [
            spoken(score, shifts.get(at, {}), mine, thresholds)
            for at, (score, mine) in enumerate(zip(scores_of(found, thresholds), words, strict=True))
        ]
        judged = set(loaded.model.categories).union(*(each.provenance for each in said))
        limits = {category: threshold_of(category, thresholds) for category in CATEGORIES if category in judged}
        provenance, residuals = [each.provenance for each in said], [each.residual for each in said]
        return Answer([each.score for each in said], loaded, limits, provenance, residuals)
