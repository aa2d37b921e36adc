"""`ombud webhooks`: where events are posted to, how that goes, and how to stop, resume and repeat it."""

import asyncio
from typing import Annotated, Any

import httpx
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.connection import client, explain

console = Console()
app = typer.Typer(help="Outgoing webhooks: list, pause, resume, redrive, test.", no_args_is_help=True)
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
Name = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook by id, or the first characters of it.")]


@app.command(name="list")
def list_webhooks(url: Url = None, key: Key = None) -> None:
    """Show every webhook, how many events wait or are dead, and how its last try failed."""
    table = Table("webhook", "address", "events", "state", "waiting", "dead", "reason", box=SIMPLE)
    for each in asyncio.run(_ask(url, key, "GET", "/v1/webhooks")):
        numbers = (str(each["queued"]), str(each["dead"]))
        names = ", ".join(each["streams"])
        table.add_row(each["id"][:8], escape(each["url"]), names, each["state"], *numbers, escape(each["reason"] or ""))
    console.print(table)


@app.command()
def pause(name: Name, url: Url = None, key: Key = None) -> None:
    """Stop posting to a webhook; its events wait."""
    _show(asyncio.run(_of(url, key, name, "PATCH", "", {"paused": True})))


@app.command()
def resume(name: Name, url: Url = None, key: Key = None) -> None:
    """Post to a webhook again, what waited first."""
    _show(asyncio.run(_of(url, key, name, "PATCH", "", {"paused": False})))


@app.command()
def redrive(name: Name, url: Url = None, key: Key = None) -> None:
    """Put a webhook's dead letters back into its line."""
    done = asyncio.run(_of(url, key, name, "POST", "/redrive"))
    console.print(f"{done['redriven']} dead letters wait again; a paused webhook sends them after `resume`.")


@app.command(name="test")
def try_out(name: Name, url: Url = None, key: Key = None) -> None:
    """Post one signed event that says nothing; ends with 1 if the receiver does not take it."""
    done = asyncio.run(_of(url, key, name, "POST", "/test"))
    console.print(f"answered {done['status']}" if done["taken"] else escape(done["reason"]))
    if not done["taken"]:
        raise typer.Exit(1)


def _show(webhook: dict[str, Any]) -> None:
    console.print(f"{webhook['id']} is {webhook['state']}; {webhook['queued']} events wait")


async def _of(
    url: str | None, key: str | None, name: str, method: str, below: str, body: dict[str, Any] | None = None
) -> Any:
    known = [each["id"] for each in await _ask(url, key, "GET", "/v1/webhooks")]
    found = [each for each in known if each.startswith(name)]
    if len(found) != 1:
        raise typer.BadParameter(f"{len(found)} webhooks begin like that; `ombud webhooks list` shows them")
    return await _ask(url, key, method, f"/v1/webhooks/{found[0]}{below}", body)


async def _ask(url: str | None, key: str | None, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    async with client(url, key) as http:
        try:
            answer = await http.request(method, path, json=body)
        except httpx.TransportError:
            raise typer.BadParameter(f"nothing answers at {http.base_url}") from None
    if answer.is_error:
        console.print(f"[red]{escape(explain(answer))}")
        raise typer.Exit(2)
    return answer.json()
