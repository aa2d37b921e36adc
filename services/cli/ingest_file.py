"""`ombud ingest FILE`: JSONL or CSV, plain or gzip, with a progress bar, and on again where it stopped.

Progress is written after the server took a chunk, so a second start repeats at most one chunk; ids make that harmless.
"""

import asyncio
import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.connection import explain
from shared.ids import digest

CHUNK = 2_000
PATIENCE = 60
TEXT_COLUMNS = ("text", "comment_text", "content", "body", "comment", "tweet", "post")
ID_COLUMNS = ("external_id", "id", "comment_id", "status_id", "post_id", "rev_id")
FIELDS = ("language", "author", "url", "reply_to", "created_at", "edited_at", "platform")


@dataclass
class Totals:
    """How an ingestion went so far."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


def opened(path: Path) -> Any:
    """Return a text file, unpacked when its name ends in .gz; bytes that are no UTF-8 pass and are refused later."""
    opener = gzip.open if path.suffix == ".gz" else Path.open
    return io.TextIOWrapper(opener(path, "rb"), "utf-8-sig", errors="surrogateescape", newline="")


def layout_of(path: Path) -> str:
    """Return `csv` or `jsonl` by the file's name. Raises BadParameter for anything else."""
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if name.endswith((".csv", ".tsv")):
        return "csv"
    raise typer.BadParameter("say --format jsonl or --format csv; the file's name does not tell")


def rows_of(path: Path, layout: str) -> Iterator[Any]:
    """Yield each row of a file as an object; a line that is no JSON is yielded as the text it is."""
    with opened(path) as file:
        if layout == "csv":
            csv.field_size_limit(4 * 1024 * 1024)
            for row in csv.DictReader(file, delimiter="\t" if ".tsv" in path.name else ",", restkey="surplus"):
                yield {name: cell for name, cell in row.items() if cell}  # an empty cell says nothing
            return
        for line in file:
            if line.strip():
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    yield line


def post_from(row: Any, number: int, *, platform: str, source: str) -> Any:
    """Return a row in the shape of POST /v1/posts; pure. What is no row stays as it is and is refused with a reason."""
    if not isinstance(row, dict):
        return row
    if "external_id" in row and "text" in row and all(value is not None for value in row.values()):
        return {"platform": platform, **row}
    text = next((row[name] for name in TEXT_COLUMNS if row.get(name)), None)
    name = next((str(row[name]) for name in ID_COLUMNS if row.get(name)), f"{source}-{number}")
    post = {"platform": platform, "external_id": name, "text": text}
    return post | {field: row[field] for field in FIELDS if row.get(field)}


def chunked(posts: Iterable[Any], skip: int) -> Iterator[list[Any]]:
    """Yield posts in chunks after leaving out the first `skip`."""
    chunk: list[Any] = []
    for number, post in enumerate(posts):
        if number >= skip:
            chunk.append(post)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def encode(post: Any) -> bytes:
    """Return one NDJSON line; what was no JSON goes as it came, so that the server says why it is refused."""
    if isinstance(post, str):
        return post.strip().encode("utf-8", "surrogateescape") + b"\n"
    try:
        return orjson.dumps(post) + b"\n"
    except TypeError:  # a text that was no UTF-8
        return json.dumps(post).encode() + b"\n"


async def send(http: httpx.AsyncClient, chunk: list[Any]) -> dict[str, Any]:
    """Send one chunk, waiting while the server asks for it. Raises Exit with the reason when it refuses."""
    body = b"".join(encode(post) for post in chunk)
    reason = ""
    for turn in range(PATIENCE):
        try:
            answer = await http.post("/v1/posts:import", content=body, headers={"Content-Type": "application/x-ndjson"})
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


async def ingest_file(
    console: Console,
    http: httpx.AsyncClient,
    path: Path,
    *,
    layout: str,
    platform: str,
    progress_dir: Path,
    restart: bool,
) -> Totals:
    """Send a whole file and return the totals; rejected lines are printed by number with the reason."""
    total = sum(1 for _ in rows_of(path, layout))
    source = digest(str(path.resolve()).encode())[:12]
    mark = progress_dir / f"{digest(f'{http.base_url}|{platform}|{path.resolve()}|{total}'.encode())[:24]}.json"
    totals = Totals() if restart or not mark.exists() else Totals(**orjson.loads(mark.read_bytes()))
    if totals.rows:
        console.print(f"Going on after row {totals.rows}; --restart begins anew.")
    progress_dir.mkdir(parents=True, exist_ok=True)
    posts = (
        post_from(row, number, platform=platform, source=source) for number, row in enumerate(rows_of(path, layout), 1)
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(path.name, total=total, completed=totals.rows)
        for chunk in chunked(posts, totals.rows):
            summary = await send(http, chunk)
            for each in summary["rejected"]:
                console.print(f"row {totals.rows + each['at']}: {each['field']} {each['reason']}: {each['detail']}")
            totals.rows += len(chunk)
            totals.accepted += summary["accepted"]
            totals.duplicates += summary["duplicates"]
            totals.rejected += summary["rejected_total"]
            mark.write_bytes(orjson.dumps(vars(totals)))
            progress.update(task, completed=totals.rows)
    return totals
