"""Wiring of the reporter."""

import asyncio
from datetime import timedelta
from typing import Any

from services.reporter.acting import Acting
from services.reporter.acts import Edge
from services.reporter.announced import report_completed, report_submitted
from services.reporter.api import (
    acts,
    events,
    labels,
    outlets,
    page,
    people,
    posts,
    reports,
    statements,
    transparency,
    webhooks,
)
from services.reporter.avid_export import Origin
from services.reporter.broadcast import Broadcast
from services.reporter.console.mounting import Console
from services.reporter.console.parts import Reporting
from services.reporter.coop_client import CoopClient
from services.reporter.delivery import SINK_AVID
from services.reporter.dispatching import Dispatcher
from services.reporter.handlers import Handlers
from services.reporter.hooking import Hooking
from services.reporter.labelling import Labeller
from services.reporter.outlets import CoopOutlet, Outlet
from services.reporter.owners_client import OwnersClient
from services.reporter.owning import Owning
from services.reporter.rebuilding import Rebuilding, Rebuilt, Say
from services.reporter.reviewing import Reviewing
from services.reporter.sealing import Seal, key_of
from services.reporter.sending import Sender
from services.reporter.settings import ReporterSettings
from services.reporter.stating import Stating
from services.reporter.store import Store
from services.reporter.submitting import Submitting
from services.reporter.tables import deliveries, metadata
from services.reporter.tables import reports as report_table
from services.reporter.tail import Tail
from services.reporter.webhook_client import WebhookClient
from services.reporter.writing import Writing
from shared.announcements import Announcer
from shared.runtime import Loop, Platform, Service


def edge(outlet: Outlet) -> Edge:
    """Return what talks to an outlet."""
    if isinstance(outlet, CoopOutlet):
        return CoopClient(outlet)
    from services.reporter.mastodon_client import MastodonClient  # its library only where there is one

    return MastodonClient(outlet)


def build(platform: Platform) -> Service:
    """Return the reporter on a platform."""
    settings = ReporterSettings()
    database = platform.database("reporter", metadata)
    store = Store(database)
    sinks = [SINK_AVID] if settings.avid_submit_url else []
    hold = timedelta(seconds=settings.labels_hold_s) if settings.labels else None
    acts_hold = timedelta(seconds=settings.acts_hold_s) if settings.outlets else None
    handlers = Handlers(store, sinks, hold, acts_hold)
    edges = {name: edge(outlet) for name, outlet in settings.outlets.items()}
    origin_url = (platform.settings.public_url or "").rstrip("/")

    def link(post_id: str) -> str | None:
        return f"{origin_url}/v1/posts/{post_id}" if origin_url else None

    acting = Acting(store, settings, edges, link)
    sender = Sender(store, settings)
    reviewing = Reviewing(store, settings)
    stating = Stating(store, settings)
    tail = Tail(platform.redis, platform.shards)
    broadcast = Broadcast(
        tail, listeners=settings.feed_listeners, room=settings.feed_room, draining=lambda: platform.draining
    )
    client = WebhookClient(private=settings.webhook_private_networks, timeout_s=settings.webhook_timeout_s)
    seal = Seal()
    dispatcher = Dispatcher(store, tail, client, settings, seal=seal)
    hooking = Hooking(store, tail, client, seal)
    origin = Origin(settings.developer, settings.deployer, "Ombud, the audited software", settings.project_url)
    writing = Writing(store, origin, platform.settings.public_url)
    owning = Owning(store, writing, settings.undo_removal_s)
    submitting = Submitting(store, sinks, settings.avid_daily, settings.avid_daily_of_all)
    reporting = Reporting(writing, owning, submitting, bool(sinks))
    console = Console(platform, settings, store, broadcast, reporting, hooking)
    completed = Announcer(
        database, platform.publisher, report_table, report_completed, due=report_table.c.completed_at.is_not(None)
    )
    submitted = Announcer(
        database, platform.publisher, deliveries, report_submitted, due=deliveries.c.finished_at.is_not(None)
    )

    async def start() -> None:
        await store.open()
        await console.start()
        alone = platform.settings.database_url is None
        seal.use(await asyncio.to_thread(key_of, settings.webhook_key, platform.settings.data_dir, alone=alone))
        await hooking.seal()

    async def examine() -> dict[str, Any]:
        async with database.read() as connection:
            return {"failed_deliveries": await store.count_failed_deliveries(connection)}

    async def rebuild(say: Say, *, url: str | None, key: str | None) -> Rebuilt:
        """Make the read models anew; without a key from the streams only. `url` is where owners without one are."""
        owners = OwnersClient({name: each or url for name, each in settings.owners.items()}, key) if key else None
        return await Rebuilding(store, tail)(say, owners)

    async def stop() -> None:
        await console.stop()
        await sender.stop()
        await dispatcher.stop()
        await broadcast.close()

    return Service(
        name="reporter",
        routers=[
            page.build_router(store, platform.keys, show_posts=platform.private or settings.front_page_posts),
            posts.build_router(store, platform.keys),
            statements.build_router(store, stating, platform.keys),
            transparency.build_router(store, platform.keys),
            reports.build_router(store, writing, owning, submitting, platform.keys),
            events.build_router(broadcast, platform.keys, settings, kept_s=platform.settings.bus.retain_for_s),
            labels.build_router(store, on=settings.labels, subscribers=settings.feed_listeners),
            acts.build_router(store, platform.keys, on=bool(settings.outlets)),
            outlets.build_router(store, settings.outlets, link),
            webhooks.build_router(store, hooking, platform.keys),
            people.build_router(console.sessions, console.people, platform.keys),
            *console.routers,
        ],
        hears={
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "posts.deleted": handlers.on_post_deleted,
            "posts.status_changed": handlers.on_post_status_changed,
            "models.trained": handlers.on_model_trained,
            "models.promoted": handlers.on_model_promoted,
            "reports.completed": handlers.on_report_completed,
            "reports.submitted": handlers.on_report_submitted,
        },
        settings=settings,
        database=database,
        loops=[
            Loop("reports to announce", 0.5, completed),
            Loop("deliveries to announce", 0.5, submitted),
            Loop("deliveries", 1.0, sender),
            Loop("statements", 2.0, stating),
            Loop("editors' words", 10.0, reviewing),
            Loop("webhooks", 0.5, dispatcher),
            *([Loop("labels", 1.0, Labeller(store, settings))] if settings.labels else []),
            *([Loop("acts on platforms", 1.0, acting)] if settings.outlets else []),
            Loop("removed reports", 600.0, owning.drop_removed),
            *console.loops,
        ],
        start=start,
        stop=stop,
        commands={"invite": console.invite, "examine": examine, "rebuild": rebuild},
    )
