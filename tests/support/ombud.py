"""Whole Ombuds for the tests: all services in this process, or each in a process that can be killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from pydantic import SecretStr

from services.catalog import build_of
from shared.embedded import free_port
from shared.runtime import Platform, compose
from shared.settings import Settings
from shared.streams import SERVICES
from tests.support.servers import QUIET, environment, eventually, lasting_port

KEY = "ombud_key_of_the_tests_0000000000000000000000"
ROOT = Path(__file__).parents[2]


def client(url: str, key: str = KEY) -> httpx.AsyncClient:
    """Return an HTTP client with an admin key."""
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@asynccontextmanager
async def embedded(
    data_dir: Path, redis_url: str, names: Sequence[str] = SERVICES, **settings: object
) -> AsyncIterator[tuple[httpx.AsyncClient, Platform]]:
    """Run services in this process on a free port; yield a client and the platform once they are ready."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    known = {"data_dir": data_dir, "port": free_port(), "bootstrap_key": SecretStr(KEY), **settings}
    chosen = Settings().model_copy(update=known)
    platform = Platform(chosen, redis_url)
    app = compose(platform, [build_of(name) for name in names])
    config = uvicorn.Config(app, port=chosen.port, log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or serving.done(), 60)
        assert server.started, "Ombud did not start"
        async with client(f"http://127.0.0.1:{chosen.port}") as http:
            if "classifier" not in names or "trainer" in names:
                await eventually(lambda: ready(http), 90)
            yield http, platform
    finally:
        server.should_exit = True
        await serving


class _no_signals:  # noqa: N801 - stands in for uvicorn's context manager, which would take pytest's Ctrl-C
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def ready(http: httpx.AsyncClient) -> bool:
    """Return whether a process says it is ready."""
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


class Processes:
    """Each service in a process of its own on one broker, with SQLite files in one folder (or PostgreSQL)."""

    def __init__(self, data_dir: Path, redis_url: str, *, traces: Path | None = None, **settings: object) -> None:
        self.data_dir = data_dir
        self._program = ["services"] if traces is None else ["tests.support.traced", str(traces)]
        self.ports = {name: lasting_port() for name in SERVICES}
        self._settings = {
            "data_dir": data_dir,
            "redis_url": redis_url,
            "bootstrap_key": KEY,
            "log_format": "json",
            **settings,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def reach(self, redis_url: str) -> None:
        """Let what is started from now on reach the broker under another address."""
        self._settings["redis_url"] = redis_url

    def start(self, *names: str) -> None:
        """Start the named services, or all; the log of each goes to `<data_dir>/<name>.log`.

        `classifier@2` is a second process of the classifier, `auditor+reporter` is one process of both.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        for name in names or SERVICES:
            self.ports.setdefault(name, lasting_port())
            with (self.data_dir / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", *self._program, "run", *name.partition("@")[0].split("+")],
                    env=environment(**self._settings, port=self.ports[name]),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def kill(self, name: str) -> None:
        """kill -9."""
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()

    def names(self) -> list[str]:
        """Return which services run, each once."""
        return sorted({name.partition("@")[0] for name in self._running if self.alive(name)})

    def alive(self, name: str) -> bool:
        """Return whether the process of a service runs."""
        return name in self._running and self._running[name].poll() is None

    def pid(self, name: str) -> int:
        """Return the process id of a service."""
        return self._running[name].pid

    def children(self, name: str) -> list[int]:
        """Return the process ids of what a service started and still runs."""
        return children_of(self.pid(name))

    def terminate(self, *names: str, within: float = 30) -> dict[str, int]:
        """Ask the named services, or all, to drain and stop; return their exit codes (-9: it took too long)."""
        chosen = {name: self._running[name] for name in names or list(self._running)}
        for process in chosen.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = time.monotonic() + within
        for process in chosen.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return {name: process.returncode for name, process in chosen.items()}

    def close(self) -> None:
        """End whatever still runs, at once."""
        for name in self._running:
            self.kill(name)

    def client(self, name: str) -> httpx.AsyncClient:
        """Return a client of one service."""
        return client(f"http://127.0.0.1:{self.ports[name]}")

    def log(self, name: str) -> str:
        """Return what a service wrote to its log."""
        return (self.data_dir / f"{name}.log").read_text(errors="replace")

    async def ready(self, *names: str, within: float = 90) -> None:
        """Wait until the named services, or all, are ready."""
        for name in names or SERVICES:
            async with self.client(name) as http:
                await eventually(lambda http=http: ready(http), within)


def children_of(pid: int) -> list[int]:
    """Return the process ids of what a process started and still runs."""
    stats = [_stat(int(folder.name)) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [int(stat[0]) for stat in stats if stat and stat[1:] == ["running", str(pid)]]


def runs(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be buried does not."""
    stat = _stat(pid)
    return bool(stat) and stat[1] == "running"


def _stat(pid: int) -> list[str]:
    """Return process id, `running` or `over`, and parent of a process; nothing if there is none."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [str(pid), "over" if state in "ZX" else "running", parent]
