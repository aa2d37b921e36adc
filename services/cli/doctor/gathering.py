"""Collects the facts about one installation: broker, services, files, addresses. Changes nothing anywhere."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from redis.exceptions import RedisError

from services.cli.connection import KEY_FILE, read_running
from services.cli.doctor.asking_broker import examine_broker
from services.cli.doctor.asking_services import examine_services
from services.cli.doctor.facts import Address, Disk, Facts, File, Running
from shared.bus.publisher import connect
from shared.clock import utcnow
from shared.settings import Settings

PATIENCE_S = 15.0
ANSWER_S = 5.0
SEAL = "reporter.key"
EXPORTER = "opentelemetry.exporter.otlp.proto.http"


async def gather(settings: Settings) -> Facts:
    """Return what can be found out about the installation these settings describe."""
    data, embedded = settings.data_dir, settings.redis_url is None
    runs = not embedded or _locked(data)
    running = read_running(data) if embedded and runs else None
    found = await examine_services(settings)
    urls = found.pop("service_urls")
    found |= await _broker(settings, running.redis_url if running else None)
    addresses = {name: url for name, url in urls.items() if url is not None}
    if settings.public_url is not None:
        addresses["OMBUD_PUBLIC_URL"] = settings.public_url
    if running is not None:
        addresses["ombud.run.json"] = running.url
    return Facts(
        now=utcnow(),
        version=version("ombud"),
        embedded=embedded,
        data_dir=str(data),
        runs=runs,
        host=settings.host,
        public_url=settings.public_url,
        reclaim_idle_s=settings.bus.reclaim_idle_s,
        addresses=await _asked(addresses),
        unset_addresses=_unset(urls, found.get("processes")),
        secret_files=tuple(_files(data)),
        data_mode=data.stat().st_mode if embedded and data.is_dir() else None,
        disks=tuple(_disks({data, settings.artifacts})),
        traces_lost=settings.otlp_endpoint is not None and not _has_exporter(),
        **found,
    )


async def _broker(settings: Settings, private: str | None) -> dict[str, Any]:
    url = settings.redis_url.get_secret_value() if settings.redis_url is not None else private
    if url is None:
        return {}
    redis = None
    try:
        redis = connect(url)
        async with asyncio.timeout(PATIENCE_S):
            return await examine_broker(redis, settings.bus)
    except (RedisError, OSError, TimeoutError, ValueError) as error:  # ValueError: no address of a broker
        return {"broker_error": type(error).__name__}
    finally:
        if redis is not None:
            await redis.aclose()


def _locked(data: Path) -> bool:
    """Return whether an embedded Ombud holds the folder; a lock file is never made here."""
    try:
        with (data / "ombud.lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _files(data: Path) -> list[File]:
    paths = [data / KEY_FILE, data / SEAL, Path(".env")]
    return [File(str(path), path.stat().st_mode) for path in paths if path.is_file()]


def _disks(folders: set[Path]) -> list[Disk]:
    """Return the room of every disk that a folder is, or would be made, on; each disk once."""
    there = {
        next(each for each in (folder.resolve(), *folder.resolve().parents) if each.exists()) for folder in folders
    }
    once = {os.stat(each).st_dev: each for each in sorted(there, reverse=True)}  # noqa: PTH116 - a key, no path
    return [Disk(str(each), shutil.disk_usage(each).free) for each in once.values()]


async def _asked(addresses: Mapping[str, str]) -> tuple[Address, ...]:
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:

        async def ask(setting: str, url: str) -> Address:
            try:
                answer = await http.get(f"{url.rstrip('/')}/livez")
            except (httpx.HTTPError, httpx.InvalidURL, OSError):
                return Address(setting, url, answers=False)
            return Address(setting, url, answers=answer.status_code in (200, 503))

        return tuple(await asyncio.gather(*(ask(name, url) for name, url in addresses.items())))


def _unset(urls: Mapping[str, str | None], processes: tuple[Running, ...] | None) -> tuple[str, ...]:
    """Return the services that a reporter's process neither holds nor has an address of."""
    names = {name.removeprefix("OMBUD_REPORTER_").removesuffix("_URL").lower(): url for name, url in urls.items()}
    held = [set(each.services) for each in processes or () if "reporter" in each.services]
    asked = ("ingest", "classifier", "trainer", "auditor")
    return tuple(name for name in asked if names[name] is None and any(name not in each for each in held))


def _has_exporter() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
