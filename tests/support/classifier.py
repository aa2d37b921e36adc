"""The classifier's handlers on a database of the test's own, with a real artifact and no broker."""

import re
from pathlib import Path
from typing import Any

from services.classifier.answering import Answering
from services.classifier.correcting import Correcting
from services.classifier.export_store import ExportStore
from services.classifier.exporting import Exporting
from services.classifier.felt import Felt
from services.classifier.handlers import Handlers
from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel
from services.classifier.override_store import OverrideStore
from services.classifier.settings import ClassifierSettings
from services.classifier.shadow_store import ShadowStore
from services.classifier.speaking import Speaking
from services.classifier.store import Store as ClassifierStore
from services.classifier.threshold_store import ThresholdStore
from shared.artifacts import ArtifactStore
from shared.bus.commit import Done, Outcome
from shared.db import Database
from shared.events import Event, PostIngested, PostScored
from shared.model import dump
from tests.support.databases import contents
from tests.support.small_model import small_model

VERSION = "m-0001-aaaaaaaa"


class Classifier:
    """The classifier's handlers on one database, with a real artifact."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.database = database
        self.store = ClassifierStore(database)
        self.artifacts = ArtifactStore(folder)
        self.artifact = self.artifacts.put(dump(small_model(data_hash="d")))
        self.settings = ClassifierSettings(**settings)
        self.live = LiveModel(self.artifacts)
        overrides = OverrideStore(database)
        self.felt = Felt(overrides, self.live, self.settings)
        self.limits = Limits(ThresholdStore(database), self.settings)
        self.speaking = Speaking(self.store, self.live, self.felt, self.settings, self.limits)
        correcting = Correcting(self.store, overrides, self.speaking)
        self.answering = Answering(self.live, self.felt, self.settings, self.limits)
        self.exporting = Exporting(ExportStore(database), overrides, self.store, self.speaking, self.live)
        self.shadows = ShadowStore(database)
        self.handlers = Handlers(
            self.store, self.live, self.speaking, self.felt, correcting, self.shadows, self.settings
        )

    async def hear(self, *events: Event[Any]) -> list[Outcome]:
        """Handle events of one stream."""
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(events[0].data).__name__).lower()
        handle = getattr(self.handlers, f"on_{kind}")
        return list(await handle(list(events)))

    async def says(self, *events: Event[PostIngested]) -> list[PostScored | None]:
        """Handle posts and return what is said about each."""
        outcomes = await self.hear(*events)
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        return [next((event.data for event in outcome.says), None) for outcome in outcomes]  # type: ignore[union-attr]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        return (await contents(self.database))[table]
