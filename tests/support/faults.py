"""What can happen to containers, each with its beginning and its end; and the project they happen to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.compose import Compose
from tests.support.containers import Container
from tests.support.ombud import ROOT
from tests.support.servers import QUIET

RECLAIM_IDLE_S = 5
HURRY = {
    **QUIET,
    "OMBUD_BUS_RECLAIM_IDLE_S": str(RECLAIM_IDLE_S),
    "OMBUD_BUS_RECLAIM_EVERY_S": "1",
    "OMBUD_TRAINER_CORRECTIONS_PER_RUN": "1000000",
}
"""What a dead worker held comes back sooner than the 60 s of a usual installation; and nothing is trained again."""
SERVICES = ("ingest", "classifier", "trainer", "auditor", "reporter")
CONTAINERS = (*SERVICES, "gateway", "valkey", "postgres", "mlflow")
WHOLE = len(CONTAINERS) * 3 + 4
"""Faults of a whole run: each container three ways, two of the disk, clocks, the LLM."""
CLOCKS, LLM = "clocks an hour off", "an LLM that is too slow"
AHEAD_S = 3600
"""By how much one clock is put forward and another back."""
SKEWED = """

_utcnow, _millis = utcnow, millis


def utcnow():
    from datetime import timedelta

    return _utcnow() + timedelta(seconds={seconds})


def millis():
    return _millis() + {seconds} * 1000
"""
"""Appended to a copy of shared/clock.py that is mounted over the image's: no container has a clock of its own."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to `victim` for `hold_s` seconds; a kill ends by itself."""

    what: str
    victim: str
    strike: Callable[[], object]
    heal: Callable[[], object] = lambda: None
    hold_s: float = 8.0


def project(disk_mb: int) -> dict[str, Any]:
    """Return what is merged into docker-compose.yml: a broker whose disk is this small, and who fills it."""
    return {
        "services": {
            # a busy machine takes its time to judge the first model, which classifier and gateway wait for
            **{name: {"environment": dict(HURRY), "healthcheck": {"start_period": "900s"}} for name in SERVICES},
            # the disk lasts as long as somebody has it mounted
            "disk": {
                "image": "valkey/valkey:8",
                "entrypoint": ["sleep", "infinity"],
                "init": True,
                "networks": ["back"],
                "volumes": ["valkey:/data"],
                "restart": "unless-stopped",
            },
        },
        "volumes": {
            "valkey": {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"size={disk_mb}m"}},
        },
    }


class Faults:
    """The faults of one project."""

    def __init__(self, compose: Compose, folder: Path, override: dict[str, Any]) -> None:
        self._compose = compose
        self._folder = folder
        self._override = override
        self.container = {name: Container(compose, name) for name in CONTAINERS}

    def pause(self, name: str) -> Fault:
        return Fault("paused", name, self.container[name].pause, self.container[name].resume)

    def kill(self, name: str) -> Fault:
        return Fault("killed with -9", name, self.container[name].kill, hold_s=2.0)

    def cut(self, name: str) -> Fault:
        return Fault("disconnected", name, self.container[name].disconnect, self.container[name].connect)

    def full_disk(self, fsync: str) -> Fault:
        """The broker's disk is full, with either way to write its file."""

        def fill() -> None:
            self._valkey("CONFIG", "SET", "appendfsync", fsync)
            self._compose.run("exec", "-T", "disk", "sh", "-c", "dd if=/dev/zero of=/data/filler bs=64k; true")

        def empty() -> None:
            self._compose.run("exec", "-T", "disk", "rm", "/data/filler")

        return Fault(f"disk full, appendfsync {fsync}", "valkey", fill, empty)

    def skewed_clocks(self) -> Fault:
        """The classifier is an hour ahead, the auditor an hour behind."""
        source = (ROOT / "shared/clock.py").read_text()
        services = json.loads(json.dumps(self._override["services"]))
        for name, seconds in (("classifier", AHEAD_S), ("auditor", -AHEAD_S)):
            file = self._folder / f"clock-{name}.py"
            file.write_text(source + SKEWED.format(seconds=seconds))
            file.chmod(0o644)
            services[name]["volumes"] = [f"{file}:/app/shared/clock.py:ro"]
        return self._other(CLOCKS, "classifier ahead, auditor behind", services, ["classifier", "auditor"])

    def slow_llm(self, url: str) -> Fault:
        """The classifier asks an LLM that takes longer than it waits."""
        services = json.loads(json.dumps(self._override["services"]))
        services["classifier"]["extra_hosts"] = ["host.docker.internal:host-gateway"]
        services["classifier"]["environment"] |= {
            "OMBUD_CLASSIFIER_MODE": "cascade",
            "OPENAI_API_KEY": "scripted",
            "OMBUD_CLASSIFIER_OPENAI_BASE_URL": url,
            "OMBUD_CLASSIFIER_ANALYZER_TIMEOUT_S": "1",
            "OMBUD_CLASSIFIER_ANALYZER_RETRIES": "0",
            "OMBUD_CLASSIFIER_ANALYZER_BREAKER_FAILURES": "2",
            "OMBUD_CLASSIFIER_ANALYZER_BREAKER_PAUSE_S": "3",
        }
        return self._other(LLM, "classifier", services, ["classifier"])

    def _other(self, what: str, victim: str, services: dict[str, Any], names: Sequence[str]) -> Fault:
        def apply(chosen: dict[str, Any]) -> None:
            self._compose.change(json.dumps(self._override | {"services": chosen}))
            self._compose.run("up", "-d", "--no-deps", "--wait", *names, within=300)

        return Fault(what, victim, lambda: apply(services), lambda: apply(self._override["services"]))

    def _valkey(self, *words: str) -> None:
        self._compose.run("exec", "-T", "valkey", "valkey-cli", "-e", *words)

    def all(self) -> list[Fault]:
        """Return every fault of a long run in its order, but the LLM's."""
        ways = (self.pause, self.kill, self.cut)
        found = [way(name) for name in CONTAINERS for way in ways]
        return [*found, self.full_disk("everysec"), self.full_disk("always"), self.skewed_clocks()]

    def few(self) -> list[Fault]:
        """Return those of a short run: one of each kind."""
        return [self.kill("classifier"), self.pause("valkey"), self.cut("postgres"), self.full_disk("always")]
