"""`make bench`: prints each case as a ratio to its baseline of the same run; counters that may gate come last.

Options: `--rounds N` (default 3), `--only bus|pipeline|latency|counters`.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from tests.bench import bus, counters, pipeline
from tests.bench.workload import texts

CASES = ("bus", "pipeline", "latency", "counters")


async def measure_bus(folder: Path, rounds: int) -> list[tuple[str, str, float, float, float]]:
    """Return rows (case, baseline, ours, theirs, wanted ratio) of the bus."""
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
            (label, "the live model alone, batches of 200", pipeline.median(ours), pipeline.median(theirs), wanted)
        )
    return rows


async def main() -> int:
    """Run the chosen cases and print them; return 1 only if a counter passes its limit."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CASES, action="append")
    options = parser.parse_args()
    only = options.only or CASES
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
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
            shown = ", ".join(
                f"p{int(share * 100)} {pipeline.quantile(times, share):.0f} ms" for share in (0.5, 0.95, 0.99)
            )
            console.print(f"accepted to scored at {pipeline.RATE} posts/s, split: {shown} (wanted: p95 < 150 ms)")
        if "counters" in only:
            faults = await counters.measure(folder / "counters", console)
            return 1 if faults else 0
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
