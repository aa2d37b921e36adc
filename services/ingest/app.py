"""Wiring of ingest."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from services.ingest import jetstream
from services.ingest import mastodon as mastodon_timelines
from services.ingest.api import coop, coral, feedback, keys, mastodon, perspective, posts, sources, webhooks
from services.ingest.api.repeats import repeatable
from services.ingest.collecting import Collecting, Follow
from services.ingest.door import Door
from services.ingest.keeper import Keeper
from services.ingest.keeping import Keeping
from services.ingest.scorer import Scorer
from services.ingest.settings import IngestSettings
from services.ingest.sources import Jetstream, MastodonTimelines, Source
from services.ingest.store import Store
from services.ingest.tables import metadata
from shared import language
from shared.clock import utcnow
from shared.runtime import Loop, Platform, Service


async def invite(keeper: Keeper) -> str:
    """Return a one-time admin link."""
    return (await keeper.invite())[0]


def edges(settings: IngestSettings) -> dict[str, Follow]:
    """Return what follows each source that is collected rather than pushed to us."""
    found = {name: _edge(name, source) for name, source in settings.all_sources.items()}
    return {name: follow for name, follow in found.items() if follow is not None}


def _edge(name: str, source: Source) -> Follow | None:
    match source:
        case Jetstream():
            return jetstream.following(name, source)
        case MastodonTimelines():
            return partial(mastodon_timelines.follow, source)
        case _:
            return None


def own_origin(platform: Platform) -> str:
    """Return the address under which this very process answers: who listens everywhere also listens on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(platform.settings.host, platform.settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{platform.settings.port}"


def build(platform: Platform) -> Service:
    """Return the ingest service."""
    settings = IngestSettings()
    database = platform.database("ingest", metadata)
    store = Store(database)
    keeper = Keeper(platform, settings, store)
    door = Door(platform, settings, keeper.salt)
    followed = edges(settings)
    collecting = Collecting(platform, settings, store, door, followed)
    route = repeatable(store, settings)
    keeping = Keeping(settings, door)
    scorer = Scorer(settings.classifier_url or own_origin(platform), keeper.scoring_key)

    async def start() -> None:
        await asyncio.to_thread(language.load)  # the first post shall not wait for it
        await keeper.start()
        await scorer.start()
        coral.warn_without_classifier(platform, settings)
        await collecting.start()

    async def forget_requests() -> None:
        await store.forget_requests(utcnow() - timedelta(seconds=settings.idempotency_keep_s))

    async def stop() -> None:
        await collecting.stop()
        await keeping.stop()
        await scorer.stop()

    async def examine() -> dict[str, Any]:
        kept = [row for row in await store.list_keys() if row.revoked_at is None]
        return {"keys": [(row.id, row.name, tuple(row.scopes), row.created_at) for row in kept]}

    async def forget_coral_events() -> None:
        await store.drop_coral_events(utcnow() - timedelta(days=settings.platform_events_days))

    return Service(
        name="ingest",
        routers=[
            posts.build_router(platform, settings, door, route),
            feedback.build_router(platform, door, route),
            keys.build_router(platform, keeper),
            sources.build_router(platform, settings, store, followed),
            mastodon.build_router(platform, settings, door, keeper.salt),
            coral.build_router(platform, settings, store, scorer, keeping),
            coop.build_router(settings, door, keeper.salt),
            webhooks.build_router(platform, settings, door),
            perspective.build_router(platform, door, keeping),
        ],
        hears={},
        settings=settings,
        database=database,
        loops=[
            Loop("api_keys", 2.0, keeper.mend),
            Loop("uses of keys", 600.0, keeper.note_uses),
            Loop("answered requests", 300.0, forget_requests),
            Loop("coral events", 3600.0, forget_coral_events),
        ],
        start=start,
        stop=stop,
        commands={"invite": partial(invite, keeper), "examine": examine},
    )
