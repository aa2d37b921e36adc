"""The door: posts accepted over NDJSON into the stream, against raw pipelined XADD of the same bytes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from tests.bench.workload import texts
from tests.support.ombud import Processes
from tests.support.servers import Broker

POSTS = 40_000
STREAM = "posts.ingested"
RAW_AT_ONCE = 500
LONG_TEXT = 16_000


def lines(language: str | None) -> list[bytes]:
    """Return the posts as a platform sends them; without a language the door has to find it out."""
    said = {} if language is None else {"language": language}
    return [
        orjson.dumps({"platform": "bench", "external_id": str(n), "text": text, **said}) + b"\n"
        for n, text in enumerate(texts(POSTS))
    ]


@contextmanager
def door(folder: Path) -> Iterator[tuple[Processes, Broker]]:
    """Yield a process of ingest alone, as it is run for real, and its broker."""
    broker = Broker(folder / "broker").start()
    ombud = Processes(folder / "data", broker.url, log_level="WARNING")
    try:
        ombud.start("ingest")
        yield ombud, broker
    finally:
        ombud.terminate()
        broker.stop()


async def accepted(folder: Path, language: str | None) -> tuple[float, float]:
    """Return posts per second from the first byte sent until the answer, and entries per second of the raw loop."""
    sent = lines(language)
    with door(folder) as (ombud, broker):
        await ombud.ready("ingest")
        async with ombud.client("ingest") as http:
            begun = time.perf_counter()
            answer = await http.post("/v1/posts:import", content=_pieces(sent), timeout=300)
            ours = POSTS / (time.perf_counter() - begun)
        assert answer.json()["accepted"] == POSTS, answer.text
        theirs = await asyncio.to_thread(_raw, broker)
    return ours, theirs


async def _pieces(sent: list[bytes]) -> AsyncIterator[bytes]:
    for start in range(0, len(sent), RAW_AT_ONCE):
        yield b"".join(sent[start : start + RAW_AT_ONCE])


def _raw(broker: Broker) -> float:
    """Append the very bytes of the events again, to another stream, in pipelines of 500."""
    with broker.client() as redis:
        wires = [fields[b"__data__"] for _, fields in redis.xrange(STREAM)]  # type: ignore[union-attr]
        begun = time.perf_counter()
        for start in range(0, len(wires), RAW_AT_ONCE):
            with redis.pipeline(transaction=False) as pipe:
                for wire in wires[start : start + RAW_AT_ONCE]:
                    pipe.xadd("bench.raw", {"__data__": wire})
                pipe.execute()
        return len(wires) / (time.perf_counter() - begun)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    (line,) = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def growth(folder: Path, gigabytes: float) -> tuple[float, int]:
    """Return by how many MB ingest grew while a stream of that size went through, and how many posts it held.

    The posts are long, so that the broker, which keeps them all, stays within what a machine has.
    """
    count = int(gigabytes * 1e9 / LONG_TEXT)
    filler = ("all the words of a long post " * (LONG_TEXT // 29 + 1))[: LONG_TEXT - 100]

    async def pieces() -> AsyncIterator[bytes]:
        for n in range(count):
            yield orjson.dumps({"platform": "long", "external_id": str(n), "text": f"{n} {filler}"}) + b"\n"

    with door(folder) as (ombud, _):
        await ombud.ready("ingest")
        pid = ombud.pid("ingest")
        async with ombud.client("ingest") as http:
            warm = orjson.dumps({"platform": "long", "external_id": "warm", "text": filler}) + b"\n"
            await http.post("/v1/posts:import", content=warm * 2_000, timeout=60)
            before, most, over = resident_mb(pid), 0.0, asyncio.Event()

            async def watch() -> None:
                nonlocal most
                while not over.is_set():
                    most = max(most, resident_mb(pid))
                    await asyncio.sleep(0.1)

            watching = asyncio.create_task(watch())
            answer = await http.post("/v1/posts:import", content=pieces(), timeout=900)
            over.set()
            await watching
        assert answer.json()["accepted"] == count, answer.text
    return most - before, count
