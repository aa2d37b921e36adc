"""`ombud tune` from the first to the last byte, without a server; and MLflow's own server, away and back."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.trainer.registering import QUIET, Registering
from services.trainer.registry import REGISTERED
from services.trainer.runs import Result, Trigger
from services.trainer.store import Store
from services.trainer.tables import metadata
from shared.artifacts import ArtifactStore
from shared.clock import utcnow
from shared.db import Database
from shared.embedded import free_port
from shared.model import dump
from shared.vocabulary import CATEGORIES
from tests.support.learnt import small_table
from tests.support.ombud import ROOT
from tests.support.servers import environment, eventually
from tests.support.small_model import small_model


def training_set(folder: Path) -> Path:
    """Return a file as `ombud merge` writes them, of a small table's rows that can be told apart."""
    path = folder / "training.jsonl"
    lines = []
    for row in small_table(2000, sources=("edos",)).to_dict("records"):
        labels = {name: int(row[name]) for name in CATEGORIES if row[name] == row[name]}
        lines.append(orjson.dumps({"text": row["text"], "source": "town", "labels": labels, "split": row["split"]}))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def tuned(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "services", "tune", *map(str, arguments)]
    given = environment(data_dir=folder) | {"COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_a_study_without_a_server_reports_draws_and_goes_on(tmp_path: Path) -> None:
    path = training_set(tmp_path)
    how = ("--training-set", path, "--json", tmp_path / "report.json", "--plot", tmp_path / "plots", "--no-sentences")
    first = tuned(tmp_path, *how, "--trials", 1)
    assert first.returncode == 0, first.stderr[-2000:]
    assert "the defaults stay" in first.stdout
    second = tuned(tmp_path, *how, "--trials", 2)
    assert second.returncode == 0, second.stderr[-2000:]
    report = orjson.loads((tmp_path / "report.json").read_bytes())
    assert [each["number"] for each in report["trials"] if each["state"] != "fail"] == [0, 1]
    assert (tmp_path / "plots" / "history.svg").read_text("utf-8").startswith("<svg")
    said = first.stdout + second.stdout + (tmp_path / "report.json").read_text("utf-8")
    assert "bakers" not in said


def test_a_recipe_that_is_none_is_named_at_once() -> None:
    said = CliRunner().invoke(app, ["tune", "--recipe", "forest"], env={"COLUMNS": "120"})
    assert said.exit_code == 2
    assert "hashed, sgd, logistic" in said.output


# -- MLflow's server ------------------------------------------------------------------------------------------


class Server:
    """An `mlflow server` on the loopback address, without its pages."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        command = (
            *(
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "mlflow",
                "server",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
            ),
            *("--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}", "--workers", "1", "--serve-artifacts"),
            *("--artifacts-destination", str(self._folder / "served")),
        )
        given = environment() | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=given, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        await eventually(self._answers, within=120)

    def stop(self) -> None:
        """End it with every process it started."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def asked(self, path: str) -> Any:
        """Return what it answers to a question of its REST API."""
        return httpx.get(f"{self.url}/api/2.0/mlflow/{path}", timeout=10).json()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/trainer.sqlite3", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield Store(database)
    await database.close()


@pytest.mark.slow
async def test_what_mlflows_server_missed_is_logged_when_it_is_back(store: Store, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path / "artifacts")
    run_id, _ = await store.queue_run(Trigger.COMMAND, "hashed", utcnow())
    assert run_id is not None
    claim = await store.claim(run_id, "me", utcnow())
    assert claim is not None
    metrics = {"macro": {"auc": 0.8}, "categories": {}}
    result = Result("scorer", artifacts.put(dump(small_model())), "d" * 64, 1, 0, 3, metrics, None, True, ("good",), ())
    version = await store.finish(claim, result, None, utcnow())
    server = Server(tmp_path)
    tell = Registering(store, server.url, tmp_path, tmp_path / "artifacts")
    await tell()  # nobody listens there yet, and the run ended well all the same
    assert len((await store.wanted(utcnow())).models) == 1
    try:
        await server.start()
        again = Registering(store, server.url, tmp_path, tmp_path / "artifacts")
        await asyncio.wait_for(again(), 120)
        model = server.asked(f"registered-models/get?name={REGISTERED}")["registered_model"]
        assert model["aliases"] == [{"alias": "champion", "version": "1"}]
        named = server.asked(f"registered-models/alias?name={REGISTERED}&alias=champion")["model_version"]
        assert {"key": "ombud.version", "value": version} in named["tags"]
        listed = server.asked(f"artifacts/list?run_id={named['run_id']}")["files"]
        assert {each["path"] for each in listed} == {"model.npz", "facts.json", "pipeline"}
        assert not (await store.wanted(utcnow())).models
    finally:
        server.stop()
