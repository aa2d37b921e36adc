"""Wiring of the classifier."""

import asyncio

from services.classifier.answering import Answering
from services.classifier.api import moderations, perspective, scoring, trying
from services.classifier.api.metering import metered
from services.classifier.handlers import Handlers
from services.classifier.live_model import LiveModel
from services.classifier.rescoring import Rescoring
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from services.classifier.tables import metadata
from shared import language
from shared.runtime import Loop, Platform, Service


def build(platform: Platform) -> Service:
    """Return the classifier service."""
    settings = ClassifierSettings()
    database = platform.database("classifier", metadata)
    store, live = Store(database), LiveModel(platform.artifacts)
    handlers = Handlers(store, live, settings)
    rescoring = Rescoring(store, live, platform.publisher, settings)
    answering, meter = Answering(live, settings), metered(settings)

    async def start() -> None:
        await asyncio.to_thread(language.load)  # the first comment shall not wait for it
        await rescoring.follow()

    return Service(
        name="classifier",
        routers=[
            scoring.build_router(platform, settings, store, answering, meter),
            trying.build_router(platform, answering, meter),
            perspective.build_router(platform, settings, answering, meter),
            moderations.build_router(platform, answering, meter),
        ],
        hears={
            "posts.ingested": handlers.on_post_ingested,
            "posts.deleted": handlers.on_post_deleted,
            "posts.corrected": handlers.on_post_corrected,
            "models.promoted": handlers.on_model_promoted,
        },
        settings=settings,
        database=database,
        loops=[
            Loop("live_model", settings.swap_every_s, rescoring.follow),
            Loop("rescoring", settings.swap_every_s, rescoring.step),
            Loop("tombstones", 30.0, store.mop),
        ],
        start=start,
        mop=store.mop,
        not_ready=lambda: [] if live.version else ["no model was promoted yet"],
    )
