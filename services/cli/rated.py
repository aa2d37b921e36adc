"""`ombud evaluate ratings FILE`: how well personal models know people, on a file of ratings; no server is needed.

Invariant: what is printed and written are figures and counts; no text, no rater and no trait is shown.
"""

import zlib
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.catalog import part_of
from services.cli.figures_shown import NOT_KNOWN, number
from services.cli.judged_files import records
from services.cli.rows import measured, shape_of

FORMAT = "ombud-ratings-1"


def ratings(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON lines, also .gz.")],
    layout: Annotated[
        str, typer.Option("--format", help="auto, popquorn, crehate, convabuse or ratings; auto: told by its columns.")
    ] = "auto",
    labels: Annotated[int, typer.Option(min=1, help="Ratings of each person that teach.")] = 20,
    fewest: Annotated[int, typer.Option(min=2, help="Ratings a person needs to be tried.")] = 50,
    folds: Annotated[int, typer.Option(min=2, help="Folds of people, where the file has none.")] = 10,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the ratings that teach.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, draws and intervals.")] = 0,
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here as JSON.")] = None,
) -> None:
    """Try personal models on people they have not met: each person's model learns a few ratings, the rest judge it.

    Ends with 0, with 2 if nothing could be tried.
    """
    console = Console()
    trial = part_of("ratings")
    try:
        content, _ = measured(file)
        shape = shape_of(file)
        chosen = trial.layout_of(shape.names, layout)
        faults: list[int] = []
        table = trial.table_of(chosen, records(file, shape, None, faults))
        protocol = trial.Protocol(folds, labels, draws, fewest, seed)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("folds", total=None)
            found = trial.report(table, protocol, lambda done, of: progress.update(task, completed=done, total=of))
    except trial.NotRatings as error:
        raise typer.BadParameter(f"{file.name}: {error}") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise typer.BadParameter(f"{file.name} cannot be read: {error}") from None
    if faults:
        found["left_out"]["unreadable"] = len(faults)
    document = {"format": FORMAT, "file": file.name, "sha256": content, "layout": chosen.name, **found}
    if chosen.name == "popquorn":
        document["anchors"] = trial.anchors(found["results"])
    _show(console, document, trial.METHODS)
    if json is not None:
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def _show(console: Console, document: dict[str, Any], methods: dict[str, str]) -> None:
    left = ", ".join(f"{rows} {why}" for why, rows in document["left_out"].items())
    way, learned = document["protocol"], document["learned_from"]
    for line in (
        f"{document['file']} ({document['layout']}): {document['ratings']} ratings of {document['posts']} posts by "
        f"{document['raters']} raters{f'; left out: {left}' if left else ''}.",
        f"Tried: {document['tried']} raters with {way['fewest']} ratings or more, {way['labels']} of which teach, in "
        f"{way['draws']} draws; {way['folds']} folds, each population learned from {learned['fewest']} to "
        f"{learned['most']} raters; seed {way['seed']}."
        + ("" if learned["fewest"] else " Too few to learn from: the assumed prior stands."),
    ):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    for draw, found in document["results"].items():
        console.print(_table(f"{draw} {way['labels']}", found, methods))
    for anchor in document.get("anchors", ()):
        console.print(
            f"{anchor['draw']} {anchor['measure']}: {anchor['found']:.3f}, wanted <= {anchor['wanted']:.2f}: "
            f"{'met' if anchor['met'] else 'NOT met'}",
            highlight=False,
        )


def _table(title: str, found: dict[str, Any], methods: dict[str, str]) -> Table:
    table = Table(title, "MAE", "less crowd's", "RMSE", "less crowd's", "balanced", "users", box=SIMPLE)
    for method, name in methods.items():
        figures = found[method]
        cells = []
        for measure in ("mae", "rmse"):
            apart = figures[measure]["against_crowd"]
            cells += [number(figures[measure]["value"]), NOT_KNOWN if apart is None else _said(apart)]
        balanced = number(figures["balanced_accuracy"]["value"])
        table.add_row(name, *cells, balanced, str(figures["mae"]["users"]))
    return table


def _said(figure: dict[str, Any]) -> str:
    return number(figure["value"], None if figure["low"] is None else (figure["low"], figure["high"]))
