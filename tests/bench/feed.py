"""The event feed: how long after an event was said every listener has it, against XREAD alone in the same run."""

import asyncio
import re
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from tests.support.feed import corrected, scored
from tests.support.ombud import KEY, Processes
from tests.support.servers import Broker, eventually

LISTENERS, RATE, SECONDS = 20, 200, 15
AT_ONCE = 2
"""Events of one publication: a hundred pauses a second are what a timer can keep."""
SAID = re.compile(rb'"time":"([^"]+)"')
Arrived = list[tuple[float, bytes]]
"""Pieces as they came, each with its moment; they are taken apart when nothing has to be quick any more."""


async def lags(folder: Path) -> tuple[list[float], list[float], float]:
    """Return sorted milliseconds from said to received, of all listeners and of XREAD alone, and the reporter's CPU."""
    broker = Broker(folder / "broker").start()
    ombud = Processes(folder / "data", broker.url, log_level="WARNING")
    try:
        ombud.start("ingest", "reporter")
        await ombud.ready("ingest", "reporter")
        before = cpu_s(ombud.pid("reporter"))
        listeners, alone = await _measure(broker, ombud.ports["reporter"])
        return listeners, alone, (cpu_s(ombud.pid("reporter")) - before) / SECONDS
    finally:
        ombud.terminate()
        broker.stop()


async def _measure(broker: Broker, port: int) -> tuple[list[float], list[float]]:
    arrived: list[Arrived] = [[] for _ in range(LISTENERS)]
    alone: Arrived = []
    tasks = [asyncio.create_task(_listen(port, each)) for each in arrived]
    tasks.append(asyncio.create_task(_read(broker, alone)))
    await eventually(lambda: all(arrived))
    await _say(broker)
    total = RATE * SECONDS
    await eventually(lambda: all(_events(each) >= total for each in arrived), 60, 1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(_events(each) == total for each in arrived)
    return sorted(lag for each in arrived for lag in _late(each)), sorted(_late(alone))


async def _listen(port: int, arrived: Arrived) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    asked = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    writer.write(asked.encode())
    with suppress(asyncio.CancelledError):
        while piece := await reader.read(2**20):
            arrived.append((time.time(), piece))
    writer.close()


async def _say(broker: Broker) -> None:
    redis = connect(broker.url)
    publisher = Publisher(redis, BusSettings())
    begun = time.monotonic()
    for n in range(0, RATE * SECONDS, AT_ONCE):
        await asyncio.sleep(max(0.0, begun + n / RATE - time.monotonic()))
        await publisher.publish_many([scored(n), corrected(n + 1)])
    await redis.aclose()


async def _read(broker: Broker, arrived: Arrived) -> None:
    redis = connect(broker.url)
    seen = {"posts.scored": "$", "posts.corrected": "$"}
    with suppress(asyncio.CancelledError):
        while True:
            for stream, found in await redis.xread(seen, block=1000) or []:  # type: ignore[arg-type]
                seen[stream.decode()] = found[-1][0].decode()
                arrived += [(time.time(), fields[b"__data__"]) for _, fields in found]
    await redis.aclose()


def _events(arrived: Arrived) -> int:
    return sum(piece.count(b"\nevent: ") for _, piece in arrived)


def _late(arrived: Arrived) -> list[float]:
    return [
        1000 * (at - datetime.fromisoformat(said.decode()).timestamp())
        for at, piece in arrived
        for said in SAID.findall(piece)
    ]


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100
