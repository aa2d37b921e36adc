"""Somebody waits: single texts over loopback HTTP at a steady rate, beside requests that ask for nothing.

The sender speaks HTTP by hand over connections that stay open: a client library would take longer than the answer. A
request is measured from the moment it was to be sent, so that waiting for a free connection counts.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from tests.bench.workload import texts
from tests.support.ombud import KEY
from tests.support.shapes import split

RATE, SECONDS, WARM_S = 200, 15, 2
CONNECTIONS = 16

Asked = asyncio.Queue[tuple[float | None, bytes] | None]


async def latencies(folder: Path) -> tuple[list[float], list[float]]:
    """Return sorted milliseconds of each answer at 200 requests a second: of /predict, and of /livez (HTTP alone).

    Every service runs in a process of its own, the trainer having made the first model; each answer has to be a 200.
    """
    posts = texts(RATE * (SECONDS + WARM_S))
    predict = [_request("POST", "/predict", orjson.dumps({"inputs": text})) for text in posts]
    async with split(folder, log_level="WARNING") as (ombud, _):
        port = ombud.ports["classifier"]
        return await _steady(port, predict), await _steady(port, [_request("GET", "/livez")] * len(posts))


async def _steady(port: int, requests: Sequence[bytes]) -> list[float]:
    asked: Asked = asyncio.Queue()
    took: list[float] = []
    senders = [asyncio.create_task(_send(port, asked, took)) for _ in range(CONNECTIONS)]
    begun = time.perf_counter() + 0.2
    for n, request in enumerate(requests):
        await asyncio.sleep(max(0.0, begun + n / RATE - time.perf_counter()))
        asked.put_nowait((time.perf_counter() if n >= RATE * WARM_S else None, request))
    for _ in senders:
        asked.put_nowait(None)
    await asyncio.gather(*senders)
    return sorted(took)


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
