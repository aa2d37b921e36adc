"""`ombud evaluate FILE`, `... cascade FILE...`, `... ratings FILE`: how good scores are, without a server.

Invariant: what is printed, written and drawn are figures and names of slices; a text is never shown.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console
from typer.core import TyperGroup

from services.catalog import part_of
from services.cli import charts
from services.cli.figures_shown import show, show_cascade
from services.cli.judged_files import Material, Wanted, material
from services.cli.rated import ratings
from services.cli.scorers import Backend, Named, Scored, limits_of, model_named, scored
from shared.vocabulary import CATEGORIES

FILE = "file"
FORMAT = "ombud-evaluation-1"


class FileFirst(TyperGroup):
    """A group whose unnamed command judges a file, so that `ombud evaluate FILE` needs no other word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before what does not begin with one."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [FILE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=FileFirst, help="Judge a scorer on labelled texts; no server is needed.", no_args_is_help=True)
app.command("ratings")(ratings)

Layout = Annotated[str, typer.Option("--format", help="Which labelled file it is; auto: told by its columns.")]
ModelName = Annotated[
    str | None, typer.Option("--model", help="shipped, live, a version, a digest or a file; default: live, or shipped.")
]
Category = Annotated[str | None, typer.Option(help="Judge this category only; its slices are shown.")]
Language = Annotated[str | None, typer.Option(help="Only rows in this language; rows that name none are taken for it.")]
Split = Annotated[str | None, typer.Option(help="Only rows of this split, or `all`; default: all that is not `train`.")]
Text = Annotated[str | None, typer.Option(help="Column of the text, for a file of another shape.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="CATEGORY=COLUMN of labels; repeatable.")]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", exists=True, dir_okay=False, help="File with the labels, joined by `id`.")
]
Functionality = Annotated[str | None, typer.Option(help="Column that names what a row tests.")]
Group = Annotated[str | None, typer.Option(help="Column of the groups a row names, several between bars.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Judge at most so many rows, drawn with --seed.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn: rows, bootstrap samples, noise.")]
Budget = Annotated[float | None, typer.Option(min=0, help="USD an LLM may cost; default: ANALYZER_DAILY_BUDGET.")]
Out = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here as JSON.")]
Plot = Annotated[Path | None, typer.Option("--plot", dir_okay=False, help="Draw them here as SVG.")]


def _category(value: str | None) -> str | None:
    if value is not None and value not in CATEGORIES:
        raise typer.BadParameter(f"--category is one of {', '.join(CATEGORIES)}")
    return value


@app.command(FILE)
def file(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="Labelled file, also .gz.")] = None,
    layout: Layout = "auto",
    backend: Annotated[Backend, typer.Option(help="Who scores.")] = Backend.LOCAL,
    model: ModelName = None,
    category: Category = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Decide from here on instead of at the model's thresholds.")
    ] = None,
    language: Language = None,
    split: Split = None,
    text: Text = None,
    labels: Labels = None,
    labels_file: LabelsFile = None,
    functionality: Functionality = None,
    group: Group = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Fail if a row, or a sentence we teach, is in this file."),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    budget: Budget = None,
    json: Out = None,
    plot: Plot = None,
) -> None:
    """Judge a labelled file (`ombud evaluate FILE`): accuracy, AUC, AP, F1, ECE, by functionality and group.

    Ends with 0, with 1 if the leak check hits, with 2 if nothing could be judged.
    """
    console = Console()
    if plot is not None:
        charts.require()
    wanted = Wanted(
        *(layout, text, tuple(labels or ()), functionality, group),
        labels_file=labels_file,
        split=split,
        language=language,
        category=_category(category),
        limit=limit,
        seed=seed,
    )
    read = material(file, wanted)
    if held_out and _leaks(console, read, held_out, file):
        raise typer.Exit(1)
    named = None if backend is Backend.LLM else model_named(model, backend)
    money = None if budget is None else Decimal(str(budget))
    found = scored(console, backend, named, read, money)
    document = _document(backend, read, named, found, threshold, wanted)
    show(console, document)
    _write(json, plot, document, charts.evaluation)


def _document(
    backend: Backend, read: Material, named: Named | None, found: Scored, threshold: float | None, wanted: Wanted
) -> dict[str, Any]:
    limits = found.limits if threshold is None else dict.fromkeys(CATEGORIES, threshold)
    spans = None
    if named is not None and backend is not Backend.CASCADE and any(case.spans is not None for case in read.cases):
        if read.category not in named.model.categories:
            raise typer.BadParameter(f"the model knows nothing of {read.category}, so it marks no spans")
        spans = part_of("opinions").marked(named.model, read.category, read.texts)
    figures = part_of("judging").report(
        read.cases, found.scores, limits, read.category, only=wanted.category, found_spans=spans, seed=wanted.seed
    )
    return {
        "format": FORMAT,
        "material": read.facts,
        "backend": backend.value,
        "scorer": dict(found.facts),
        "threshold_rule": "given" if threshold is not None else "of the scorer",
        **figures,
    }


def _leaks(console: Console, read: Material, held_out: list[Path], file: Path | None) -> bool:
    try:
        hits = part_of("judging").leaks(read.cases, read.name, held_out, file)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--held-out: {error}") from None
    for hit in hits[:20]:
        console.print(hit, highlight=False, soft_wrap=True, markup=False)
    if hits:
        console.print(f"[red]{len(hits)} rows equal a held-out text;[/] nothing was judged.")
    return bool(hits)


def _write(json: Path | None, plot: Path | None, document: dict[str, Any], draw: Any) -> None:
    if json is not None:
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n")
    if plot is not None:
        plot.write_text(draw(document), "utf-8")


@app.command("cascade")
def cascade(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Labelled files, also .gz.")],
    layout: Layout = "auto",
    model: ModelName = None,
    category: Category = None,
    language: Language = None,
    split: Split = None,
    text: Text = None,
    labels: Labels = None,
    simulate_noise: Annotated[
        float | None, typer.Option(min=0, max=1, help="Ask no LLM: take the labels, so many of them turned round.")
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    budget: Budget = None,
    json: Out = None,
    plot: Plot = None,
) -> None:
    """Draw the share of posts sent to an LLM against the quality of both together."""
    console = Console()
    if plot is not None:
        charts.require()
    wanted = Wanted(
        *(layout, text, tuple(labels or ())),
        split=split,
        language=language,
        category=_category(category),
        limit=limit,
        seed=seed,
    )
    named = model_named(model, Backend.LOCAL)
    money = None if budget is None else Decimal(str(budget))
    document: dict[str, Any] = {"format": FORMAT, "seed": seed, "simulate_noise": simulate_noise, "files": []}
    for path in files:
        read = material(path, wanted)
        document["files"].append(_cascaded(console, named, read, simulate_noise, seed, money))
    show_cascade(console, document)
    _write(json, plot, document, charts.cascade)


def _cascaded(
    console: Console, named: Named, read: Material, noise: float | None, seed: int, budget: Decimal | None
) -> dict[str, Any]:
    judge, opinions = part_of("judging"), part_of("opinions")
    local = scored(console, Backend.LOCAL, named, read, None)
    column, limits = CATEGORIES.index(read.category), limits_of(named.model)
    mine = local.scores[:, column]
    margins = {
        "nearest in this category": np.abs(mine - limits[read.category]),
        "nearest in any category": opinions.margins(local.scores, named.model.thresholds),
    }
    facts: dict[str, Any] = named.facts
    if noise is None:
        said = scored(console, Backend.LLM, None, read, budget)
        llm: Any = said.scores[:, column]
        limit = float(np.max(said.limits[read.category]))
        facts = facts | dict(said.facts)
    else:
        llm, limit = float(noise), 0.5
    found = judge.cascaded(read.cases, read.category, mine, limits[read.category], margins, llm, limit, seed)
    if found["n"] == 0:
        raise typer.BadParameter(f"{read.name}: no row has a label and both scores of {read.category}")
    return {"material": read.facts, "backend": "cascade", "scorer": facts, **found}
