"""Wiring of the trainer."""

import asyncio
from typing import Any

from services.trainer import populations, refits, topic_runs
from services.trainer.api import cards, corrections, exports, feedback, groups, models, runs, topics
from services.trainer.api import personal as personal_models
from services.trainer.grouping import Grouping
from services.trainer.grouping import events_of as group_events
from services.trainer.handlers import Handlers
from services.trainer.housekeeping import Cleaning, Promoting
from services.trainer.looking import Looking
from services.trainer.personalising import Announcing, Personalising
from services.trainer.personalising import events_of as said_by
from services.trainer.registering import Registering
from services.trainer.replays import Replays
from services.trainer.retreating import Retreating
from services.trainer.runner import Runner
from services.trainer.runs import RunKind
from services.trainer.settings import TrainerSettings
from services.trainer.store import Store
from services.trainer.store.groups import DONE, GroupStore
from services.trainer.store.ratings import RatingStore
from services.trainer.tables import groups as group_table
from services.trainer.tables import metadata, personal_versions, stages
from services.trainer.tables import populations as population_table
from services.trainer.training import Training, events_of
from shared.announcements import Announcer
from shared.bus.keys import consumer_name
from shared.clock import utcnow
from shared.runtime import Loop, Platform, Service


def build(platform: Platform) -> Service:
    """Return the trainer."""
    settings = TrainerSettings()
    database = platform.database("trainer", metadata)
    store = Store(database)
    ratings = RatingStore(database)
    personal = Personalising(ratings, store, platform.artifacts, settings.personal_versions_kept)
    wake, decided = asyncio.Event(), asyncio.Event()
    group_store = GroupStore(database)
    runner = Runner(settings.run_timeout_s, settings.workers, standby=settings.standby)
    folders = platform.settings.data_dir / "runs"
    crafts = {RunKind.REFIT: refits.build_craft(store, settings, platform.settings.artifacts, folders)}
    crafts[RunKind.POPULATION] = populations.build_craft(store, ratings, settings, platform.settings.artifacts, folders)
    crafts[RunKind.TOPICS] = topic_runs.build_craft(store, settings, platform.settings.artifacts)
    looking = Looking(store, settings, platform.artifacts)
    replays = Replays(store, runner, settings, platform.settings.artifacts, platform.settings.data_dir, wake)
    crafts[RunKind.REPLAY] = replays.craft()
    asks = [replays.ask, populations.build_ask(ratings, settings), topic_runs.build_ask(store, settings), looking.ask]
    training = Training(store, runner, settings, consumer_name("trainer"), crafts, asks, wake, decided)
    handlers = Handlers(store, personal, replays.heard)
    place = settings.mlflow.get_secret_value()
    registering = Registering(store, place, platform.settings.data_dir, platform.settings.artifacts)
    announcer = Announcer(database, platform.publisher, stages, events_of)
    versions = Announcing(Announcer(database, platform.publisher, personal_versions, said_by))
    foundations = Announcer(database, platform.publisher, population_table, populations.events_of)

    async def stop() -> None:
        await replays.stop()
        await training.stop()

    cleaning = Cleaning(store, settings, platform.artifacts, folders)

    async def examine() -> dict[str, Any]:
        return {"artifacts": sorted((await cleaning.needed(utcnow()))[1])}

    done = group_table.c.state == DONE
    compared = Announcer(database, platform.publisher, group_table, group_events, due=done)
    return Service(
        name="trainer",
        routers=[
            runs.build_router(store, settings, platform.keys, crafts),
            models.build_router(store, platform.artifacts, platform.keys),
            corrections.build_router(store, platform.keys),
            cards.build_router(store, platform.artifacts, platform.keys),
            feedback.build_router(store, platform.keys),
            exports.build_router(store, platform.keys),
            personal_models.build_router(ratings, personal, platform.keys),
            topics.build_router(store, looking.drifted, platform.keys),
            groups.build_router(group_store, settings, platform.keys, platform.artifacts),
        ],
        hears={
            "posts.scored": handlers.on_post_scored,
            "posts.corrected": handlers.on_post_corrected,
            "posts.rated": handlers.on_post_rated,
            "posts.deleted": handlers.on_post_deleted,
            "rounds.decided": Retreating(store, platform.artifacts).on_round_decided,
        },
        settings=settings,
        database=database,
        loops=[
            Loop("trainer runs", 0.5, training, wake=wake),
            Loop("trainer announcer", 0.5, announcer, wake=decided),
            Loop("trainer promotions", 5.0, Promoting(store, settings)),
            Loop("trainer registry", 5.0, registering, stuck_after_s=900.0),
            Loop("trainer cleaning", 3600.0, cleaning),
            Loop("trainer personal models", 1.0, personal),
            Loop("trainer personal announcer", 0.5, versions),
            Loop("trainer population announcer", 0.5, foundations),
            Loop("trainer groups", 1.0, Grouping(group_store, ratings, personal, settings, platform.artifacts)),
            Loop("trainer group announcer", 1.0, compared),
            Loop("trainer looking", 2.0, looking),
        ],
        start=personal.refresh,
        stop=stop,
        commands={"model": store.named, "examine": examine},
    )
