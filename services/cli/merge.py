"""`ombud merge FILE... --into TRAINING_SET.jsonl`: harvests and labelled files become one training set.

Invariant: the set is written whole or not at all, and the same files give the same bytes in whatever order and however
often they are merged.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from services.catalog import part_of
from services.cli.judged_files import Wanted, material
from services.cli.rows import Row, Shape, opened, rows_of, shape_of

PRINTED = 20
LINES = ("text", "labels", "source")
"""What a training line has; a file of them needs no layout."""


def merge(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Harvests and labelled files.")],
    into: Annotated[Path, typer.Option(dir_okay=False, help="The training set; made if it is not there.")],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, envvar="OMBUD_HELD_OUT", help="Texts that must teach nothing."),
    ] = None,
    drop: Annotated[bool, typer.Option("--drop-held-out", help="Leave rows of held-out texts out and go on.")] = False,
    layout: Annotated[
        str, typer.Option("--format", help="Layout of labelled files, as `ombud evaluate` knows them.")
    ] = "auto",
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write what became of the rows as JSON.")] = None,
) -> None:
    """Add files to a training set: one row per text, corrections before other labels, newer before older.

    Ends with 0, with 1 if lines were left out as malformed or a row equals a held-out text (then nothing is written),
    with 2 if a file could not be read.
    """
    console = Console()
    merging = _begun(into, held_out or ())
    for path in files:
        _take(merging, path, layout)
    stopped = bool(merging.leaks) and not drop
    if not stopped:
        _write(into, merging.lines())
    document = merging.report(into.name, not stopped)
    _show(console, document)
    if report is not None:
        report.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    for hit in document["leaks"][:PRINTED]:
        console.print(hit, highlight=False, soft_wrap=True, markup=False)
    if stopped:
        console.print(
            f"[red]{len(merging.leaks)} rows equal a held-out text;[/] nothing was written (--drop-held-out)."
        )
    if stopped or any(account.malformed for account in merging.accounts):
        raise typer.Exit(1)


def _begun(into: Path, held_out: Sequence[Path]) -> Any:
    part = part_of("merge")
    try:
        merging = part.Merging(held_out)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--held-out: {error}") from None
    try:
        if into.exists():
            merging.start(into.name, ((row.at, row.value) for row in _lines(into)))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{into.name} is no training set: {error}") from None
    return merging


def _take(merging: Any, path: Path, layout: str) -> None:
    try:
        shape = shape_of(path)
        if layout == "auto" and shape.kind == "jsonl" and set(LINES) <= set(shape.names):
            account = merging.account(path.name, "training lines")
            for row in _lines(path):
                if row.fault is None:
                    merging.take(account, row.at, row.value)
                else:
                    merging.fault(account, row.at, row.fault[1])
            return
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise typer.BadParameter(f"{path.name} cannot be read: {error}") from None
    read = material(path, Wanted(layout, split="all"))
    if read.layout in part_of("merge").JUDGING_ONLY:
        raise typer.BadParameter(f"{path.name} is {read.title}: that judges models and teaches none")
    account = merging.account(path.name, read.layout, dict(read.left_out))
    for case in read.cases:
        merging.take_case(account, case)


def _lines(path: Path) -> Iterator[Row]:
    with opened(path) as file:
        yield from rows_of(file, Shape("jsonl", ()))


def _write(path: Path, lines: Sequence[Any]) -> None:
    """Write all lines, whole or not at all; what is the same already is left alone."""
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)


def _show(console: Console, document: dict[str, Any]) -> None:
    table = Table("file", "rows", "new", "merged", "unchanged", "malformed", "unknown", "left out")
    for each in document["files"]:
        numbers = (each["read"], each["new"], each["merged"], each["unchanged"])
        faults = (len(each["malformed"]), len(each["unknown"]))
        left_out = ", ".join(f"{count} {why}" for why, count in each["left_out"].items())
        table.add_row(f"{each['file']} ({each['layout']})", *map(str, (*numbers, *faults)), left_out or "-")
    console.print(table)
    for each in document["files"]:
        for fault in each["malformed"][:PRINTED]:
            console.print(f"{each['file']} line {fault['line']}: {fault['detail']}", markup=False, highlight=False)
        for fault in each["unknown"][:PRINTED]:
            name = fault["name"]
            console.print(f"{each['file']} line {fault['line']}: no category {name}", markup=False, highlight=False)
    for category, ends in document["conflicts"].items():
        said = ", ".join(f"{count} by {end}" for end, count in ends.items())
        console.print(f"{category}: lines differ, ended {said}", highlight=False)
    console.print(
        f"{document['into']}: {document['rows_before']} rows before, {document['rows']} now, "
        f"{document['unknown_by_contradiction']} labels unknown by contradiction.",
        highlight=False,
        soft_wrap=True,
    )
