"""Ombud as docker-compose.yml runs it, under a project name of its own, and a look into its containers."""

import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

from shared.embedded import free_port
from tests.support.inside import KEYS_WITH, SAID, artifacts_with
from tests.support.ombud import ROOT
from tests.support.servers import environment

OVERRIDE = """
services:
  ingest: {environment: &hurry {OMBUD_BUS_JANITOR_EVERY_S: "1", OMBUD_LOG_LEVEL: DEBUG}}
  classifier: {environment: *hurry}
  trainer: {environment: *hurry}
  auditor: {environment: *hurry}
  reporter:
    environment: {<<: *hurry, OMBUD_REPORTER_AVID_BACKOFF_BASE_S: "0.2"}
    extra_hosts: ["host.docker.internal:host-gateway"] # where the test's AVID listens
"""
"""What a test needs beyond the file as it is delivered."""


def docker_answers() -> str | None:
    """Return why Docker with Compose cannot be used here, or None if it can."""
    for words in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            return f"`{' '.join(words)}` does not answer ({type(error).__name__})"
    return None


class Compose:
    """One project. `settings` become the variables docker-compose.yml asks for, `override` is merged into it."""

    def __init__(self, folder: Path, override: str = OVERRIDE, **settings: object) -> None:
        self._folder = folder
        self._name = f"ombud-test-{uuid4().hex[:8]}"
        self.port = free_port()
        self._environment = environment() | {name: str(value) for name, value in settings.items()}
        self._environment["OMBUD_PORT"] = str(self.port)
        self.change(override)

    def change(self, override: str) -> None:
        """Merge something else into docker-compose.yml from the next command on."""
        (self._folder / "override.yml").write_text(override)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str, within: float = 120) -> str:
        """Run one `docker compose` command that has to succeed and return what it printed."""
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(self._folder / "override.yml"))
        done = subprocess.run(
            ["docker", "compose", "-p", self._name, "--env-file", "/dev/null", *files, *words],
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, f"docker compose {' '.join(words)[:80]}\n{(done.stdout + done.stderr)[-6000:]}"
        return done.stdout

    def up(self) -> None:
        """Build, start, and wait until everything is healthy."""
        self.run("up", "--build", "--wait", "--quiet-pull", within=900)

    def down(self) -> None:
        """Stop everything and forget its data."""
        self.run("down", "-v", "--remove-orphans", within=120)

    def id_of(self, service: str) -> str:
        """Return the id of a service's container, also of one that is paused or stopped."""
        return self.run("ps", "-aq", service).strip()

    def network(self, name: str) -> str:
        """Return what Docker calls a network of this project."""
        return f"{self._name}_{name}"

    # -- what tests.support.inside.Inside asks for ----------------------------------------------------------

    def said(self, stream: str) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in self._eval(SAID, stream)]

    def scores(self) -> list[tuple[str, str]]:
        rows = self._exec(
            "postgres",
            "psql",
            "-U",
            "ombud",
            "-At",
            "-F",
            "|",
            "-c",
            "SELECT post_id, model_version FROM toxicity_scores",
        )
        return [(post_id, version) for post_id, _, version in (line.partition("|") for line in rows.splitlines())]

    def places_of(self, word: str) -> list[str]:
        dump = self._exec("postgres", "pg_dump", "-U", "ombud", "--data-only", "--inserts", "ombud")
        tables = {line.split()[2] for line in dump.splitlines() if word in line.lower() and line.startswith("INSERT")}
        other = [] if tables or word not in dump.lower() else ["a dump of PostgreSQL"]
        keys = [f"broker key {key}" for key in self._eval(KEYS_WITH, word)]
        artifacts = self._folder / "artifacts"
        self.run("cp", "trainer:/var/lib/ombud/artifacts/.", str(artifacts))
        return [*sorted(tables), *other, *keys, *artifacts_with(artifacts, word)]

    def _eval(self, script: str, *arguments: str) -> list[str]:
        return list(json.loads(self._exec("valkey", "valkey-cli", "--json", "EVAL", script, "0", *arguments)))

    def _exec(self, service: str, *words: str) -> str:
        return self.run("exec", "-T", service, *words)
