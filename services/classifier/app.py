"""Wiring of the classifier."""

import asyncio
from typing import Any

import structlog

from services.classifier.analysis import Analysis
from services.classifier.answering import Answering
from services.classifier.api import exports, moderations, perspective, scoring, thresholds, trying, watching
from services.classifier.api.metering import metered
from services.classifier.asking import Asking
from services.classifier.backfill import Backfill
from services.classifier.bulk import Bulk, Report
from services.classifier.correcting import Correcting
from services.classifier.export_store import ExportStore
from services.classifier.exporting import Exporting
from services.classifier.felt import Felt
from services.classifier.handlers import Handlers
from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel
from services.classifier.llm import Analyst
from services.classifier.llm_store import LlmStore, day_of
from services.classifier.override_store import OverrideStore
from services.classifier.policy import Mode
from services.classifier.pricing import BATCH_DISCOUNT, usd
from services.classifier.rescoring import Rescoring
from services.classifier.settings import ClassifierSettings
from services.classifier.shadow_store import ShadowStore
from services.classifier.shadowing import Shadowing
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from services.classifier.tables import metadata
from services.classifier.telling import Telling
from services.classifier.threshold_store import ThresholdStore
from shared import language
from shared.clock import utcnow
from shared.runtime import Loop, Platform, Service

log = structlog.get_logger("ombud.classifier")

ASK_EVERY_S = 0.5
"""How soon a question that was just queued is asked."""


KEYS_AT_ONCE = 500
"""Posts of an older release that get the key of their text in one transaction."""


def build(platform: Platform) -> Service:
    """Return the classifier service."""
    settings = ClassifierSettings()
    database = platform.database("classifier", metadata)
    store, live = Store(database), LiveModel(platform.artifacts)
    questions = LlmStore(database)
    override_store = OverrideStore(database)
    felt = Felt(override_store, live, settings)
    threshold_store = ThresholdStore(database)
    limits = Limits(threshold_store, settings)
    speaking = Speaking(store, live, felt, settings, limits)
    telling = Telling(questions, store, live, speaking, platform.publisher, platform.redis)
    analysis = Analysis(questions, store, telling, Analyst(settings), settings)
    asks = settings.asks is not Mode.LOCAL
    asking = Asking(settings, analysis, questions) if asks else None
    shadows = ShadowStore(database)
    correcting = Correcting(store, override_store, speaking)
    handlers = Handlers(store, live, speaking, felt, correcting, shadows, settings, asking)
    shadowing = Shadowing(shadows, live, platform.artifacts, settings, limits)
    rescoring = Rescoring(store, live, speaking, platform.publisher, settings)
    exporting = Exporting(ExportStore(database), override_store, store, speaking, live)
    answering, meter = Answering(live, felt, settings, limits), metered(settings)
    bulk = Bulk(questions, telling, analysis, Analyst(settings, prices=settings.prices.times(BATCH_DISCOUNT)), settings)
    backfill = Backfill(questions, telling, analysis, bulk, settings)

    async def start() -> None:
        if settings.openai_api_key is None and settings.mode is not Mode.LOCAL:
            log.error(
                "the LLM path is off: no OPENAI_API_KEY; the local model scores alone", wanted=settings.mode.value
            )
        else:
            log.info("who scores", mode=settings.asks.value, llm=settings.openai_api_key is not None)
        await asyncio.to_thread(language.load)  # the first comment shall not wait for it
        await limits.follow()
        await rescoring.follow()
        await felt.follow()
        if asks:
            await analysis.start()

    keyed = False

    async def filling() -> None:
        nonlocal keyed
        while not keyed:
            keyed = await store.fill_keys(KEYS_AT_ONCE) == 0

    async def analyze(report: Report, **wanted: Any) -> dict[str, Any]:
        await limits.follow()
        await rescoring.follow()
        try:
            return await backfill.analyze(report, **wanted)
        finally:
            await analysis.stop()
            await bulk.close()

    async def examine() -> dict[str, Any]:
        model = await store.live_model()
        spent, aside = await questions.day(day_of(utcnow()))
        return {"model": model and (model.model_version, model.artifact), "spent_usd": float(usd(spent + aside))}

    return Service(
        name="classifier",
        routers=[
            scoring.build_router(platform, settings, store, answering, meter),
            trying.build_router(platform, answering, meter),
            perspective.build_router(platform, settings, answering, meter),
            moderations.build_router(platform, answering, meter),
            watching.build_router(platform, shadows),
            thresholds.build_router(platform, threshold_store, limits, live),
            exports.build_router(exporting, platform.keys),
        ],
        hears={
            "posts.ingested": handlers.on_post_ingested,
            "posts.deleted": handlers.on_post_deleted,
            "posts.corrected": handlers.on_post_corrected,
            "models.trained": handlers.on_model_trained,
            "models.promoted": handlers.on_model_promoted,
        },
        settings=settings,
        database=database,
        loops=[
            Loop("live_model", settings.swap_every_s, rescoring.follow),
            Loop("thresholds", settings.swap_every_s, limits.follow),
            Loop("rescoring", settings.swap_every_s, rescoring.step),
            Loop("shadow", settings.swap_every_s, shadowing.step),
            Loop("overrides", settings.swap_every_s, felt.follow),
            Loop("text_keys", 30.0, filling),
            Loop("tombstones", 30.0, store.mop),
            *([Loop("llm", ASK_EVERY_S, analysis.step)] if asks else []),
        ],
        start=start,
        stop=analysis.stop,
        commands={"analyze": analyze, "examine": examine},
        mop=store.mop,
        not_ready=lambda: [] if live.version else ["no model was promoted yet"],
    )
