"""A broker, SQLite files and a scripted API of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.classifier.tables import metadata
from shared.bus.groups import ensure_groups
from shared.bus.publisher import connect
from shared.db import Database
from shared.streams import groups
from tests.support.llm import Asker, settings_for
from tests.support.openai_server import OpenAiServer
from tests.support.servers import Broker

Begin = Callable[..., Awaitable[Asker]]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    server = Broker(tmp_path_factory.mktemp("broker")).start()
    yield server
    server.stop()


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    client = connect(broker.url)
    await client.flushall()
    await ensure_groups(client, groups())
    yield client
    await client.aclose()


@pytest.fixture
def api() -> Iterator[OpenAiServer]:
    with OpenAiServer() as server:
        yield server


@pytest.fixture
async def begin(redis: Redis, api: OpenAiServer, tmp_path: Path) -> AsyncIterator[Begin]:
    """Return a function that starts a classifier with the given settings; several share the database."""
    started: list[Asker] = []

    async def one(**changed: Any) -> Asker:
        database = Database(f"sqlite+aiosqlite:///{tmp_path}/classifier.sqlite3", metadata)
        started.append(Asker(database, redis, tmp_path, settings_for(api.base_url, **changed)))
        return await started[-1].start()

    yield one
    for each in started:
        await each.analysis.stop()
        await each.bulk.close()
        await each.database.close()
