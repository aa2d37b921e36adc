"""`ombud status`: histories of Community Notes from file to file, without a server.

Invariant: whatever is refused ends with 1 and the reason, and writes nothing.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from services.catalog import part_of

app = typer.Typer(help="Status histories: of your own posts, and of Community Notes from file to file.")

Files = typer.Option(exists=True, help="File, or folder of shards; repeatable. gzip and zip are told by content.")
Profile = Annotated[str, typer.Option(help="Whose rules and columns: 2024-10, 2024-12 or 2026-07.")]
History = Annotated[list[Path], Files]
Notes = Annotated[list[Path], Files]
Scored = Annotated[list[Path], Files]
Now = Annotated[float, typer.Option("--now-millis", help="The moment of the round, ms since 1970; also a fraction.")]
Output = Annotated[Path, typer.Option("--output", dir_okay=False, help="Where the history is written.")]
Checks = Annotated[
    Path | None, typer.Option("--flip-checks", exists=True, dir_okay=False, help="JSON list of flip checks.")
]
Rules = Annotated[str | None, typer.Option(help="The profile's own flip checks: full or partial.")]
Ratings = Annotated[
    Path | None, typer.Option("--new-ratings", exists=True, dir_okay=False, help="Ids rated since the last round.")
]
Raw = Annotated[bool, typer.Option("--raw", help="Print numbers as Community Notes' own writer does.")]
PART = "polars"
TABLE = 110
"""Columns a table needs at least, so that a name stays in one line."""


@app.command("import")
def import_(history: History, output: Output, profile: Profile = "2024-12", raw: Raw = False) -> None:
    """Read a history of any generation (9 to 24 columns) and print it canonically."""
    console = Console(stderr=True)
    with console.status("reading"):
        found = _asked(console, lambda part: part.converted(history, output, profile, raw=raw))
    _warn(console, found.warnings)
    console.print(f"{found.rows} notes written to {output}")


@app.command("export")
def export(history: History, output: Output, profile: Profile = "2024-12", raw: Raw = False) -> None:
    """Print a history in the columns of a profile, with --raw as Community Notes' own writer does."""
    import_(history, output, profile, raw)


@app.command()
def update(
    history: History,
    notes: Notes,
    scored: Scored,
    now_millis: Now,
    output: Output,
    profile: Profile = "2024-12",
    flip_checks: Checks = None,
    rules: Rules = None,
    new_ratings: Ratings = None,
    engine: Annotated[str, typer.Option(help="columns (all at once) or events: the same result.")] = "columns",
    raw: Raw = False,
) -> None:
    """Apply one round and write the history after it; a failed check or a refused input writes nothing."""
    console = Console(stderr=True)
    if engine not in ("columns", "events"):
        raise typer.BadParameter("--engine is columns or events")

    def work(part: Any) -> Any:
        inputs = _inputs(part, history, notes, scored, now_millis, flip_checks, rules, new_ratings)
        with console.status("reading") as status:
            return part.updated(inputs, output, profile, engine=engine, raw=raw, step=status.update)

    found = _asked(console, work)
    _warn(console, found.warnings)
    for flips in found.flips:
        console.print(str(flips), highlight=False)
    console.print(f"{found.rows} notes written to {output}, {found.added} of them new")


@app.command("check-flips")
def check_flips(
    history: History,
    notes: Notes,
    scored: Scored,
    now_millis: Now,
    profile: Profile = "2024-12",
    flip_checks: Checks = None,
    rules: Rules = None,
    new_ratings: Ratings = None,
) -> None:
    """Say how many statuses a round would gain and lose; ends with 1 if a check fails."""
    console = Console(stderr=True)

    def work(part: Any) -> Any:
        inputs = _inputs(part, history, notes, scored, now_millis, flip_checks, rules or _all(flip_checks), new_ratings)
        with console.status("reading") as status:
            return part.checked(inputs, profile, status.update)

    found = _asked(console, work)
    table = Table("check", "before", "after", "gained", "lost", "", box=SIMPLE)
    table.columns[0].overflow = "fold"
    for each in found:
        numbers = (str(number) for number in (each.before, each.after, each.gained, each.lost))
        name = each.name if each.name == each.rule.lower() else f"{each.name} ({each.rule})"
        table.add_row(name, *numbers, "passed" if each.passed else f"too many {each.failed}")
    Console(width=max(Console().width, TABLE)).print(table)
    if not all(each.passed for each in found):
        raise typer.Exit(1)


def _all(flip_checks: Path | None) -> str | None:
    return None if flip_checks is not None else "full"


def _inputs(part: Any, history: Any, notes: Any, scored: Any, now: float, checks: Any, rules: Any, rated: Any) -> Any:
    if rules is not None and rules not in part.RULES:
        raise typer.BadParameter(f"--rules is one of {', '.join(part.RULES)}")
    return part.Inputs(history, notes, scored, now, checks, rules, rated)


def _asked(console: Console, work: Callable[[Any], Any]) -> Any:
    """Return what the auditor's part answers; a refusal is printed and ends with 1."""
    if find_spec(PART) is None:
        raise typer.BadParameter("this needs the extra `status`: pip install 'ombud[status]'")
    part = part_of("status")
    try:
        return work(part)
    except part.Rejected as refused:
        console.print(f"refused: {refused}", style="red", highlight=False)
        raise typer.Exit(1) from None


def _warn(console: Console, warnings: list[str]) -> None:
    for each in warnings:
        console.print(each, style="yellow", highlight=False)
