"""Whole Ombuds as context managers: all services in one process of its own, or each service in its own."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.embedded import free_port
from shared.streams import SERVICES
from tests.support.commands import command, surroundings
from tests.support.installed import install
from tests.support.ombud import KEY, ROOT, Processes
from tests.support.servers import Broker

START_S = 240.0


@dataclass(frozen=True)
class Shared:
    """A running Ombud and where it keeps its things."""

    url: str
    broker: Broker
    data_dir: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """Return what it wrote so far."""
        return (self.data_dir / "ombud.log").read_text(errors="replace")


@contextmanager
def one_process(folder: Path, *names: str, first_start: bool = False, **settings: object) -> Iterator[Shared]:
    """Run the named services, or all, in one process on a broker of their own; yield it once it is ready.

    All of them have run before, unless this is their first start, which makes the first model.
    """
    if not names and not first_start:
        install(folder)
    data_dir, port = folder / "data", free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder / "broker").start()
    given = {"redis_url": broker.url, "port": port, "bootstrap_key": KEY, "log_format": "json", **settings}
    with (data_dir / "ombud.log").open("ab") as log:
        process = subprocess.Popen(
            command("run", *(names or SERVICES)),
            env=surroundings(data_dir, **given),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = Shared(f"http://127.0.0.1:{port}", broker, data_dir, process)
    try:
        _wait_until(running, "/readyz" if not names or "trainer" in names else "/livez")
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            broker.stop()


def _wait_until(running: Shared, path: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            if httpx.get(running.url + path).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Ombud did not start:\n{running.log[-3000:]}")


@asynccontextmanager
async def split(
    folder: Path, *names: str, first_start: bool = False, traces: Path | None = None, **settings: object
) -> AsyncIterator[tuple[Processes, Broker]]:
    """Run the named services, or all, each in a process, on a broker of their own; yield them once all are ready.

    All of them have run before, unless this is their first start, which makes the first model. With `traces`, their
    spans are written there (support/traced.py).
    """
    if not names and not first_start:
        await asyncio.to_thread(install, folder)
    broker = Broker(folder / "broker").start()
    processes = Processes(folder / "data", broker.url, traces=traces, **settings)
    try:
        processes.start(*names)
        await processes.ready(*names)
        yield processes, broker
    finally:
        await asyncio.to_thread(processes.terminate)
        broker.stop()
