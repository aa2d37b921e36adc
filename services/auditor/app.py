"""Wiring of the auditor."""

from services.auditor.api import statuses
from services.auditor.handlers import Handlers
from services.auditor.settings import AuditorSettings
from services.auditor.status.posts import Policy
from services.auditor.store import Store
from services.auditor.tables import metadata
from shared.runtime import Platform, Service


def build(platform: Platform) -> Service:
    """Return the auditor."""
    settings = AuditorSettings()
    database = platform.database("auditor", metadata)
    store = Store(database)
    handlers = Handlers(store, Policy(review_from=settings.review_from))
    return Service(
        name="auditor",
        routers=[statuses.build_router(platform, store)],
        hears={
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "posts.deleted": handlers.on_post_deleted,
        },
        settings=settings,
        database=database,
    )
