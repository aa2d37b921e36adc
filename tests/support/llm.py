"""The classifier's LLM path on a database and a broker of the test's own, against a scripted server."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select

from services.classifier.analysis import Analysis
from services.classifier.asking import Asking
from services.classifier.backfill import Backfill
from services.classifier.bulk import Bulk
from services.classifier.correcting import Correcting
from services.classifier.felt import Felt
from services.classifier.handlers import Handlers
from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel
from services.classifier.llm import Analyst
from services.classifier.llm_store import LlmStore
from services.classifier.override_store import OverrideStore
from services.classifier.policy import Mode
from services.classifier.pricing import BATCH_DISCOUNT
from services.classifier.rescoring import Rescoring
from services.classifier.settings import ClassifierSettings
from services.classifier.shadow_store import ShadowStore
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from services.classifier.tables import calls, days, metadata, questions, runs, scores
from services.classifier.telling import Telling
from services.classifier.threshold_store import ThresholdStore
from shared.artifacts import ArtifactStore
from shared.bus.commit import Done
from shared.bus.publisher import Publisher
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, ModelPromoted, PostIngested, PostScored, said
from shared.model import dump
from shared.settings import BusSettings
from tests.support.kit import SCORED, entries
from tests.support.servers import eventually
from tests.support.small_model import small_model

KEY = "sk-key-of-the-tests-4711"
VERSION = "m-0001-aaaaaaaa"


def settings_for(base_url: str, mode: Mode = Mode.LLM, **changed: Any) -> ClassifierSettings:
    """Return settings of a classifier that asks a scripted server, in a hurry."""
    known: dict[str, Any] = {
        "mode": mode,
        "openai_api_key": KEY,
        "openai_base_url": base_url,
        "analyzer_timeout_s": 5.0,
        "analyzer_backoff_base_s": 0.05,
        "analyzer_backoff_limit_s": 0.2,
        "analyzer_breaker_pause_s": 0.2,
        "analyzer_daily_budget": Decimal(100),
        **changed,
    }
    return ClassifierSettings(**known)


class Asker:
    """One process of the classifier, as far as the LLM is concerned."""

    def __init__(self, database: Database, redis: Redis, folder: Path, settings: ClassifierSettings) -> None:
        self.settings = settings
        self.database = database
        self.redis = redis
        self.publisher = Publisher(redis, BusSettings())
        artifacts = ArtifactStore(folder / "artifacts")
        self.artifact = artifacts.put(dump(small_model(data_hash="d")))
        self.live = LiveModel(artifacts)
        self.store, self.llm_store = Store(database), LlmStore(database)
        overrides = OverrideStore(database)
        self.felt = Felt(overrides, self.live, settings)
        speaking = Speaking(self.store, self.live, self.felt, settings, Limits(ThresholdStore(database), settings))
        self.telling = Telling(self.llm_store, self.store, self.live, speaking, self.publisher, redis)
        self.analysis = Analysis(self.llm_store, self.store, self.telling, Analyst(settings), settings)
        asking = Asking(settings, self.analysis, self.llm_store) if settings.asks is not Mode.LOCAL else None
        correcting = Correcting(self.store, overrides, speaking)
        self.handlers = Handlers(
            self.store, self.live, speaking, self.felt, correcting, ShadowStore(database), self.settings, asking
        )
        self.rescoring = Rescoring(self.store, self.live, speaking, self.publisher, settings)
        half = Analyst(settings, prices=settings.prices.times(BATCH_DISCOUNT))
        self.bulk = Bulk(self.llm_store, self.telling, self.analysis, half, settings)
        self.backfill = Backfill(self.llm_store, self.telling, self.analysis, self.bulk, settings)

    async def start(self) -> "Asker":
        """Make the tables, promote a local model, start asking."""
        async with self.database.begin() as at:
            await at.run_sync(metadata.create_all)
        data = ModelPromoted(
            run_id="r", model="ombud-scorer", model_version=VERSION, artifact=self.artifact, promoted_at=utcnow()
        )
        assert await self.handlers.on_model_promoted([said(data, by="trainer", cause="r")]) == [Done()]
        await self.analysis.start()
        return self

    async def hear(self, *events: Event[PostIngested]) -> None:
        """Handle posts as a consumer would: what follows is said."""
        for start in range(0, len(events), 500):
            outcomes = await self.handlers.on_post_ingested(list(events[start : start + 500]))
            for outcome in outcomes:
                assert isinstance(outcome, Done)
                await self.publisher.publish_many(outcome.says)

    async def settle(self, within: float = 60.0) -> None:
        """Let the loop run until no question is open and everything was said."""

        async def settled() -> bool:
            await self.analysis.step()
            rows = await self.rows("questions")
            return all(row["state"] != "queued" and row["announced_at"] is not None for row in rows)

        await eventually(settled, within, every=0.02)

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        table = {"questions": questions, "scores": scores, "runs": runs, "calls": calls, "days": days}[name]
        async with self.database.read() as at:
            return [dict(row._mapping) for row in (await at.execute(select(table))).all()]

    async def said(self) -> list[PostScored]:
        """Return every score that was said, in order; fails when one event was said twice."""
        events = await entries(self.redis, SCORED)
        twice = {name: count for name, count in Counter(event.id for event in events).items() if count > 1}
        assert not twice
        return [event.data for event in events]

    async def said_of(self, event: Event[PostIngested]) -> list[PostScored]:
        """Return what was said of one post, in order."""
        return [score for score in await self.said() if score.post.post_id == event.data.post.post_id]


def spent_nano(rows: Sequence[dict[str, Any]]) -> int:
    """Return what calls cost together."""
    return sum(row["cost_nano"] for row in rows)
