"""All five services wired to one broker object that no server answers, and databases of both kinds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from services.catalog import build_of
from shared.db import Database
from shared.runtime import Platform, Service, compose
from shared.settings import Settings
from shared.streams import SERVICES
from tests.support.databases import DIALECTS, Databases, metadata_of

Open = Callable[..., Database]
Migrated = Callable[[str, str], Awaitable[Database]]

NOBODY = "redis://127.0.0.1:1"
"""Nothing listens there."""


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The embedded product, composed but not started."""
    folder: Path = tmp_path_factory.mktemp("composed")
    made = Platform(Settings(data_dir=folder), NOBODY)
    compose(made, [build_of(name) for name in SERVICES])
    yield made
    for service in made.services:
        asyncio.run(service.database.close())


@pytest.fixture(scope="session")
def services(platform: Platform) -> list[Service]:
    """The five services."""
    return platform.services


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Fresh databases of both kinds."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.stop()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Both kinds of database, one after the other."""
    return str(request.param)


@pytest.fixture
async def opened(databases: Databases) -> AsyncIterator[Open]:
    """Open databases that are closed after the test; `opened(service, dialect)` gives an empty one."""
    made: list[Database] = []

    def one(service: str, dialect: str, url: str | None = None) -> Database:
        made.append(Database(url or databases.url(dialect), metadata_of(service)))
        return made[-1]

    yield one
    for database in made:
        await database.close()


@pytest.fixture
async def migrated(opened: Open, databases: Databases) -> Migrated:
    """Open databases at the newest form: `await migrated(service, dialect)`."""

    async def one(service: str, dialect: str) -> Database:
        return opened(service, dialect, await databases.migrated_url(service, dialect))

    return one
