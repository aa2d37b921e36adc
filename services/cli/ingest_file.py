"""`ombud ingest FILE`: tells what a file is, sends its posts with a progress bar, and goes on where it stopped.

Progress is written after the server took a chunk, so a second start repeats at most one chunk; ids make that harmless.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.connection import explain
from services.cli.layouts import Mapper
from services.cli.recognising import Source, explained
from services.cli.rejections import Rejection, Report
from services.cli.rows import Row, opened, rows_of
from shared.ids import digest

CHUNK = 1_000
"""Rows of one request: as many as the server lists rejections of."""
CHUNK_BYTES = 4 * 1024 * 1024
PATIENCE = 60
PRINTED = 20
"""Rejections that are printed; the report has all of them."""


@dataclass
class Totals:
    """How an ingestion went so far, and the report of rejected rows with its size."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    report: str = ""
    reported: int = 0


def encode(post: Any) -> bytes | None:
    """Return one NDJSON line, None for what was no UTF-8."""
    try:
        return orjson.dumps(post) + b"\n"
    except TypeError:
        return None


def chunked(rows: Iterable[Row], skip: int) -> Iterator[list[Row]]:
    """Yield rows in chunks of some thousand or some MiB of file, after leaving out the first `skip`."""
    chunk: list[Row] = []
    begun = 0
    for number, row in enumerate(rows):
        if number < skip:
            begun = row.read
            continue
        chunk.append(row)
        if len(chunk) == CHUNK or row.read - begun >= CHUNK_BYTES:
            yield chunk
            chunk, begun = [], row.read
    if chunk:
        yield chunk


async def send(http: httpx.AsyncClient, lines: list[bytes]) -> dict[str, Any]:
    """Send some lines, waiting while the server asks for it. Raises BadParameter with the reason when it refuses."""
    reason = ""
    for turn in range(PATIENCE):
        try:
            kind = {"Content-Type": "application/x-ndjson"}
            answer = await http.post("/v1/posts:import", content=b"".join(lines), headers=kind)
        except httpx.TransportError as error:
            reason = f"no connection ({type(error).__name__})"
            await asyncio.sleep(min(0.2 * 2**turn, 5))
            continue
        if answer.status_code == 202:
            summary: dict[str, Any] = answer.json()
            return summary
        reason = explain(answer)
        if answer.status_code not in (429, 500, 502, 503, 504):
            break
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
    raise typer.BadParameter(f"the server refuses: {reason}")


async def all_rejected(http: httpx.AsyncClient, lines: list[bytes], summary: dict[str, Any]) -> dict[int, Any]:
    """Return every rejection by the line's index; a server that lists few is asked again about halves."""
    if len(summary["rejected"]) == summary["rejected_total"] or len(lines) == 1:
        return {each["at"] - 1: each for each in summary["rejected"]}
    half = len(lines) // 2
    found: dict[int, Any] = {}
    for start, part in ((0, lines[:half]), (half, lines[half:])):
        again = await all_rejected(http, part, await send(http, part))
        found |= {start + at: each for at, each in again.items()}
    return found


async def take(http: httpx.AsyncClient, rows: list[Row], totals: Totals, mapper: Mapper) -> list[Rejection]:
    """Send a chunk, count what became of it and return what was rejected, in order."""
    rejected, sent, lines = [], [], []
    for number, row in enumerate(rows, totals.rows + 1):
        line = encode(mapper.post(row.value, number)) if row.fault is None else None
        if line is not None:
            sent.append(row)
            lines.append(line)
        else:
            reason, detail = row.fault or ("not_utf8", "This row is not UTF-8.")
            field = "surplus" if reason == "surplus_cells" else ""
            rejected.append(Rejection(row.at, field, reason, detail))
    if lines:
        summary = await send(http, lines)
        totals.accepted += summary["accepted"]
        totals.duplicates += summary["duplicates"]
        refusals = await all_rejected(http, lines, summary)
        rejected += [Rejection(sent[at].at, r["field"], r["reason"], r["detail"]) for at, r in refusals.items()]
    totals.rows += len(rows)
    totals.rejected += len(rejected)
    return sorted(rejected, key=lambda each: each.line)


def read_mark(mark: Path) -> Totals:
    """Return how far an earlier start came; a mark that was cut off in a crash counts for nothing."""
    try:
        return Totals(**orjson.loads(mark.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return Totals()


def write_mark(mark: Path, totals: Totals) -> None:
    """Keep how far we came; whole or not at all."""
    new = mark.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(totals)))
    new.replace(mark)


def begun(path: Path | None, totals: Totals) -> Report | None:
    """Return the report at `path`, behind what an earlier start wrote there."""
    if path is None:
        return None
    name = str(path.resolve())
    report = Report(path, totals.reported if totals.report == name else 0)
    totals.report = name
    return report


async def ingest_file(
    console: Console,
    http: httpx.AsyncClient,
    source: Source,
    *,
    platform: str | None,
    progress_dir: Path,
    restart: bool,
    rejected: Path | None,
) -> Totals:
    """Send a whole file and return the totals; rejected rows are printed by line, and all of them reported."""
    console.print(explained(source), markup=False, highlight=False)
    mapper = Mapper(source.layout, platform, source.content[:12])
    key = f"{http.base_url}|{platform}|{source.key}"
    progress_dir.mkdir(parents=True, exist_ok=True)
    mark = progress_dir / f"{digest(key.encode())[:24]}.json"
    totals = Totals() if restart else read_mark(mark)
    if totals.rows:
        console.print(f"Going on after row {totals.rows}; --restart begins anew.")
    report = begun(rejected, totals)
    if report and totals.rejected and not report.goes_on:
        console.print(f"{rejected} lists nothing of the first {totals.rows} rows; --restart lists them again.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rows]} rows"))
    with opened(source.path) as file, Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(source.path.name, total=source.size, rows=totals.rows)
        for rows in chunked(rows_of(file, source.shape), totals.rows):
            printed = totals.rejected
            refused = await take(http, rows, totals, mapper)
            if report:
                totals.reported = report.add(refused)
            write_mark(mark, totals)
            for number, each in enumerate(refused, printed):
                if number < PRINTED:
                    console.print(str(each), markup=False, highlight=False)
                elif number == PRINTED:
                    console.print("More rows were rejected; --rejected FILE lists all of them.")
            progress.update(task, completed=rows[-1].read, rows=totals.rows)
        progress.update(task, completed=source.size)
    if report:
        report.close()
    return totals
