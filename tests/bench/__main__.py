"""`make bench`: prints each case as a ratio to its baseline of the same run; counters that may gate come last.

Options: `--rounds N` (default 3), `--only CASE` (again and again for more than one), `--gigabytes N` of the flat case.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from tests.bench import (
    audit_views,
    audits,
    bus,
    counters,
    door,
    feed,
    learning,
    pages,
    personal,
    pipeline,
    ratings,
    scaling,
    scoring,
    status,
    topics,
    waiting,
)
from tests.bench.workload import texts
from tests.support.databases import Databases

CASES = (
    "scoring",
    "status",
    "bus",
    "pipeline",
    "latency",
    "waiting",
    "door",
    "scaling",
    "feed",
    "flat",
    "learning",
    "personal",
    "ratings",
    "topics",
    "audits",
    "pages",
    "counters",
)
FLAT_MB = 48
"""Ingest may grow by this while a stream of any length goes through it: its buffers, never the stream."""


async def measure_bus(folder: Path, rounds: int) -> list[tuple[str, str, float, float, float]]:
    """Return rows (case, baseline, ours, theirs, wanted ratio) of the bus."""
    bus.collect_as_services_do()
    ours, theirs, said, said_raw = [], [], [], []
    for n in range(rounds):
        theirs.append(await bus.timed(folder / f"raw{n}", bus.raw))
        ours.append(await bus.timed(folder / f"kit{n}", bus.kit))
        kit, raw = await bus.publish(folder / f"publish{n}")
        said.append(kit)
        said_raw.append(raw)
    middle = pipeline.median
    return [
        (
            "kit, consume to produce",
            "raw redis-py loop: reads, validation, MULTI, acks",
            middle(ours),
            middle(theirs),
            0.6,
        ),
        ("publish_many", "raw redis-py pipeline of the same bytes", middle(said), middle(said_raw), 0.5),
    ]


async def measure_pipeline(folder: Path, rounds: int) -> list[tuple[str, str, float, float, float]]:
    """Return rows of the whole pipeline, embedded and split."""
    posts, rows = texts(pipeline.POSTS), []
    for name, shape, wanted in (("embedded", pipeline.one_process, 0.35), ("split", pipeline.split, 0.5)):
        ours, theirs = [], []
        for n in range(rounds):
            async with shape(folder / f"{name}{n}") as (http, url, model):
                theirs.append(await asyncio.to_thread(pipeline.model_alone, model, posts))
                ours.append(await pipeline.throughput(http, url, posts))
        label = f"whole pipeline, {name}, posts/s"
        rows.append(
            (
                label,
                "the model's reference path alone, batches of 200",
                pipeline.median(ours),
                pipeline.median(theirs),
                wanted,
            )
        )
    return rows


async def measure_door(folder: Path, rounds: int, console: Console) -> None:
    """Print how many posts per second ingest accepts over NDJSON, and the ratio to raw pipelined XADD."""
    for name, language in (("language given", "en"), ("language detected", None)):
        ours, theirs = [], []
        for n in range(rounds):
            accepted, raw = await door.accepted(folder / f"door {name} {n}", language)
            ours.append(accepted)
            theirs.append(raw)
        mine, raw = pipeline.median(ours), pipeline.median(theirs)
        console.print(
            f"accepted over NDJSON, {name}: {mine:,.0f} posts/s (wanted: 5,000); raw pipelined XADD of the same bytes "
            f"{raw:,.0f}/s, ratio {mine / raw:.2f}"
        )


async def measure_scaling(folder: Path, rounds: int, console: Console) -> None:
    """Print how much more gets through with more processes that wait for an LLM, and what each call takes of whom."""
    databases = Databases(folder)
    try:
        for latency in scaling.LATENCIES_S:
            found = {
                count: sorted(
                    [
                        await scaling.pace(folder / f"{latency} {count} {n}", databases, count, latency)
                        for n in range(rounds)
                    ],
                    key=lambda each: each.per_second,
                )[rounds // 2]
                for count in scaling.REPLICAS
            }
            for count, each in found.items():
                wanted = f" (wanted: >= {scaling.WANTED[count]})" if count in scaling.WANTED else ""
                cpu = ", ".join(f"{name} {ms:.1f}" for name, ms in each.cpu_ms.items())
                console.print(
                    f"{count} classifiers, {latency * 1000:.0f} ms a call: {each.per_second:,.0f} posts/s, "
                    f"{each.per_second / found[1].per_second:.2f} times one{wanted}; {each.cores:.2f} of "
                    f"{os.cpu_count()} cores in use; CPU ms per call: {cpu}"
                )
    finally:
        databases.stop()


async def measure_flat(folder: Path, gigabytes: float, console: Console) -> bool:
    """Print by how much ingest grew while a long stream went through; return whether it stayed flat."""
    grown, count = await door.growth(folder / "flat", gigabytes)
    console.print(f"{gigabytes} GB in {count:,} posts over NDJSON: ingest grew by {grown:.0f} MB (limit: {FLAT_MB})")
    return grown <= FLAT_MB


def show_scoring(rounds: int, console: Console) -> None:
    """Print how fast the model is by itself, and the ratios to the seed's detector on the same texts."""
    found = scoring.compare(rounds)
    (_, base), *_ = found.items()
    table = Table(
        "one thread, the same texts, CPU", "batches of 500, texts/s", "ratio", "one text p50 us", "ratio", "p99 us"
    )
    for name, each in found.items():
        ratios = (each.batch / base.batch, base.p50 / each.p50)
        table.add_row(
            name,
            f"{each.batch:,.0f}",
            f"{ratios[0]:.1f}",
            f"{each.p50:.0f}",
            f"{ratios[1]:.1f}",
            f"{each.p99:.0f}",
        )
    console.print(table)
    console.print("wanted of the fast path: 100 in batches, 20 for one text")


def show_status(rounds: int, folder: Path, console: Console) -> None:
    """Print what histories of Community Notes cost per note, and the ratios to going through the rows one by one."""
    theirs, ours = status.compare(rounds, folder)
    table = Table("one thread, CPU per note", "notes", "us", "ratio", "grew by MiB", "wanted")
    for each in theirs:
        table.add_row(each.name, f"{each.notes:,}", f"{each.micros:.1f}")
    wanted = {"a round in memory": ">= 200", "from file to file": ">= 40", "one transition by event": "<= 3 us"}
    for each in ours:
        base = theirs["file" in each.name].micros
        grown = "" if each.mib is None else f"{each.mib:.0f}"
        promised = "memory" not in each.name or each.notes == status.PROMISED
        said = wanted[each.name] if promised else ""
        table.add_row(each.name, f"{each.notes:,}", f"{each.micros:.2f}", f"{base / each.micros:.0f}", grown, said)
    console.print(table)


def shown(times: list[float], digits: int = 0) -> str:
    """Return the quantiles of sorted milliseconds that people look at."""
    shares = (0.5, 0.95, 0.99)
    return ", ".join(f"p{int(share * 100)} {pipeline.quantile(times, share):.{digits}f} ms" for share in shares)


async def main() -> int:
    """Run the chosen cases and print them; return 1 only if a counter or memory passes its limit."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--gigabytes", type=float, default=0.25)
    options = parser.parse_args()
    only = options.only or CASES
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "scoring" in only:
            show_scoring(options.rounds, console)
        if "status" in only:
            show_status(options.rounds, folder, console)
        rows = await measure_bus(folder, options.rounds) if "bus" in only else []
        rows += await measure_pipeline(folder, options.rounds) if "pipeline" in only else []
        table = Table("case", "baseline of the same run", "ours /s", "baseline /s", "ratio", "wanted")
        for case, baseline, ours, theirs, wanted in rows:
            table.add_row(case, baseline, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}", f">= {wanted}")
        if rows:
            console.print(table)
        if "latency" in only:
            async with pipeline.split(folder / "latency") as (http, url, _):
                times = await pipeline.latencies(http, url)
            console.print(
                f"accepted to scored at {pipeline.RATE} posts/s, split: {shown(times)} (wanted: p95 < 150 ms)"
            )
        if "waiting" in only:
            predict, alone = await waiting.latencies(folder / "waiting")
            console.print(
                f"POST /predict at {waiting.RATE} requests/s: {shown(predict.took, 1)}, {predict.cpu:.2f} ms CPU each "
                f"(wanted: p99 <= 5 ms); GET /livez, HTTP alone, in the same run: {shown(alone.took, 1)}, "
                f"{alone.cpu:.2f} ms CPU each; a timer alone was late: {shown(sorted(predict.late + alone.late), 1)}"
            )
        if "feed" in only:
            listeners, alone, cpu = await feed.lags(folder / "feed")
            console.print(
                f"event feed, {feed.LISTENERS} listeners at {feed.RATE} events/s, said to received: {shown(listeners)} "
                f"(wanted: p95 < 100 ms), {cpu:.0%} of a core; XREAD alone in the same run: {shown(alone)}"
            )
        if "door" in only:
            await measure_door(folder, options.rounds, console)
        if "scaling" in only:
            await measure_scaling(folder, options.rounds, console)
        if "ratings" in only:
            for line in ratings.lines(await ratings.measure(folder / "ratings")):
                console.print(line)
        sound = await measure_flat(folder, options.gigabytes, console) if "flat" in only else True
        if "learning" in only:
            learning.measure(console)
        if "personal" in only:
            personal.measure(console)
        if "topics" in only:
            topics.measure(console)
        if "audits" in only:
            audits.measure(console)
            sound = await audit_views.measure(folder / "audits", console) and sound
        if "pages" in only:
            await pages.measure(folder / "pages", console)
        if "counters" in only:
            sound = not await counters.measure(folder / "counters", console) and sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
