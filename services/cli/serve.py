"""`ombud up`, `ombud run`, `ombud migrate`: from settings to a served application."""

import asyncio
import fcntl
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import httpx
import typer
import uvicorn
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from services.catalog import build_of
from services.cli.connection import Running, cli_key, read_running, write_running
from services.cli.first_run import show_first_run
from shared.embedded import PrivateBroker
from shared.errors import Unavailable
from shared.migrate import upgrade
from shared.observability import configure_logging, configure_tracing
from shared.runtime import Platform, compose
from shared.settings import Settings
from shared.streams import SERVICES

console = Console()
GRACE_S = 20


class Server(uvicorn.Server):
    """Uvicorn's server, except that it does not raise a signal again after it obeyed: who drained ends with 0.

    Raised again, SIGTERM would end the process before anything that comes after serving, the private broker's stop.
    Answers that have no end of their own see that the platform drains, and end.
    """

    def __init__(self, config: uvicorn.Config, platform: Platform) -> None:
        super().__init__(config)
        self._platform = platform

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain and stop; at the second Ctrl-C stop at once."""
        self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
        self.should_exit = self._platform.draining = True


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a server's main coroutine on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # not on Windows
        asyncio.run(main)
    else:
        uvloop.run(main)


def uvicorn_config(settings: Settings, platform: Platform, names: Sequence[str]) -> uvicorn.Config:
    """Return how uvicorn serves the given services."""
    return uvicorn.Config(
        compose(platform, [build_of(name) for name in names]),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
    )


async def run_services(settings: Settings, names: Sequence[str]) -> None:
    """Serve some services against a broker that is already there, until a signal asks to stop."""
    if settings.redis_url is None:
        raise typer.BadParameter("set OMBUD_REDIS_URL: a single service needs the broker the others use")
    label = names[0] if len(names) == 1 else "embedded"
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing(label, settings.otlp_endpoint)
    platform = Platform(settings, settings.redis_url.get_secret_value())
    server = Server(uvicorn_config(settings, platform, names), platform)
    await server.serve()
    if not server.started:
        raise typer.Exit(1)


def take_folder(data_dir: Path) -> IO[str]:
    """Return a lock on the data folder; two Ombuds on one folder would share SQLite files and a broker."""
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = (data_dir / "ombud.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise typer.BadParameter(f"another Ombud already runs on {data_dir}") from None
    return handle


def listening(host: str, port: int, tries: int = 20) -> socket.socket:
    """Return a socket bound to `port` or, if that is taken, one of the next few."""
    for candidate in range(port, port + tries if port else 1):
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, candidate))
        except OSError:
            made.close()
        else:
            return made
    raise typer.BadParameter(f"no free port between {port} and {port + tries - 1}")


@asynccontextmanager
async def broker_of(settings: Settings) -> AsyncIterator[str]:
    """Yield the address of the broker: the given one, or a private one that ends with us."""
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    private = PrivateBroker(settings.data_dir / "broker")
    await private.start()
    try:
        yield private.url
    finally:
        await private.stop()


def is_private(settings: Settings) -> bool:
    """Return whether only this machine can reach what listens: a loopback address and no gateway before it."""
    return settings.public_url is None and settings.host in ("127.0.0.1", "::1", "localhost")


async def up(settings: Settings, *, sample: bool) -> None:
    """Run everything in this process, with a private broker if none was given, until Ctrl-C."""
    lock = take_folder(settings.data_dir)
    configure_logging(settings.log_level, "json", settings.data_dir / "ombud.log")
    configure_tracing("embedded", settings.otlp_endpoint)
    key = cli_key(settings.data_dir)
    sock = listening(settings.host, settings.port)
    settings = settings.model_copy(update={"port": sock.getsockname()[1], "bootstrap_key": SecretStr(key)})
    url = f"http://{settings.host}:{settings.port}"
    async with AsyncExitStack() as stack:
        with console.status("Starting the broker and five services ..."):
            importing = asyncio.create_task(asyncio.to_thread(lambda: [build_of(name) for name in SERVICES]))
            redis_url = await stack.enter_async_context(broker_of(settings))  # it reads its file while we import
            await importing
            platform = Platform(settings, redis_url, private=is_private(settings))
            server = Server(uvicorn_config(settings, platform, SERVICES), platform)
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)
        if serving.done():
            await serving
            console.print(f"[red]Ombud did not start.[/] The reason is in {settings.data_dir / 'ombud.log'}.")
            raise typer.Exit(1)
        write_running(settings.data_dir, Running(url, redis_url))
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
            shown = asyncio.create_task(show_first_run(console, http, settings, sample=sample))
            await asyncio.wait({serving, shown}, return_when=asyncio.FIRST_COMPLETED)
            if shown.done():
                await shown
            else:
                shown.cancel()
            await serving
        (settings.data_dir / "ombud.run.json").unlink(missing_ok=True)
    lock.close()
    console.print(f"Drained and stopped. Your data is in {settings.data_dir}.")


async def migrate(settings: Settings, names: Sequence[str]) -> None:
    """Bring the tables of some services to the newest form."""
    configure_logging(settings.log_level, settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    platform = Platform(settings, "redis://unused")
    for name in names:
        service = build_of(name)(platform)
        await upgrade(name, service.database)
        await service.database.close()
        console.print(f"{name}: tables are at head")


async def rebuild(settings: Settings, name: str, *, url: str | None, key: str | None) -> None:
    """Make the read models of a service anew, without a key from the streams only, and say what was done."""
    broker = _broker(settings)
    configure_logging("WARNING", settings.log_format)
    platform = Platform(settings, broker)
    service = build_of(name)(platform)
    begun = "nothing was changed"
    try:
        await upgrade(name, service.database)
        with console.status("Asking the owners ..." if key else "Reading the streams ...") as shown:

            def say(so_far: Any) -> None:
                nonlocal begun
                begun = "a part was made anew, and another run makes the whole"
                shown.update(_progress(so_far))

            done = await service.commands["rebuild"](say, url=url, key=key)
    except Unavailable as error:
        console.print(f"[red]Stopped:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        console.print(f"Of the read models {begun}. --streams-only asks no owner.", highlight=False)
        raise typer.Exit(1) from None
    finally:
        await service.database.close()
        await platform.redis.aclose()
    for export, count in done.exported.items():
        console.print(f"told again by the owners {count:>9,} {export}", highlight=False)
    for stream, count in done.events.items():
        console.print(f"replayed {count:>9,} events of {stream}", highlight=False)
    if not done.exported:
        anew = ", ".join(f"{count:,} {what}" for what, count in done.anew.items())
        console.print(f"made anew: {anew}", highlight=False)
        console.print(f"kept as they were, older than the streams: {done.kept:,} posts", highlight=False)


def _progress(so_far: Any) -> str:
    if replayed := sum(so_far.events.values()):
        return f"{replayed:,} events of the streams replayed ..."
    return " ".join(f"{count:,} {export}" for export, count in so_far.exported.items()) + " ..."


def _broker(settings: Settings) -> str:
    """Return where the broker is: the given one, or that of the Ombud that runs on this data folder."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    running = read_running(settings.data_dir)
    if running is None:
        raise typer.BadParameter("set OMBUD_REDIS_URL, or start Ombud first: the streams are read from its broker")
    return running.redis_url


async def invite(settings: Settings) -> None:
    """Print a one-time admin link, made in ingest's own database: whoever has the machine needs no key."""
    configure_logging(settings.log_level, settings.log_format)
    running = read_running(settings.data_dir)
    if running is not None and settings.public_url is None:
        settings = settings.model_copy(update={"public_url": running.url})
    service = build_of("ingest")(Platform(settings, "redis://unused"))
    typer.echo(await service.commands["invite"]())
    await service.database.close()
