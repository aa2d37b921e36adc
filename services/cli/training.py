"""`ombud train`, `ombud runs`, `ombud models`: ask for a run and watch its steps, retry it, decide about its model."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import httpx
import typer
from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from services.cli.connection import client, explain

T = TypeVar("T")

console = Console()
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run by id, or the first characters of it.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A model by version, for example m-0007-1a2b3c4d.")]
Reason = Annotated[str | None, typer.Option(help="Why; it stays in the model's history.")]

LOOK_EVERY_S = 0.5
OVER = ("finished", "failed")
MARKS = {"done": "[green]✓", "failed": "[red]✗", "skipped": "[dim]-", "waiting": "[dim]."}

runs = typer.Typer(help="Training runs and their steps.", invoke_without_command=True)
models = typer.Typer(help="Models: list, promote, roll back, refuse, retire.", no_args_is_help=True)


class Refused(Exception):
    """The service said no; the message says why."""


def train(
    recipe: Annotated[str | None, typer.Option(help="Recipe by name; default: the operator's.")] = None,
    kind: Annotated[str, typer.Option(help="What to make: refit, replay, population or topics.")] = "refit",
    tune: Annotated[bool, typer.Option("--tune", help="Look for better hyper-parameters first.")] = False,
    watch: Annotated[bool, typer.Option(help="Show the steps until the run is over.")] = True,
    url: Url = None,
    key: Key = None,
) -> None:
    """Start a run now and watch it.

    Ends with 0 if it made what it should (also if the gate refused the model), 1 if it failed, 2 if it was not taken.
    """

    async def work(http: httpx.AsyncClient) -> bool:
        asked = {"kind": kind, "tune": tune, **({"recipe": recipe} if recipe else {})}
        run_id = (await _ask(http, "POST", "/v1/runs", asked))["run_id"]
        console.print(f"run {run_id} is queued")
        return await _watch(http, run_id) if watch else True

    if not _with(url, key, work):
        raise typer.Exit(1)


@runs.callback()
def list_runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    url: Url = None,
    key: Key = None,
) -> None:
    """List the newest runs."""
    if context.invoked_subcommand is not None:
        return
    found = _with(url, key, lambda http: _ask(http, "GET", f"/v1/runs?limit={limit}"))
    table = Table("run", "kind", "why", "recipe", "state", "asked for", "seconds", "model", "macro AUC", box=SIMPLE)
    for run in found:
        auc = ((run["metrics"] or {}).get("macro") or {}).get("auc")
        table.add_row(
            run["run_id"][:8],
            run["kind"],
            run["trigger"],
            run["recipe"],
            run["state"],
            run["requested_at"][:16].replace("T", " "),
            _seconds(run["started_at"], run["finished_at"]),
            run["model_version"] or run["error"] or "",
            "" if auc is None else f"{auc:.4f}",
        )
    console.print(table)


@runs.command("show")
def show_run(run: Run, url: Url = None, key: Key = None) -> None:
    """Show one run: its steps, their log, and what the gate said."""

    async def work(http: httpx.AsyncClient) -> tuple[Any, Any]:
        run_id = await _whole_id(http, run)
        return await _ask(http, "GET", f"/v1/runs/{run_id}"), await _ask(http, "GET", f"/v1/runs/{run_id}/log")

    found, lines = _with(url, key, work)
    console.print(_shown(found))
    for each in lines:
        console.print(f"[dim]{each['at'][11:19]}[/] {each['step']}: ", Text(each["line"]), sep="")
    for reason in found["reasons"] or []:
        console.print(Text(f"gate: {reason}"))


@runs.command("watch")
def watch_run(run: Run, url: Url = None, key: Key = None) -> None:
    """Follow a run until it is over; ends with 1 if it failed."""

    async def work(http: httpx.AsyncClient) -> bool:
        return await _watch(http, await _whole_id(http, run))

    if not _with(url, key, work):
        raise typer.Exit(1)


@runs.command("retry")
def retry_run(
    run: Run,
    step: Annotated[str, typer.Option("--from", help="Step to go on from; what was done before it is kept.")] = "data",
    watch: Annotated[bool, typer.Option(help="Show the steps until the run is over.")] = True,
    url: Url = None,
    key: Key = None,
) -> None:
    """Let a run that has ended go on from one of its steps."""

    async def work(http: httpx.AsyncClient) -> bool:
        run_id = await _whole_id(http, run)
        await _ask(http, "POST", f"/v1/runs/{run_id}/retry", {"from": step})
        return await _watch(http, run_id) if watch else True

    if not _with(url, key, work):
        raise typer.Exit(1)


@runs.command("cancel")
def cancel_run(run: Run, url: Url = None, key: Key = None) -> None:
    """Stop a run that is queued or running."""

    async def work(http: httpx.AsyncClient) -> Any:
        return await _ask(http, "POST", f"/v1/runs/{await _whole_id(http, run)}/cancel")

    console.print(f"run {_with(url, key, work)['run_id']} is cancelled")


@models.command("list")
def list_models(limit: Annotated[int, typer.Option(min=1, max=200)] = 20, url: Url = None, key: Key = None) -> None:
    """List the newest models and how far each is."""
    found = _with(url, key, lambda http: _ask(http, "GET", f"/v1/models?limit={limit}"))
    table = Table("version", "stage", "layer", "recipe", "corrections", "macro AUC", "trained", box=SIMPLE)
    for model in found:
        auc = model["metrics"]["macro"]["auc"]
        table.add_row(
            model["version"],
            f"[green]{model['stage']}" if model["stage"] == "champion" else model["stage"],
            model["layer"],
            model["recipe"],
            str(model["corrections"]),
            "" if auc is None else f"{auc:.4f}",
            model["trained_at"][:16].replace("T", " "),
        )
    console.print(table)


@models.command("show")
def show_model(version: Version, url: Url = None, key: Key = None) -> None:
    """Show one model: the gate's checks and every step of its life."""
    console.print_json(data=_with(url, key, lambda http: _ask(http, "GET", f"/v1/models/{version}")))


@models.command("promote")
def promote_model(
    version: Version,
    reason: Reason = None,
    despite_gate: Annotated[bool, typer.Option(help="Also if it was refused; needs a reason.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Put a model in force."""
    _decide(url, key, f"/v1/models/{version}/promote", {"despite_gate": despite_gate, "reason": reason})


@models.command("rollback")
def roll_back(
    version: Annotated[str | None, typer.Argument(help="An earlier champion; default: the one before.")] = None,
    reason: Reason = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Go back to the champion before, or to a named one."""
    _decide(url, key, "/v1/models/rollback", {"version": version, "reason": reason})


@models.command("refuse")
def refuse_model(
    version: Version, reason: Annotated[str, typer.Option(help="Why.")], url: Url = None, key: Key = None
) -> None:
    """Refuse a model; a champion makes room for the one before."""
    _decide(url, key, f"/v1/models/{version}/refuse", {"reason": reason})


@models.command("retire")
def retire_model(
    version: Version, reason: Annotated[str, typer.Option(help="Why.")], url: Url = None, key: Key = None
) -> None:
    """Take a model out of what may be rolled back to."""
    _decide(url, key, f"/v1/models/{version}/retire", {"reason": reason})


def _decide(url: str | None, key: str | None, path: str, body: dict[str, Any]) -> None:
    found = _with(url, key, lambda http: _ask(http, "POST", path, body))
    console.print(f"{found['version']} is {found['stage']}")


def _with(url: str | None, key: str | None, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run `work` with a client of the running Ombud; a refusal is printed and ends the command with 2."""

    async def run() -> T:
        async with client(url, key) as http:
            return await work(http)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        console.print("Not watching any more; the run goes on.")
        raise typer.Exit(130) from None
    except (Refused, httpx.TransportError) as error:
        console.print(Text(str(error) or type(error).__name__, style="red"))
        raise typer.Exit(2) from None


async def _ask(http: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = await http.request(method, path, json=body)
    if answer.is_error:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise Refused("; ".join([explain(answer), *problem.get("reasons", [])]))
    return answer.json()


async def _whole_id(http: httpx.AsyncClient, start: str) -> str:
    """Return the id of the one run that begins so."""
    if len(start) >= 36:
        return start
    found = [run["run_id"] for run in await _ask(http, "GET", "/v1/runs?limit=200") if run["run_id"].startswith(start)]
    if len(found) != 1:
        raise Refused(f"{len(found)} runs begin with {start}")
    return str(found[0])


async def _watch(http: httpx.AsyncClient, run_id: str) -> bool:
    """Show a run's steps until it is over; return whether it finished."""
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while True:
            try:
                run = await _ask(http, "GET", f"/v1/runs/{run_id}")
            except httpx.TransportError:  # a restart of the service is no end of the run
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            live.update(_shown(run))
            if run["state"] in OVER:
                break
            await asyncio.sleep(LOOK_EVERY_S)
    for reason in run["reasons"] or []:
        console.print(Text(f"gate: {reason}"))
    return bool(run["state"] == "finished")


def _shown(run: dict[str, Any]) -> RenderableType:
    """Return a run with its steps as something to look at."""
    steps = Table(box=None, show_header=False)
    for step in run["steps"]:
        mark: RenderableType = MARKS.get(step["status"], "")
        took = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
        steps.add_row(Spinner("dots") if step["status"] == "running" else mark, step["name"], took)
    end = run["model_version"] or run["error"] or ""
    return Group(Text(f"{run['kind']} {run['run_id']}: {run['state']} {end}"), steps)


def _seconds(begun: str | None, ended: str | None) -> str:
    if begun is None or ended is None:
        return ""
    return f"{(datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds():.0f}"
