"""`ombud tune`: look for better hyper-parameters, without a server. Killed, it goes on where it was.

Invariant: what is printed, written and drawn are numbers and names; a text is never shown.
"""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.catalog import part_of
from services.cli import charts
from shared.settings import Settings

FOLDER = "studies"
"""Where runs keep theirs, too."""


def tune(
    recipe: Annotated[str, typer.Option(help="hashed, sgd or logistic.")] = "hashed",
    training_set: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Beside our own sentences; default: those of the settings."),
    ] = None,
    sentences: Annotated[bool, typer.Option(help="Learn from our own sentences, too.")] = True,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, also over several times.")] = 60,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes in all, also over several times.")] = 20.0,
    resume: Annotated[bool, typer.Option(help="Go on with the study of the same data, or begin anew.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Texts that must teach nothing; default: OMBUD_HELD_OUT."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the report here as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", file_okay=False, help="Draw it into this folder.")] = None,
) -> None:
    """Look for better hyper-parameters; they are worth adopting only if three seeds agree.

    Ends with 0 whether or not anything was gained, and with 2 if nothing could be compared.
    """
    console = Console()
    if plot is not None:
        charts.require()
    part, data = part_of("tuning"), Settings().data_dir
    if recipe not in part.RECIPES:
        raise typer.BadParameter(f"--recipe is one of {', '.join(part.RECIPES)}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("reading", total=trials)
            table = part.examples(training_set or (), held_out or (), data, sentences)
            bar.update(task, description="trials")

            def told(now: Any) -> None:
                best = "" if now.best is None else f"best {now.best:.4f}"
                bar.update(task, completed=now.trial, description=f"trials {best}")

            report = part.search(
                table,
                recipe,
                data / FOLDER,
                trials=trials,
                minutes=minutes,
                seed=seed,
                resume=resume,
                told=told,
            )
    except (part.CannotTune, OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _show(console, report)
    if json is not None:
        json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if plot is not None:
        plot.mkdir(parents=True, exist_ok=True)
        for name, svg in part.drawn(report).items():
            (plot / f"{name}.svg").write_text(svg, "utf-8")


def _show(console: Console, report: dict[str, Any]) -> None:
    states = [each["state"] for each in report["trials"]]
    counted = ", ".join(f"{states.count(name)} {name}" for name in ("complete", "pruned", "fail") if name in states)
    console.print(f"{report['recipe']}: {counted}; {report['seconds']:.0f} s", highlight=False)
    if report["best"] is None:
        console.print(report["reason"])
        return
    table = Table("", "default", "best", box=SIMPLE)
    for name, value in report["best"]["params"].items():
        table.add_row(name, _said(report["defaults"][name]), _said(value))
    for figure in ("ap", "ece", "gap", "score"):
        seeds = report["seeds"]
        means = [sum(each[figure] for each in seeds[which]) / len(seeds[which]) for which in ("default", "best")]
        table.add_row(f"{figure}, mean of {len(seeds['best'])} seeds", *map(_said, means))
    console.print(table)
    console.print(report["reason"], highlight=False)


def _said(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
