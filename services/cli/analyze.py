"""`ombud analyze`: the LLM's word on posts that have none, in this process, with a progress bar.

It needs the classifier's database and the broker, no running classifier; what one start leaves, the next one does.
"""

import asyncio
import getpass
import socket
from contextlib import AsyncExitStack
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.catalog import build_of
from services.cli.connection import read_running
from services.cli.serve import broker_of
from shared.migrate import upgrade
from shared.observability import configure_logging
from shared.runtime import Platform
from shared.settings import Settings

Limit = Annotated[int | None, typer.Option(min=0, help="Posts of this run; 0: all. Default: ANALYZER_LIMIT.")]

Batch = Annotated[bool, typer.Option("--batch", help="Through the Batch API: within a day, at half the price.")]

app = typer.Typer(help="The classifier's one-time run.", no_args_is_help=True, add_completion=False)


@app.callback()
def classifier() -> None:
    """Score what is there."""


@app.command()
def analyze(limit: Limit = None, batch: Batch = False) -> None:
    """Ask the LLM about every post without a score of this model and prompt; interrupted, it goes on next time.

    Ends with 0 when it finished, 1 when the API refuses us, 3 when it paused (no money left today, no answer),
    130 after Ctrl-C.
    """
    console = Console()
    try:
        run = asyncio.run(analyzed(console, Settings(), limit, batch))
    except RuntimeError as error:
        raise typer.BadParameter(str(error)) from None
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on where this one was.")
        raise typer.Exit(130) from None
    console.print(summary(run), highlight=False)
    if run["state"] == "paused":
        console.print(f"Paused: {run['error']}. The same command goes on; a day (UTC) brings new money.")
        raise typer.Exit(3)
    if run["state"] != "finished":
        console.print(f"[red]Stopped:[/] {run['error']}")
        raise typer.Exit(1)


async def analyzed(console: Console, settings: Settings, limit: int | None, batch: bool) -> dict[str, Any]:
    """Run the classifier's command against the broker and database in use and return the run."""
    configure_logging("INFO", settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    running = read_running(settings.data_dir)
    async with AsyncExitStack() as stack:
        if running is not None and settings.redis_url is None:
            redis_url = running.redis_url
        else:
            redis_url = await stack.enter_async_context(broker_of(settings))
        platform = Platform(settings, redis_url)
        stack.push_async_callback(platform.redis.aclose)
        service = build_of("classifier")(platform)
        stack.push_async_callback(service.database.close)
        await upgrade("classifier", service.database)
        columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[usd]}"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task("asking", total=None, usd="")

            def report(done: int, total: int, usd: float) -> None:
                progress.update(task, completed=done, total=total, usd=f"{usd:.4f} USD")

            run: dict[str, Any] = await service.commands["analyze"](
                report, limit=limit, batch=batch, who=f"{getpass.getuser()}@{socket.gethostname()}"
            )
        return run


def summary(run: dict[str, Any]) -> str:
    """Return how a run ended, in one line."""
    return (
        f"Run {run['id']} {run['state']}: {run['scored']} of {run['posts_total']} posts scored, "
        f"{run['flagged']} flagged, {run['failed'] or 0} without a score ({run['dead_lettered'] or 0} dead letters); "
        f"{run['input_tokens'] or 0} tokens in ({run['cached_tokens'] or 0} cached), {run['output_tokens'] or 0} out; "
        f"{run['cost_usd']:.4f} USD"
    )
