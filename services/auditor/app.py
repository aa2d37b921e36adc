"""Wiring of the auditor."""

from services.auditor.api import audits, statuses
from services.auditor.audit_corpus import AuditCorpus
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.following import Following
from services.auditor.handlers import Handlers
from services.auditor.settings import AuditorSettings
from services.auditor.status.posts import Policy
from services.auditor.store import Store
from services.auditor.tables import metadata
from shared.runtime import Loop, Platform, Service


def build(platform: Platform) -> Service:
    """Return the auditor."""
    settings = AuditorSettings()
    database = platform.database("auditor", metadata)
    store = Store(database)
    audit_store = AuditStore(database)
    auditing, following = Auditing(audit_store), Following(audit_store)
    corpus = AuditCorpus(store, platform.artifacts, settings.corpus_posts)
    handlers = Handlers(store, Policy(review_from=settings.review_from))
    return Service(
        name="auditor",
        routers=[
            statuses.build_router(platform, store),
            audits.build_router(auditing, audit_store, platform.keys),
        ],
        hears={
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "posts.rated": handlers.on_post_rated,
            "posts.deleted": handlers.on_post_deleted,
            "models.promoted": following.on_model_promoted,
            "models.trained": handlers.on_model_trained,
        },
        settings=settings,
        database=database,
        loops=[Loop("auditor corpus", 1.0, corpus)],
    )
