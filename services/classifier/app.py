"""Wiring of the classifier."""

from services.classifier.api import build_router
from services.classifier.handlers import Handlers
from services.classifier.live_model import LiveModel
from services.classifier.rescoring import Rescoring
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from services.classifier.tables import metadata
from shared.runtime import Loop, Platform, Service


def build(platform: Platform) -> Service:
    """Return the classifier service."""
    settings = ClassifierSettings()
    database = platform.database("classifier", metadata)
    store, live = Store(database), LiveModel(platform.artifacts)
    handlers = Handlers(store, live, settings)
    rescoring = Rescoring(store, live, platform.publisher, settings)
    return Service(
        name="classifier",
        routers=[build_router(platform, settings, store, live)],
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
        start=rescoring.follow,
        mop=store.mop,
        not_ready=lambda: [] if live.version else ["no model was promoted yet"],
    )
