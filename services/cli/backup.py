"""`ombud backup` and `ombud restore`: everything an embedded Ombud keeps, as of one moment, with checksums.

Secrets of the environment and this machine's own API key stay out; what the tables hold, the salt among it, is in them,
and so is the key that opens what they hold sealed.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import BaseModel, SecretStr, ValidationError
from redis.asyncio import Redis
from rich.console import Console

from services.catalog import build_of
from services.cli.connection import read_running
from services.cli.serve import take_folder
from shared.bus.cluster import is_cluster
from shared.bus.publisher import connect
from shared.bus.shards import group_keys
from shared.clock import utcnow
from shared.embedded import PORT_FILE, PrivateBroker
from shared.runtime import Platform
from shared.settings import Settings, effective
from shared.snapshots import NoSnapshot, Snapshot, lay_out
from shared.streams import SERVICES

FORMAT = 1
MANIFEST = "manifest.json"
SETTINGS = "settings.json"
DUMP = "broker.rdb"
ARTIFACTS = "artifacts"
SEAL = "reporter.key"
"""What secrets in the reporter's tables are sealed with: without it they open nowhere (`sealing.FILE` there)."""
CHUNK = 1 << 20
console = Console()

Data = Annotated[Path | None, typer.Option("--data", help="Data folder; default: OMBUD_DATA_DIR.")]


class Kept(BaseModel, frozen=True):
    """One file of a backup."""

    sha256: str
    bytes: int


class Manifest(BaseModel, frozen=True):
    """What a backup is of, and what its files have to be."""

    format: int
    ombud: str
    moment: str
    broker: str
    files: dict[str, Kept]


class Unusable(RuntimeError):
    """A folder is no backup, or not a whole one."""


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    data: Data = None,
) -> None:
    """Copy everything an embedded Ombud keeps, as of one moment; it may run meanwhile.

    On PostgreSQL, or with a broker on another machine: docs/howto/operate.md has the commands.
    """
    settings = _settings(data)
    if settings.database_url is not None:
        raise typer.BadParameter("the tables are on PostgreSQL: docs/howto/operate.md says how to back them up")
    if folder.exists():
        raise typer.BadParameter(f"{folder} exists already")
    part = folder.with_name(f".{folder.name}.part")
    try:
        part.mkdir(mode=0o700, parents=True)
        manifest = asyncio.run(_back_up(settings, part))
        part.rename(folder)
    except (NoSnapshot, OSError) as error:
        console.print(f"[red]No backup.[/] {error}")
        raise typer.Exit(1) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(each.bytes for each in manifest.files.values()) / 1e6
    console.print(f"{folder}: {len(manifest.files)} files, {size:.1f} MB, as of {manifest.moment}.")


def restore(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="What `ombud backup` made.")],
    data: Data = None,
    force: Annotated[bool, typer.Option(help="Put what is there aside first.")] = False,
) -> None:
    """Lay a backup out as the data of an embedded Ombud; nothing may run there."""
    settings = _settings(data)
    try:
        manifest = read(folder)
    except Unusable as error:
        console.print(f"[red]Not restored.[/] {error}")
        raise typer.Exit(1) from error
    target = settings.data_dir
    lock = take_folder(target)
    aside = target / f"before-restore-{utcnow():%Y%m%dT%H%M%S}"
    live = [path for path in _places(settings) if path.exists()]
    if live and not force:
        raise typer.BadParameter(f"{target} holds data ({live[0].name}); --force puts it aside")
    asyncio.run(_let_go(target))
    if live:
        aside.mkdir(mode=0o700)
        for each in live:
            each.rename(aside / each.name)
    try:
        asyncio.run(_lay_out(folder, settings, manifest))
    except (OSError, Unusable) as error:
        console.print(f"[red]Not restored.[/] {error}")
        raise typer.Exit(1) from error
    lock.close()
    console.print(f"{target} is as of {manifest.moment}. `ombud up` goes on from there.")
    console.print("What was erased since then is back: erase it again.")
    if live:
        console.print(f"What was there before is in {aside}; it holds texts, too. Delete it once it is not needed.")


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup whose files are all what it says. Raises Unusable."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise Unusable(f"{folder} has no manifest of a backup") from error
    if manifest.format > FORMAT:
        raise Unusable(f"the backup was made by a newer Ombud ({manifest.ombud})")
    for name, kept in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Unusable(f"the manifest names {name}, which is outside of the backup")
        if not path.is_file() or _kept(path) != kept:
            raise Unusable(f"{name} is missing or was changed")
    return manifest


# -- making one ---------------------------------------------------------------------------------------------


async def _back_up(settings: Settings, part: Path) -> Manifest:
    async with _broker(settings) as redis:
        if is_cluster(redis):  # moments of several servers do not fit together
            raise NoSnapshot("the broker is a cluster: stop every service, and copy the files of each of its nodes")
        about = await redis.info("server")
        files = {name: settings.data_dir / f"{name}.sqlite3" for name in SERVICES}
        present = {name: file for name, file in files.items() if file.exists()}
        if not present:
            raise NoSnapshot(f"{settings.data_dir} holds no Ombud")
        snapshot = Snapshot(list(present.values()), redis)
        try:
            await snapshot.take(part / DUMP)
            for file in present.values():
                await snapshot.copy(file, part / file.name)
        finally:
            snapshot.close()
    # after the moment: an artifact is there before a row names it, and stays for days after the last one does
    await asyncio.to_thread(_copy_artifacts, settings.artifacts, part / ARTIFACTS)
    if (settings.data_dir / SEAL).exists():
        (part / SEAL).touch(mode=0o600)
        shutil.copyfile(settings.data_dir / SEAL, part / SEAL)
    (part / SETTINGS).write_bytes(orjson.dumps(without_secrets(settings), option=orjson.OPT_INDENT_2))
    names = sorted(path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file())
    manifest = Manifest(
        format=FORMAT,
        ombud=version("ombud"),
        moment=snapshot.at.isoformat(timespec="seconds") if snapshot.at else "",
        broker=f"{about.get('server_name', 'redis')} {about.get('valkey_version', about.get('redis_version'))}",
        files={name: await asyncio.to_thread(_kept, part / name) for name in names},
    )
    (part / MANIFEST).write_bytes(orjson.dumps(manifest.model_dump(), option=orjson.OPT_INDENT_2))
    return manifest


@asynccontextmanager
async def _broker(settings: Settings) -> AsyncIterator[Redis]:
    """Yield a client of the broker: the configured one, that of a running Ombud, or one started for the occasion."""
    async with AsyncExitStack() as stack:
        redis = connect(await _broker_url(settings, stack))
        stack.push_async_callback(redis.aclose)
        yield redis


async def _broker_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    try:
        lock = take_folder(settings.data_dir)
    except typer.BadParameter:  # somebody runs here
        running = read_running(settings.data_dir)
        if running is None:
            raise NoSnapshot("an Ombud is just starting or stopping there; try again") from None
        return running.redis_url
    stack.callback(lock.close)  # nobody starts while ours runs
    private = PrivateBroker(settings.data_dir / "broker")
    stack.push_async_callback(private.stop)
    await private.start()
    return private.url


def without_secrets(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return every setting that is no secret, by who reads it."""
    platform = Platform(settings, "redis://unused")
    services = [build_of(name)(platform) for name in SERVICES]
    parts = {"ombud": settings, "bus": settings.bus, **{each.name: each.settings for each in services}}
    return {
        part: {
            name: value
            for name, value in effective(each).items()
            if value is not None and not isinstance(getattr(each, name), SecretStr)
        }
        for part, each in parts.items()
    }


def _copy_artifacts(source: Path, target: Path) -> None:
    for path in source.rglob("*") if source.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):  # what is not whole yet
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # nobody needed it any more
                shutil.copyfile(path, target / path.relative_to(source))


def _kept(path: Path) -> Kept:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            size += len(block)
    return Kept(sha256=digest.hexdigest(), bytes=size)


# -- laying one out -----------------------------------------------------------------------------------------


def _places(settings: Settings) -> list[Path]:
    """Return what a data folder keeps: tables, what SQLite lays beside them, their seal, broker files, artifacts."""
    data = settings.data_dir
    tables = [data / f"{name}.sqlite3{end}" for name in SERVICES for end in ("", "-wal", "-shm")]
    return [*tables, data / SEAL, data / "broker", settings.artifacts]


async def _lay_out(folder: Path, settings: Settings, manifest: Manifest) -> None:
    for name in manifest.files:
        target = settings.data_dir / name
        if name.startswith(f"{ARTIFACTS}/"):
            target = settings.artifacts / Path(name).relative_to(ARTIFACTS)
        if name not in (DUMP, SETTINGS):
            target.parent.mkdir(parents=True, exist_ok=True)
            if name == SEAL:
                target.touch(mode=0o600)
            await asyncio.to_thread(shutil.copyfile, folder / name, target)
    lay_out(folder / DUMP, settings.data_dir / "broker")
    private = PrivateBroker(settings.data_dir / "broker")
    await private.start()  # if it cannot read the snapshot, it is better to know now
    redis = connect(private.url)
    try:
        missing = [key for key, _ in group_keys(settings.bus.shards) if not await redis.exists(key)]
    finally:
        await redis.aclose()
        await private.stop()
    if missing:
        raise Unusable(f"the broker began without {missing[0]}: its server may be older than {manifest.broker}")


async def _let_go(data_dir: Path) -> None:
    """Stop a private broker that a killed Ombud left on this folder; two on one folder would ruin it."""
    if (data_dir / "broker" / PORT_FILE).exists():
        private = PrivateBroker(data_dir / "broker")
        await private.start()
        await private.stop()


def _settings(data: Path | None) -> Settings:
    settings = Settings()
    return settings if data is None else settings.model_copy(update={"data_dir": data})
