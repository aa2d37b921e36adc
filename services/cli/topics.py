"""`ombud topics` and `ombud drift`: what posts speak of, and how far they are from what the model knew."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.connection import asked

console = Console()
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
COLOURS = {"ok": "green", "watch": "yellow", "act": "red", "too_few": "dim"}


def topics(
    find: Annotated[bool, typer.Option("--find", help="Look for topics anew; ends when the run is queued.")] = False,
    large: Annotated[bool, typer.Option("--large", help="Only topics with 20 posts or more.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show what posts speak of, largest first, and how the shares moved since the topics were found."""
    if find:
        answer = asked(url, key, "POST", "/v1/runs", {"kind": "topics"})
        console.print(f"Run {answer['run_id']} is queued.")
        return
    answer = asked(url, key, "GET", "/v1/topics")
    if answer["version"] is None:
        console.print("Nobody has looked for topics yet: `ombud topics --find`.")
        return
    table = Table("topic", "posts", "share", "when found", "since", box=SIMPLE)
    for each in sorted(answer["topics"], key=lambda topic: (-topic["n"], topic["id"])):
        if each["large"] or not large:
            since = "" if each["recent_share"] is None else f"{each['recent_share']:.2%}"
            shares = f"{each['share']:.2%}", f"{each['fitted_share']:.2%}", since
            table.add_row(escape(each["name"]), str(each["n"]), *shares)
    console.print(table)
    console.print(f"{answer['version']}: {len(answer['topics']) - 1} topics of {answer['fitted_posts']} posts")
    if answer["vanished"]:
        console.print(f"no longer there: {escape(', '.join(answer['vanished']))}")


def drift(url: Url = None, key: Key = None) -> None:
    """Show how far posts are from what the model knew; ends with 1 if a signal asks to act."""
    answer = asked(url, key, "GET", "/v1/drift")
    table = Table("signal", "part", "value", "n", "watch", "act", "level", box=SIMPLE)
    for each in answer["signals"]:
        numbers = (_shown(each["value"]), str(each["n"]), _shown(each["watch"]), _shown(each["act"]))
        level = f"{each['level']}, biased" if each["biased"] else each["level"]
        table.add_row(each["name"], escape(each["part"]), *numbers, f"[{COLOURS[each['level']]}]{level}")
    console.print(table)
    if answer["reference"] is None:
        console.print("There is no reference yet: too few posts since the start.")
    else:
        days = f"{answer['days']} day{'' if answer['days'] == 1 else 's'}"
        console.print(f"{days} against {answer['reference_posts']} posts of {answer['reference']}: {answer['level']}")
    if answer["level"] == "act":
        raise typer.Exit(1)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
