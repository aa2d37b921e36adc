"""A broker of the test's own, of every kind this machine has (STK-20), and a patient bus in a hurry."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared import migrate
from shared.bus.groups import ensure_groups
from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from shared.streams import groups
from tests.support.kit import create_tables, servers
from tests.support.servers import Broker

SERVERS = servers()
HURRY = {
    "RECLAIM_IDLE_S": "1",
    "RECLAIM_EVERY_S": "0.2",
    "PUMP_EVERY_S": "0.05",
    "BACKOFF_BASE_S": "0.01",
    "JANITOR_EVERY_S": "0.3",
    "SWEEP_EVERY_S": "0.2",
    "BLOCK_MS": "50",
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bus fast and let services do without migrations."""
    for name, value in HURRY.items():
        monkeypatch.setenv(f"OMBUD_BUS_{name}", value)
    monkeypatch.setattr(migrate, "upgrade", create_tables)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., BusSettings]:
    """Return a function that changes settings of the bus for this test."""

    def change(**values: object) -> BusSettings:
        for name, value in values.items():
            monkeypatch.setenv(f"OMBUD_BUS_{name.upper()}", str(value))
        return BusSettings()

    return change


@pytest.fixture(params=SERVERS.values(), ids=SERVERS.keys())
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    server = Broker(tmp_path / "broker", binary=request.param).start()
    yield server
    server.stop()


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    """Return a client like ours on a broker that has every group."""
    client = connect(broker.url)
    await ensure_groups(client, groups())
    yield client
    await client.aclose()


@pytest.fixture
def publisher(redis: Redis) -> Publisher:
    return Publisher(redis, BusSettings())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
async def start_worker(broker: Broker, data: Path) -> AsyncIterator[Start]:
    """Return a function that starts tests.support.worker; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.support.worker", broker.url, str(data)]
        with (data.parent / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[3])
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)
