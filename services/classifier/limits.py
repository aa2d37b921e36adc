"""From where on a category flags, as this process knows it: the model's word, the operator's, and what people chose.

Invariant: every score of this process is read against what `in_force` says; what another process chose is followed.
"""

from collections.abc import Mapping

from services.classifier.scoring import in_force
from services.classifier.settings import ClassifierSettings
from services.classifier.threshold_store import ThresholdStore


class Limits:
    """Thresholds of the local model's scores. What people chose comes before all settings."""

    def __init__(self, store: ThresholdStore, settings: ClassifierSettings) -> None:
        self._store = store
        self._settings = settings
        self.chosen: Mapping[str, float] = {}
        self.version = 0

    async def follow(self) -> None:
        """Read what was chosen last, whichever process heard of it."""
        row = await self._store.newest()
        self.chosen, self.version = (row.thresholds, row.version) if row else ({}, 0)

    def in_force(self, model: Mapping[str, float]) -> dict[str, float]:
        """Return the thresholds that count for a model with these of its own."""
        return in_force(model, self._settings.flag_threshold, {**self._settings.thresholds, **self.chosen})

    def before(self, model: Mapping[str, float]) -> dict[str, float]:
        """Return those that would count if nobody had chosen any."""
        return in_force(model, self._settings.flag_threshold, self._settings.thresholds)
