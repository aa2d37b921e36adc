"""Wiring of the auditor."""

import asyncio
from functools import partial
from pathlib import Path

from services.auditor.api import (
    audits,
    beginning,
    changes,
    comparing,
    evidence,
    exploring,
    exports,
    histories,
    labelling,
    rounds,
    scaffolds,
    statuses,
    views,
)
from services.auditor.audit_corpus import AuditCorpus
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.audits.scaffolds import read_scaffolds
from services.auditor.closing import Closing
from services.auditor.drawing import Drawing
from services.auditor.following import Following
from services.auditor.handlers import Handlers
from services.auditor.looking import Looking
from services.auditor.people import People
from services.auditor.rebuilding import rebuild
from services.auditor.reevaluating import Reevaluating
from services.auditor.round_store import RoundStore
from services.auditor.settings import AuditorSettings
from services.auditor.settling import Settling
from services.auditor.speaking import decided_of, events_of
from services.auditor.staging import Staging
from services.auditor.status.gating import Terms
from services.auditor.status.live import DAY_S, Policy
from services.auditor.store import Store
from services.auditor.tables import metadata, status_changes
from services.auditor.tables import rounds as round_table
from shared.announcements import Announcer
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
    policy = policy_of(settings)
    round_store = RoundStore(database)
    handlers = Handlers(store, policy, Staging(store, round_store))
    decided, settled = asyncio.Event(), asyncio.Event()
    announcer = Announcer(database, platform.publisher, status_changes, events_of)
    by_people = round_table.c.decided_by.is_not(None)
    of_rounds = Announcer(database, platform.publisher, round_table, decided_of, due=by_people)
    terms = Terms(settings.churn_gained, settings.churn_lost, settings.churn_above)
    closing = Closing(store, round_store, policy, terms, settings.round_quiet_s)
    following = Following(audit_store, handlers)
    return Service(
        name="auditor",
        routers=[
            statuses.build_router(platform, store),
            histories.build_router(platform, store, policy, decided),
            rounds.build_router(round_store, platform.keys, settled, terms),
            beginning.build_router(audit_store, store, looking, suggested, keys),
            audits.build_router(auditing, audit_store, keys),
            views.build_router(auditing, audit_store, looking, keys),
            labelling.build_router(auditing, drawing, audit_store, looking, keys),
            evidence.build_router(auditing, audit_store, looking, keys),
            comparing.build_router(auditing, looking, people, keys),
            changes.build_router(auditing, audit_store, looking, keys),
            scaffolds.build_router(auditing, looking, suggested, keys),
            exploring.build_router(looking, keys),
            exports.build_router(store, keys),
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
            Loop("auditor holds and locks", 1.0, Settling(store, policy)),
            Loop("auditor rounds", 1.0, closing, stuck_after_s=900.0),
            Loop("auditor announcer", 0.5, announcer, wake=decided),
            Loop("auditor round announcer", 0.5, of_rounds, wake=settled),
            Loop("auditor people", 5.0, people),
            Loop(
                "auditor reevaluation", 2.0, Reevaluating(audit_store, looking, settings.settled_s, settings.replays_s)
            ),
        ],
        mop=audit_store.forget_notes,
        commands={"rebuild": partial(rebuild, store, policy)},
    )


def policy_of(settings: AuditorSettings) -> Policy:
    """Return the policy an operator decided."""
    return Policy(
        settings.review_from,
        settings.hold_s,
        settings.lock_age_days * DAY_S,
        settings.consensus_raters,
        settings.consensus_share,
    )
