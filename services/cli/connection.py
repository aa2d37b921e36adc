"""Where the running Ombud is and with which key to talk to it: options, the environment, or what `up` left behind."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.markup import escape

from shared.auth import new_key
from shared.bus.publisher import connect
from shared.settings import Settings

RUN_FILE = "ombud.run.json"
KEY_FILE = "cli.key"
T = TypeVar("T")
console = Console()


@dataclass(frozen=True)
class Running:
    """A running embedded Ombud, as it describes itself in the data folder."""

    url: str
    redis_url: str


def cli_key(data_dir: Path) -> str:
    """Return the admin key of this machine's command line; made once, readable by its owner only."""
    path = data_dir / KEY_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key())
    return path.read_text().strip()


def write_running(data_dir: Path, running: Running) -> None:
    """Leave word of where we run."""
    (data_dir / RUN_FILE).write_bytes(orjson.dumps({"url": running.url, "redis_url": running.redis_url}))


def read_running(data_dir: Path) -> Running | None:
    """Return where an embedded Ombud runs, if one said so."""
    try:
        return Running(**orjson.loads((data_dir / RUN_FILE).read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def client(url: str | None, key: str | None) -> httpx.AsyncClient:
    """Return a client of the running Ombud. Ends the command with a hint when nothing is known of one."""
    settings = Settings()
    base = url or address(settings) or f"http://{settings.host}:{settings.port}"
    return httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {own_key(settings, key)}"}, timeout=60)


def address(settings: Settings) -> str | None:
    """Return where the Ombud of this machine answers, as far as anybody said so."""
    running = read_running(settings.data_dir)
    return settings.public_url or (running.url if running else None)


def own_key(settings: Settings, given: str | None = None) -> str:
    """Return the given key, or this machine's own. Ends the command with a hint when there is none."""
    if given is not None:
        return given
    if settings.bootstrap_key is not None:
        return settings.bootstrap_key.get_secret_value()
    if (settings.data_dir / KEY_FILE).exists():
        return cli_key(settings.data_dir)
    raise typer.BadParameter("no API key: give --key, or set OMBUD_BOOTSTRAP_KEY, or run `ombud up` first")


def redis_client() -> Redis:
    """Return a client of the broker in use. Ends the command with a hint when none is known."""
    settings = Settings()
    running = read_running(settings.data_dir)
    if settings.redis_url is not None:
        return connect(settings.redis_url.get_secret_value())
    if running is None:
        raise typer.BadParameter("no broker: set OMBUD_REDIS_URL, or run `ombud up` first")
    return connect(running.redis_url)


def shards() -> int:
    """Return how many shards the streams have."""
    return Settings().bus.shards


def with_redis(work: Callable[[Redis], Awaitable[T]]) -> T:
    """Run `work` with a client of the broker and close it."""

    async def run() -> T:
        redis = redis_client()
        try:
            return await work(redis)
        finally:
            await redis.aclose()

    return asyncio.run(run())


def explain(answer: httpx.Response) -> str:
    """Return a refusal in words."""
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    where = f" ({problem['field']})" if problem.get("field") else ""
    return f"HTTP {answer.status_code}: {problem.get('detail', problem)}{where}"


def asked(
    url: str | None,
    key: str | None,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    query: dict[str, Any] | None = None,
) -> Any:
    """Return what the running Ombud answers; a refusal ends the command with 2."""

    async def work() -> httpx.Response:
        async with client(url, key) as http:
            return await http.request(method, path, json=body, params=query)

    answer = asyncio.run(work())
    if answer.is_error:
        console.print(f"[red]{escape(explain(answer))}")
        raise typer.Exit(2)
    return answer.json()
