"""`ombud reshard`: another number of shards for the streams of an installation that stands still."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from services.cli.serve import broker_of, take_folder
from shared.bus.publisher import connect
from shared.bus.resharding import Resharded, Resharding, StillRunning
from shared.settings import Settings

console = Console()


def reshard(to: Annotated[int, typer.Argument(min=1, max=64, help="How many shards there shall be.")]) -> None:
    """Give the streams another number of shards; every service has to be stopped."""
    try:
        done = asyncio.run(_reshard(Settings(), to))
    except StillRunning as error:
        console.print(f"[red]Nothing was changed.[/] {error}.")
        raise typer.Exit(1) from error
    for stream, count in done.entries.items():
        console.print(f"laid out {count:>9,} entries of {stream}", highlight=False)
    console.print(f"{done.waiting:,} events wait for groups, {done.dead:,} dead letters were kept", highlight=False)
    console.print(f"The streams have {to} shards: start every service with OMBUD_SHARDS={to}.", highlight=False)


async def _reshard(settings: Settings, to: int) -> Resharded:
    lock = take_folder(settings.data_dir) if settings.redis_url is None else None
    with console.status("Laying out ...") as shown:
        async with broker_of(settings) as url:
            redis = connect(url)
            try:
                return await Resharding(redis, settings.bus, lambda name: shown.update(f"Laying out {name} ..."))(to)
            finally:
                await redis.aclose()
                if lock is not None:
                    lock.close()
