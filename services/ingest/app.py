"""Wiring of ingest."""

from functools import partial

from services.ingest.api import feedback, keys, posts
from services.ingest.door import Door
from services.ingest.keeper import Keeper
from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from services.ingest.tables import metadata
from shared.runtime import Loop, Platform, Service


async def invite(keeper: Keeper) -> str:
    """Return a one-time admin link."""
    return (await keeper.invite())[0]


def build(platform: Platform) -> Service:
    """Return the ingest service."""
    settings = IngestSettings()
    database = platform.database("ingest", metadata)
    keeper = Keeper(platform, settings, Store(database))
    door = Door(platform, settings)
    return Service(
        name="ingest",
        routers=[
            posts.build_router(platform, settings, door, keeper.salt),
            feedback.build_router(platform, door),
            keys.build_router(platform, keeper),
        ],
        hears={},
        settings=settings,
        database=database,
        loops=[Loop("api_keys", 2.0, keeper.mend)],
        start=keeper.start,
        commands={"invite": partial(invite, keeper)},
    )
