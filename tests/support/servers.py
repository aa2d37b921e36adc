"""Brokers and databases that a test starts and stops."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import redis

from shared.embedded import find_server

TABLES = Path(tempfile.gettempdir()) / f"ombud-tables-of-tests-{os.getuid()}"
"""Where every Ombud of the tests keeps tables of our own sentences: a file there is named after all it comes from."""
os.environ.setdefault("OMBUD_TRAINER_TABLES_DIR", str(TABLES))

SLOTS = 16_384
GIVEN: set[int] = set()
"""Ports this run has given away: five draws for one Ombud would now and then be four."""


def lasting_port() -> int:
    """Return a free port below those the system gives to connections, so that it stays free for a restart."""
    random = Random()
    while True:
        port = random.randrange(20_000, 32_000)
        if port in GIVEN:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            GIVEN.add(port)
            return port


class Broker:
    """A Valkey or Redis process with an append-only file; can be killed and started again on the same data.

    With `fsync="everysec"` a killed server may lose what it acknowledged: it holds its writes back, for two seconds
    at most, while an fsync is under way. Who counts every entry after a kill needs `always`, as compose has it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        binary: str | None = None,
        fsync: str = "everysec",
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._options = options
        self._fsync = fsync
        self.port = port or lasting_port()
        self._binary = binary or str(find_server())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port)

    def start(self) -> "Broker":
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", self._fsync, "--save", "", "--logfile", "broker.log"]
        command += self._options
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                with self.client() as client:
                    if client.ping():
                        return self
            except redis.RedisError:
                time.sleep(0.02)
        raise RuntimeError("the broker did not answer")

    def kill(self) -> None:
        """End it as a power failure of the process would: kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """Let it answer nobody: what is sent to it waits in its sockets."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was paused."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            self._process.wait(10)


class BrokerCluster:
    """Three servers that share the slots of a Redis Cluster, none with a replica."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self._bus = [lasting_port() for _ in range(nodes)]
        self.nodes = [
            Broker(
                folder / f"node{n}",
                options=["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(port)],
            )
            for n, port in enumerate(self._bus)
        ]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def start(self) -> "BrokerCluster":
        width = SLOTS // len(self.nodes)
        for n, node in enumerate(self.nodes):
            with node.start().client() as client:
                last = SLOTS - 1 if node is self.nodes[-1] else (n + 1) * width - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", n * width, last)
                if n:
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._bus[0])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if all(self._is_whole(node) for node in self.nodes):
                return self
            time.sleep(0.05)
        raise RuntimeError("the nodes did not become a cluster")

    def _is_whole(self, node: Broker) -> bool:
        with node.client() as client:
            about = client.execute_command("CLUSTER", "INFO").decode()
        return "cluster_state:ok" in about and f"cluster_known_nodes:{len(self.nodes)}" in about

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


async def eventually(check, within: float = 20.0, every: float = 0.05):  # type: ignore[no-untyped-def]
    """Return the first truthy answer of `check` (plain or async); fail with the last answer after `within` seconds.

    A check may assert; what it says last is the answer then.
    """
    deadline = time.monotonic() + within
    answer = None
    while time.monotonic() < deadline:
        try:
            answer = check()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return answer
        except AssertionError as failure:
            answer = failure
        await asyncio.sleep(every)
    raise AssertionError(f"not within {within} s; last answer: {answer!r}")


FOREIGN = ("OMBUD_", "AVID_", "OPENAI_", "LLM_", "ANALYZER_")
"""What settings of this machine start with: no test depends on them."""


QUIET = {
    "OMBUD_TRAINER_REPLAY": "false",
    "OMBUD_TRAINER_DRIFT_TRAINS": "false",
    "OMBUD_TRAINER_TOPICS_EVERY_H": "0",
}
"""Only the tests of the fast path want one model more for each correction they send; posts of several data sets are a
drift, and who wants topics asks for them."""


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment without any setting of ours but the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    kept["OMBUD_TRAINER_TABLES_DIR"] = str(TABLES)
    kept["OMBUD_TRAINER_MLFLOW"] = "off"  # its worker takes seconds of a core at every start
    return kept | QUIET | {f"OMBUD_{name.upper()}": str(value) for name, value in settings.items()}
