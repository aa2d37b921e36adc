"""`ombud harvest`: corrections of a running Ombud, of a server with the harvest tool's endpoints, or of files, as
training lines in a file.

Invariant: the file is written whole or not at all, an earlier harvest's lines stay as they are, and what is wrong with
a line is told by its number, never with its text.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any
from uuid import uuid4

import httpx
import orjson
import typer
from rich.console import Console

from services.catalog import part_of
from services.cli.connection import client
from services.cli.pages import PAGE, NoList, listed
from services.cli.rejections import Rejection, Report
from services.cli.rows import Shape, opened, rows_of
from shared.clock import utcnow
from shared.settings import Settings

PRINTED = 20
"""Faults that are printed without --verbose; --rejected FILE lists all."""
UNKNOWN_PATH = (404, 405, 422)
"""What servers that have no such list answer."""
FEEDBACK, RETRACTIONS = "/api/v1/feedback", "/api/v1/feedback/retractions"


def harvest(
    context: typer.Context,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on, midnight in UTC, inclusive.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Default: <data>/feedback/harvest_YYYYMMDD.jsonl, day in UTC.")
    ] = None,
    inference_url: Annotated[
        str | None, typer.Option(help="Another server that gives out corrections, e.g. http://localhost:3501.")
    ] = None,
    corrections: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="File of correction lines; repeatable.")
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(dir_okay=False, help="List lines left out here, as CSV or (.jsonl) JSON lines.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print every line that is left out, and every step.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one here.")] = None,
    key: Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")] = None,
) -> None:
    """Write corrections as training lines; the same command again adds what is new and takes out what was taken back.

    Ends with 0, with 1 if lines were left out as malformed, with 2 if nothing could be read.
    """
    console = Console()
    if inference_url is not None and getattr(context.get_parameter_source("key"), "name", "") != "COMMANDLINE":
        key = None  # the key in the environment is our own Ombud's
    part, found, taken_back = part_of("harvest"), part_of("harvest").Found(), set[str]()
    start = None if since is None else since.replace(tzinfo=UTC)
    now = utcnow()
    target = output or Settings().data_dir / "feedback" / f"harvest_{now:%Y%m%d}.jsonl"
    kept = _kept(target)
    for path in corrections or ():
        _read(console, path, found, start, verbose)
    if inference_url is not None or not corrections:
        taken_back |= asyncio.run(_asked(console, _server(inference_url, url, key), found, start, verbose))
    lines = part.training_lines(found.said, harvested_at=now.isoformat(), run_id=uuid4().hex[:12])
    joined = part.joined(kept, lines, taken_back)
    _told(console, found, rejected, verbose)
    if (joined.added or joined.replaced or joined.removed) or (kept and len(joined.lines) < len(kept)):
        _write(target, joined.lines)
    console.print(
        f"{found.read} corrections read: {joined.added} texts added, {joined.replaced} changed, {joined.removed} lines "
        f"taken out; {found.too_old} too old, {found.silent} about no category, {len(found.malformed)} malformed, "
        f"{len(found.unknown)} unknown categories.",
        highlight=False,
    )
    where = f"{len(joined.lines)} lines in {target}" if target.exists() else "Nothing to write, so there is no file"
    console.print(f"{where}.", highlight=False, soft_wrap=True)
    if found.malformed:
        raise typer.Exit(1)


def _server(inference_url: str | None, url: str | None, key: str | None) -> httpx.AsyncClient:
    """Return a client; this machine's key is for its own Ombud, another server gets the one on the command line."""
    if inference_url is None:
        return client(url, key)
    if not inference_url.startswith(("http://", "https://")):
        raise typer.BadParameter("--inference-url is an address like http://localhost:3501")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=inference_url, headers=headers)


async def _asked(
    console: Console, http: httpx.AsyncClient, found: Any, since: datetime | None, verbose: bool
) -> set[str]:
    """Put what a server gives out into `found`; return the ids of corrections that were taken back."""
    hear = part_of("harvest").hear
    query = {"limit": str(PAGE), **({"since": since.date().isoformat()} if since else {})}
    taken_back: set[str] = set()
    async with http:
        try:
            async for page in listed(http, FEEDBACK, {**query, "ids": "true"}):
                for value in page:
                    hear(found, found.read + 1, value, since)
                if verbose:
                    console.print(f"{found.read} corrections read", highlight=False)
        except NoList as error:
            raise typer.BadParameter(f"{http.base_url.host} gives no corrections: {error}") from None
        try:
            async for page in listed(http, RETRACTIONS, query):
                taken_back |= {str(each.get("retracts")) for each in page if isinstance(each, dict)}
        except NoList as error:
            if error.status not in UNKNOWN_PATH:
                raise typer.BadParameter(f"{http.base_url.host} does not say what was taken back: {error}") from None
            if verbose:
                console.print("This server does not know of corrections that were taken back.")
    return taken_back


def _read(console: Console, path: Path, found: Any, since: datetime | None, verbose: bool) -> None:
    """Put the lines of a file into `found`, malformed ones by their line."""
    part = part_of("harvest")
    with opened(path) as file:
        for row in rows_of(file, Shape("jsonl", ())):
            if row.fault is not None:
                found.read += 1
                found.malformed.append(part.Fault(row.at, "", *row.fault))
            else:
                part.hear(found, row.at, row.value, since)
    if verbose:
        console.print(f"{path.name} was read", highlight=False)


def _kept(path: Path) -> list[dict[str, Any]]:
    """Return the training lines of an earlier harvest. Ends the command where the file is none."""
    if not path.exists():
        return []
    lines = []
    with opened(path) as file:
        for row in rows_of(file, Shape("jsonl", ())):
            known = isinstance(row.value, dict) and isinstance(row.value.get("text"), str)
            if not known or not isinstance(row.value.get("labels"), dict):
                raise typer.BadParameter(f"{path} line {row.at} is no training line; name another file for --output")
            lines.append(row.value)
    return lines


def _write(path: Path, lines: Sequence[Any]) -> None:
    """Write all lines, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        part.writelines(orjson.dumps(line) + b"\n" for line in lines)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)


def _told(console: Console, found: Any, rejected: Path | None, verbose: bool) -> None:
    """Say what is wrong with which lines, and write all of it where it is asked for."""
    faults = [
        Rejection(each.number, each.field, each.reason, each.detail) for each in (*found.malformed, *found.unknown)
    ]
    for each in faults if verbose else faults[:PRINTED]:
        console.print(str(each), markup=False, highlight=False, soft_wrap=True)
    if len(faults) > PRINTED and not verbose:
        console.print(f"{len(faults) - PRINTED} more; --verbose prints all, --rejected FILE lists them.")
    if rejected is not None:
        report = Report(rejected)
        report.add(faults)
        report.close()
