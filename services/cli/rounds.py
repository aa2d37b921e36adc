"""`ombud status show | rounds | round | confirm | rollback | rebuild`: statuses of this Ombud's own posts.

Invariant: who only looks changes nothing; a decision needs a reason.
"""

import asyncio
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from services.catalog import build_of
from services.cli.connection import asked
from shared.errors import Unavailable
from shared.runtime import Platform
from shared.settings import Settings

app = typer.Typer()
console = Console()
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
Round = Annotated[str, typer.Argument(metavar="ROUND", help="Id of a round, as `rounds` prints it.")]
Reason = Annotated[str, typer.Option(help="Why; it stays with the round.")]
MARKS = ("first", "latest", "lock")
TIMES = ("hold_since", "hold_until", "first_judged_at", "last_judged_at", "changed_at", "due_at")


@app.command()
def show(
    post: Annotated[str, typer.Argument(metavar="POST", help="Ombud's id of a post.")], url: Url = None, key: Key = None
) -> None:
    """Show where a post stands and everything that led there, oldest first."""
    entries: list[Any] = []
    before: int | None = None
    while True:
        query = {"limit": 1000, **({"before": before} if before is not None else {})}
        found = asked(url, key, "GET", f"/v1/posts/{post}/history", query=query)
        entries = found["log"] + entries
        if (before := found["previous"]) is None:
            break
    record = found["record"]
    console.print(f"{escape(found['post_id'])}: {record['status']} by {record['rule']}", highlight=False)
    for name in MARKS:
        if (mark := record[name]) is not None:
            console.print(f"  {name}: {mark['status'] or 'unknown'}, {_at(mark['at'])}", highlight=False)
    for name in TIMES:
        if record[name] is not None:
            console.print(f"  {name.replace('_', ' ')}: {_at(record[name])}", highlight=False)
    table = Table("", "judged", "status", "by", "what changed", "", box=SIMPLE)
    for each in entries:
        changes = ", ".join(change["kind"] for change in each["changes"])
        about = [each["model_version"] if each["rule"] == "model" else None, each["actor"], each["reason"]]
        if each["round_id"] is not None:
            about.append(f"round {each['round_id']}")
        words = "; ".join(escape(word) for word in about if word)
        table.add_row(str(each["sequence"]), _at(each["judged_at"]), each["status"], each["rule"], changes, words)
    console.print(table)


@app.command()
def rounds(
    every: Annotated[bool, typer.Option("--all", help="Also those that wait for nobody.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List rounds that wait for a person: what a new model says of older posts would flip too many statuses."""
    table = Table("id", "model", "state", "posts", "waiting", "too much in", "begun", box=SIMPLE)
    table.columns[0].overflow = "fold"
    before: str | None = None
    while True:
        query = {"limit": 200, **({} if every else {"state": "held"}), **({"before": before} if before else {})}
        page = asked(url, key, "GET", "/v1/rounds", query=query)
        for each in page["rounds"]:
            state = each["decision"] or each["state"]
            numbers = str(each["posts"]), str(each["waiting"])
            failed = escape(", ".join(each["failed"]))
            table.add_row(each["round_id"], each["model_version"], state, *numbers, failed, _at(each["opened_at"]))
        if (before := page["next"]) is None:
            break
    console.print(table)


@app.command("round")
def one_round(name: Round, url: Url = None, key: Key = None) -> None:
    """Show one round: what every subset gains and loses, and some posts of those that failed."""
    _print(asked(url, key, "GET", f"/v1/rounds/{name}"))


@app.command()
def confirm(name: Round, reason: Reason, url: Url = None, key: Key = None) -> None:
    """Apply a held round nevertheless."""
    _print(asked(url, key, "POST", f"/v1/rounds/{name}/confirm", {"reason": reason}))


@app.command()
def rollback(name: Round, reason: Reason, url: Url = None, key: Key = None) -> None:
    """Drop a held round: its model is refused, and the one it replaced scores again."""
    _print(asked(url, key, "POST", f"/v1/rounds/{name}/rollback", {"reason": reason}))


@app.command()
def rebuild() -> None:
    """Compute every status anew from the judgements kept, on this machine's database; ends with 1 if one differs.

    Nothing is changed, and the auditor may run meanwhile.
    """
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("comparing", total=None)
        found = asyncio.run(_rebuilt(lambda done, total: progress.update(task, completed=done, total=total)))
    for post, differ in found.differences.items():
        for each in differ:
            console.print(f"{escape(post)}: {escape(each)}", highlight=False)
    older = f", {found.older} of them begun under a release that kept no judgements" if found.older else ""
    console.print(f"{found.posts} statuses compared{older}; {found.different} differ", highlight=False)
    if found.different:
        raise typer.Exit(1)


async def _rebuilt(report: Any) -> Any:
    settings = Settings()
    if settings.database_url is None and not await asyncio.to_thread((settings.data_dir / "auditor.sqlite3").exists):
        raise typer.BadParameter("there are no statuses in this data folder")
    platform = Platform(settings, "redis://unused")
    service = build_of("auditor")(platform)
    try:
        return await service.commands["rebuild"](report)
    except Unavailable as error:
        raise typer.BadParameter(f"the auditor's database cannot be read: {error}") from None
    finally:
        await service.database.close()
        await platform.redis.aclose()


def _print(found: dict[str, Any]) -> None:
    state = found["decision"] or found["state"]
    console.print(f"{found['round_id']} of {found['model_version']}: {state}", highlight=False)
    if found["decided_by"]:
        console.print(f"decided by {escape(found['decided_by'])}: {escape(found['reason'] or '')}", highlight=False)
    console.print(f"{found['posts']} posts counted, {found['waiting']} scores wait", highlight=False)
    table = Table("subset", "flagged before", "after", "gained", "lost", "", box=SIMPLE)
    for each in found["subsets"]:
        shares = [f"{each[side]} ({each[f'{side}_share']:.2f})" for side in ("gained", "lost")]
        counts = str(each["flagged_before"]), str(each["flagged_after"])
        table.add_row(escape(each["name"]), *counts, *shares, f"too many {each['failed']}" if each["failed"] else "")
    console.print(table)
    for name, sides in found["examples"].items():
        for side, posts in sides.items():
            console.print(f"{escape(name)} {side}: {' '.join(map(escape, posts))}", highlight=False)


def _at(moment: str | None) -> str:
    return (moment or "").replace("T", " ")[:19]
