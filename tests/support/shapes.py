"""Whole Ombuds as context managers: one in a thread for many tests, or each service in its own process."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ombud import Processes, embedded
from tests.support.servers import Broker


@dataclass(frozen=True)
class Shared:
    """A running Ombud and where it keeps its things."""

    url: str
    broker: Broker
    data_dir: Path


@contextmanager
def in_background(folder: Path, **settings: object) -> Iterator[Shared]:
    """Run all services in a thread with a broker of their own, on whatever loops the tests run."""
    data_dir = folder / "data"
    broker = Broker(folder / "broker").start()
    found: list[str] = []
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        try:
            async with embedded(data_dir, broker.url, **settings) as (http, _):  # type: ignore[arg-type]
                found.append(str(http.base_url))
                started.set()
                await stop.wait()
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work, name="ombud")
    thread.start()
    try:
        started.wait()
        if failed:
            raise failed[0]
        yield Shared(found[0], broker, data_dir)
    finally:
        if thread.is_alive() and not failed:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
        broker.stop()
    if failed:
        raise failed[0]


@asynccontextmanager
async def split(folder: Path, *names: str, **settings: object) -> AsyncIterator[tuple[Processes, Broker]]:
    """Run the named services, or all, each in a process, on a broker of their own; yield them once all are ready."""
    broker = Broker(folder / "broker").start()
    processes = Processes(folder / "data", broker.url, **settings)
    try:
        processes.start(*names)
        await processes.ready(*names)
        yield processes, broker
    finally:
        await asyncio.to_thread(processes.terminate)
        broker.stop()
