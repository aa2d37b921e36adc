"""`ombud audits`: list them, look at one, rate what it drew, and take everything of it along as a file."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.connection import asked

app = typer.Typer(help="Where the system judges otherwise than a person.", no_args_is_help=True)
console = Console()
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
Id = Annotated[str, typer.Argument(metavar="AUDIT", help="Id of an audit, as `list` prints it.")]
FIGURES = ("signed", "mae", "rmse", "under", "over", "agree")
PAGE = 20


@app.command("list")
def list_audits(
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones, too.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List your audits, newest first."""
    table = Table("id", "title", "kind", "system", "cut", "begun", box=SIMPLE)
    cursor: str | None = None
    while True:
        query = {"archived": archived, "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = asked(url, key, "GET", "/v1/audits", query=query)
        for each in page["audits"]:
            row = each["id"], escape(each["title"]), each["kind"], each["system"]["version"]
            table.add_row(*row, f"{each['cut']:g}", each["created_at"][:16])
        if (cursor := page["next"]) is None:
            break
    console.print(table)


@app.command()
def show(audit: Id, url: Url = None, key: Key = None) -> None:
    """Show an audit's figures, how well the model knows the person, and the topics that differ most surely."""
    found = asked(url, key, "GET", f"/v1/audits/{audit}")
    console.print(f"{escape(found['title'])}: {found['system']['name']} {found['system']['version']}")
    table = Table("set", "posts", *FIGURES, box=SIMPLE)
    for name, each in found["disagreement"].items():
        if each is not None:
            table.add_row(name, str(each["n"]), *(_figure(each[figure]) for figure in FIGURES))
    console.print(table)
    if (accuracy := found["accuracy"]) is not None:
        console.print(f"{escape(accuracy['says'])} ({accuracy['labels']} ratings, {accuracy['unsure']} unsure)")
    topics = Table("topic", "posts", "you", "system", "decided otherwise", box=SIMPLE)
    rows = [each for each in found["topics"]["large"] if each["error"] is not None]
    for each in sorted(rows, key=lambda row: (-row["error"]["low"], row["topic"])):
        ratings = f"{each['user']:.2f}", f"{each['system']:.2f}"
        topics.add_row(escape(each["name"] or str(each["topic"])), str(each["n"]), *ratings, _figure(each["error"]))
    console.print(topics)


@app.command()
def label(
    audit: Id,
    topic: Annotated[int | None, typer.Option(help="Draw posts of this topic only.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Rate posts one by one: 0 to 4, u for unsure, q to stop; draws more when all are rated."""
    model = asked(url, key, "GET", f"/v1/audits/{audit}")["model"]
    position = 0
    while True:
        view = _after(position, audit, url, key)
        if view["post"] is None:
            asked(url, key, "POST", f"/v1/audits/{audit}/draws", {"topic": topic})
            view = _after(position, audit, url, key)
        post = view["post"]
        if post is None:
            console.print("Nothing is left to rate.")
            return
        console.print(f"\n[bold]{post['position']}[/bold]  {escape(post['text'])}")
        said = typer.prompt("0 not at all, 1 slightly, 2 moderately, 3 very, 4 extremely, u unsure, q stop").strip()
        if said == "q":
            return
        if said not in ("0", "1", "2", "3", "4", "u"):
            continue
        body = {"post_id": post["post_id"], "rating": None if said == "u" else int(said)}
        asked(url, key, "POST", f"/v1/audits/{audit}/labels", body | ({"model": model} if model else {}))
        position = post["position"]


@app.command()
def export(
    audit: Id,
    out: Annotated[Path, typer.Option("--json", help="Where to write it.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Write everything of an audit to a file: figures, draws with their seeds, evidence, snapshots, the data's hash."""
    base = f"/v1/audits/{audit}"
    found = {
        "format": "ombud-audit-1",
        "audit": asked(url, key, "GET", base, query={"error": "all"}),
        "mean": asked(url, key, "GET", base, query={"error": "all", "statistic": "mean"})["topics"],
        "draws": asked(url, key, "GET", f"{base}/draws"),
        "evidence": [_without_text(each) for each in asked(url, key, "GET", f"{base}/evidence")["evidence"]],
        "compare": {by: asked(url, key, "GET", f"{base}/compare", query={"by": by}) for by in ("topic", "category")},
        "snapshots": _snapshots(base, url, key),
    }
    out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    console.print(f"{out}: {found['audit']['posts']} posts, data {found['audit']['data_hash'][:12]}")


def _after(position: int, audit: str, url: str | None, key: str | None) -> Any:
    """Return the next post that is not rated; a rating may take a moment until it is heard."""
    view = asked(url, key, "GET", f"/v1/audits/{audit}/label")
    while (post := view["post"]) is not None and (post["rated"] or post["position"] <= position):
        view = asked(url, key, "GET", f"/v1/audits/{audit}/label", query={"i": max(position, post["position"]) + 1})
    return view


def _without_text(evidence: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in evidence.items() if name != "text"}


def _snapshots(base: str, url: str | None, key: str | None) -> list[Any]:
    found: list[Any] = []
    before: int | None = None
    while True:
        query = {"limit": PAGE, **({"before": before} if before else {})}
        page = asked(url, key, "GET", f"{base}/changes", query=query)
        found += page["snapshots"]
        if (before := page["next"]) is None:
            return found


def _figure(found: dict[str, float]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
