"""Somebody waits: single texts over loopback HTTP at a steady rate, beside requests that ask for nothing.

The sender speaks HTTP by hand over connections that stay open: a client library would take longer than the answer. A
request is measured from the moment it was to be sent, so that waiting for a free connection counts. How late the
sender's own timer is in the same run tells what the machine adds of itself.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.bench.feed import cpu_s
from tests.bench.workload import texts
from tests.support.ombud import KEY
from tests.support.shapes import split

RATE, SECONDS, WARM_S = 200, 15, 2
CONNECTIONS = 16

Asked = asyncio.Queue[tuple[float | None, bytes] | None]


@dataclass(frozen=True)
class Waited:
    """Sorted milliseconds of each answer, and of the sender's timer being late; CPU milliseconds per request."""

    took: list[float]
    late: list[float]
    cpu: float


async def latencies(folder: Path) -> tuple[Waited, Waited]:
    """Return how long answers took at 200 requests a second: of /predict, and of /livez (HTTP alone).

    Every service runs in a process of its own, the trainer having made the first model; each answer has to be a 200.
    """
    posts = texts(RATE * (SECONDS + WARM_S))
    predict = [_request("POST", "/predict", orjson.dumps({"inputs": text})) for text in posts]
    async with split(folder, log_level="WARNING") as (ombud, _):
        port, pid = ombud.ports["classifier"], ombud.pid("classifier")
        return await _steady(port, pid, predict), await _steady(port, pid, [_request("GET", "/livez")] * len(posts))


async def _steady(port: int, pid: int, requests: Sequence[bytes]) -> Waited:
    asked: Asked = asyncio.Queue()
    took: list[float] = []
    late: list[float] = []
    senders = [asyncio.create_task(_send(port, asked, took)) for _ in range(CONNECTIONS)]
    before, begun = cpu_s(pid), time.perf_counter() + 0.2
    for n, request in enumerate(requests):
        await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
        late.append(max(0.0, time.perf_counter() - begun - n / RATE) * 1000)
        asked.put_nowait((time.perf_counter() if n >= RATE * WARM_S else None, request))
    for _ in senders:
        asked.put_nowait(None)
    await asyncio.gather(*senders)
    return Waited(sorted(took), sorted(late), (cpu_s(pid) - before) / len(requests) * 1000)


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _send(port: int, asked: Asked, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (job := await asked.get()) is not None:
        due, request = job
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if due is not None:
            took.append((time.perf_counter() - due) * 1000)
    writer.close()
    await writer.wait_closed()
