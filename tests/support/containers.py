"""Containers of a compose project as faults meet them, and a look into its broker and database from outside.

The machine reaches containers by their addresses, also on the network that has no way out; the engine has to run on it.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import orjson
import redis

from tests.support.compose import Compose
from tests.support.ledger import Ledger


def docker(*words: str, within: float = 60) -> str:
    """Run one `docker` command that has to succeed and return what it printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=within, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)[:120]}\n{done.stderr[-2000:]}"
    return done.stdout.strip()


class Container:
    """One service's container."""

    def __init__(self, compose: Compose, service: str) -> None:
        self._compose = compose
        self.service = service
        self._networks: list[str] = []

    @property
    def id(self) -> str:
        return self._compose.id_of(self.service)

    def address(self, network: str = "back") -> str:
        """Return the container's address; empty while it has none."""
        found = orjson.loads(docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", self.id))
        return str(found.get(self._compose.network(network), {}).get("IPAddress", ""))

    def pause(self) -> None:
        """Let it stand still; what is sent to it waits."""
        name = self.id
        for last in (False, False, False, True):  # a process that is born meanwhile, as a health check is, prevents it
            try:
                docker("pause", name)
                return
            except AssertionError:
                if last:
                    raise
                time.sleep(0.5)

    def resume(self) -> None:
        """Let it go on."""
        docker("unpause", self.id)

    def kill(self) -> None:
        """kill -9 its first process, as a crash would: the engine starts it again as the project says."""
        os.kill(int(docker("inspect", "-f", "{{.State.Pid}}", self.id)), signal.SIGKILL)

    def disconnect(self) -> None:
        """Pull its cables."""
        name = self.id
        self._networks = list(orjson.loads(docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", name)))
        for network in self._networks:
            docker("network", "disconnect", network, name)

    def connect(self) -> None:
        """Plug them in again; Docker gives it any free address."""
        name = self.id
        for network in self._networks:
            docker("network", "connect", "--alias", self.service, network, name)

    def restarts(self) -> int:
        """Return how often the engine started it again."""
        return int(docker("inspect", "-f", "{{.RestartCount}}", self.id))

    def is_well(self) -> bool:
        """Return whether it runs and its health check agrees."""
        return docker("inspect", "-f", "{{.State.Status}} {{.State.Health.Status}}", self.id) == "running healthy"


class ContainerLedger(Ledger):
    """The ledger of a compose project: its broker by address, its PostgreSQL through psql."""

    def __init__(self, compose: Compose) -> None:
        self._compose = compose
        self._valkey = Container(compose, "valkey")
        self.redis = self._client()

    def _client(self) -> "redis.Redis":
        return redis.Redis(host=self._valkey.address(), socket_timeout=20, socket_connect_timeout=2)

    def ask(self, service: str, question: str) -> list[tuple[Any, ...]]:
        """Return the rows of a question; all services share one database here."""
        asked = f"SELECT row_to_json(q) FROM ({question}) q"  # noqa: S608
        lines = self._compose.run("exec", "-T", "postgres", "psql", "-U", "ombud", "-Atc", asked)
        return [tuple(orjson.loads(line).values()) for line in lines.splitlines()]

    def work_left(self) -> Counter[str]:
        """Return what is still before all groups; a broker that cannot be asked counts as work."""
        try:
            return self.open_work()
        except (redis.RedisError, AssertionError) as error:
            self.redis.close()
            if self._valkey.address():
                self.redis = self._client()
            return Counter({f"the broker does not answer ({type(error).__name__})": 1})
