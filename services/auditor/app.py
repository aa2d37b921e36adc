"""Wiring of the auditor."""

from pathlib import Path

from services.auditor.api import (
    audits,
    beginning,
    changes,
    comparing,
    evidence,
    exploring,
    labelling,
    scaffolds,
    statuses,
    views,
)
from services.auditor.audit_corpus import AuditCorpus
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.audits.scaffolds import read_scaffolds
from services.auditor.drawing import Drawing
from services.auditor.following import Following
from services.auditor.handlers import Handlers
from services.auditor.looking import Looking
from services.auditor.people import People
from services.auditor.reevaluating import Reevaluating
from services.auditor.settings import AuditorSettings
from services.auditor.status.posts import Policy
from services.auditor.store import Store
from services.auditor.tables import metadata
from shared.runtime import Loop, Platform, Service

SCAFFOLDS = Path(__file__).parent / "audits" / "scaffolds.json"


def build(platform: Platform) -> Service:
    """Return the auditor."""
    settings = AuditorSettings()
    database, keys = platform.database("auditor", metadata), platform.keys
    store, audit_store = Store(database), AuditStore(database)
    corpus = AuditCorpus(store, platform.artifacts, settings.corpus_posts)
    looking, auditing = Looking(store, corpus), Auditing(audit_store)
    drawing, people = Drawing(audit_store, looking), People(store, audit_store)
    suggested = read_scaffolds(SCAFFOLDS.read_bytes())
    handlers = Handlers(store, Policy(review_from=settings.review_from))
    following = Following(audit_store, handlers)
    return Service(
        name="auditor",
        routers=[
            statuses.build_router(platform, store),
            beginning.build_router(audit_store, store, looking, suggested, keys),
            audits.build_router(auditing, audit_store, keys),
            views.build_router(auditing, audit_store, looking, keys),
            labelling.build_router(auditing, drawing, audit_store, looking, keys),
            evidence.build_router(auditing, audit_store, looking, keys),
            comparing.build_router(auditing, looking, people, keys),
            changes.build_router(auditing, audit_store, looking, keys),
            scaffolds.build_router(auditing, looking, suggested, keys),
            exploring.build_router(looking, keys),
        ],
        hears={
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "posts.rated": following.on_post_rated,
            "posts.deleted": following.on_post_deleted,
            "models.trained": handlers.on_model_trained,
            "models.promoted": following.on_model_promoted,
        },
        settings=settings,
        database=database,
        loops=[
            Loop("auditor corpus", 1.0, corpus),
            Loop("auditor people", 5.0, people),
            Loop("auditor reevaluation", 2.0, Reevaluating(audit_store, looking, settings.settled_s)),
        ],
        mop=audit_store.forget_notes,
    )
