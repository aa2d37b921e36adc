"""One embedded Ombud for all tests of this folder that only talk to it; each uses posts of its own."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from shared.bus.publisher import connect
from tests.support.ombud import client
from tests.support.shapes import Shared, one_process


@pytest.fixture(scope="session")
def ombud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The whole Ombud in a process of its own; its log says everything."""
    with one_process(
        tmp_path_factory.mktemp("ombud"), log_level="DEBUG", trainer_corrections_per_run=100_000
    ) as running:
        yield running


@pytest.fixture
async def http(ombud: Shared) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an admin key."""
    async with client(ombud.url) as each:
        yield each


@pytest.fixture
async def redis(ombud: Shared) -> AsyncIterator[Redis]:
    """A client of the Ombud's broker."""
    each = connect(ombud.broker.url)
    yield each
    await each.aclose()


@pytest.fixture
def name() -> str:
    """An external id that no other test uses."""
    return uuid4().hex
