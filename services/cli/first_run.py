"""What a newcomer sees after `ombud up`: addresses, a one-time link, progress, and the result."""

import asyncio
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.cli.connection import explain
from shared.sample import rows
from shared.settings import Settings

PLATFORM = "sample"
AT_ONCE = 50
STATUSES = {"needs review": "needs_review", "flagged": "status_flagged", "cleared": "cleared"}


async def show_first_run(console: Console, http: httpx.AsyncClient, settings: Settings, *, sample: bool) -> None:
    """Print where everything is; in an empty installation ingest the sample posts and show what became of them."""
    url = str(http.base_url).rstrip("/")
    key_link = (await http.post("/v1/invitations")).json()["url"]
    link = (await http.post("/v1/people/invitations", json={"role": "admin"})).json()["url"]
    console.print("[bold]Ombud runs.[/] Content moderation that can be contested.")
    console.print(f"  console          {url}/")
    console.print(f"  open numbers     {url}/overview")
    console.print(f"  API              {url}/docs")
    console.print(f"  your account     {link}  (once: choose a name and a password)", soft_wrap=True)
    console.print(f"  an admin API key {key_link}  (once)", soft_wrap=True)
    console.print(f"  data, log        {settings.data_dir}, {settings.data_dir / 'ombud.log'}")
    overview = await _overview(http)
    if sample and not overview["posts"]["scored"]:
        await _ingest_sample(console, http)
        overview = await _overview(http)
    _show(console, overview)
    console.print("Ctrl-C drains and stops everything.")


async def _overview(http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.get("/v1/overview")
    if answer.status_code != 200:
        raise RuntimeError(explain(answer))
    overview: dict[str, Any] = answer.json()
    return overview


async def _ingest_sample(console: Console, http: httpx.AsyncClient) -> None:
    posts = [
        {"platform": PLATFORM, "external_id": row.id, "text": row.text, "language": row.language}
        for row in rows("post")
    ]
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sent = progress.add_task("sample posts accepted", total=len(posts))
        scored = progress.add_task("scored", total=len(posts))
        decided = progress.add_task("with a status", total=len(posts))
        for start in range(0, len(posts), AT_ONCE):
            answer = await http.post("/v1/posts", json={"posts": posts[start : start + AT_ONCE]})
            if answer.status_code != 202:
                raise RuntimeError(explain(answer))
            progress.update(sent, advance=len(posts[start : start + AT_ONCE]))
        while not progress.finished:
            overview = await _overview(http)
            counts = overview["posts"]
            progress.update(scored, completed=counts["scored"])
            progress.update(decided, completed=sum(counts[name] for name in STATUSES.values()))
            await asyncio.sleep(0.2)


def _show(console: Console, overview: dict[str, Any]) -> None:
    model = overview["model"]
    counts = overview["posts"]
    console.print(f"{counts['scored']} posts scored by model {model['version'] if model else '(none yet)'}")
    table = Table("status", "posts")
    for status, name in STATUSES.items():
        table.add_row(status, str(counts[name]))
    console.print(table)
    table = Table("category", "flagged")
    for category, count in overview["flagged_by_category"].items():
        table.add_row(category, str(count))
    console.print(table)
