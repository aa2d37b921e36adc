"""Whole runs with real worker processes; and what becomes of a worker whose parent goes away."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from services.trainer.labels import Correction
from services.trainer.refits import build_craft
from services.trainer.runner import RunFailed, Runner
from services.trainer.runs import Job, RunKind, RunState, Sources, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.tables import corrections, model_facts, models
from services.trainer.training import Training
from services.trainer.worker import ORDER, ORPHANED, Order
from shared.artifacts import ArtifactStore
from shared.model import load
from shared.vocabulary import CATEGORIES, Verdict
from tests.support.servers import TABLES
from tests.unit.trainer.spoken import NOON, corrected, scored

ROOT = Path(__file__).parents[3]
PATIENCE_S = 240
TRAM = "the tram was late again today"


def job(folder: Path, champion: str | None = None, *told: Correction) -> Job:
    return Job(
        "hashed", 0, 3.0, 0.01, str(folder), champion, told, str(folder / "run"), sources=Sources(tables=str(TABLES))
    )


def training(store, folder: Path, timeout_s: float = PATIENCE_S) -> Training:
    settings = TrainerSettings(corrections_per_run=2, gate_tolerance=1.0)
    crafts = {RunKind.REFIT: build_craft(store, settings, folder, folder / "runs")}
    return Training(store, Runner(timeout_s), settings, "me", crafts)


async def until(store, work: Training, *states: RunState):
    """Go round until the newest run is in one of the states; return it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await work()
            runs = await store.latest_runs(1)
            if runs and runs[0].state in states:
                return runs[0]
            await asyncio.sleep(0.05)


async def test_a_fresh_installation_trains_its_first_model_and_corrections_the_second(
    store, handlers, rows, tmp_path
) -> None:
    work = training(store, tmp_path)
    first = await until(store, work, RunState.FINISHED, RunState.FAILED)
    assert (first.state, first.trigger, first.error) == ("finished", Trigger.START, None)

    await handlers.on_post_corrected([corrected("a", "p"), corrected("b", "q"), corrected("c", "never-seen")])
    await handlers.on_post_scored([scored("p", TRAM), scored("q", "this tram is always late")])
    await work()
    second = await until(store, work, RunState.FINISHED, RunState.FAILED)
    await work.stop()

    assert (second.trigger, second.corrections, second.error) == (Trigger.CORRECTIONS, 2, None)
    one, two = await rows(models)
    assert (one.promoted, two.promoted, two.replaces) == (True, True, one.version)
    assert [row.learned_by for row in await rows(corrections)] == [two.version, two.version, None]
    before, after = (load(ArtifactStore(tmp_path).get(row.artifact)) for row in (one, two))
    earlier, later = (model.score([TRAM])[0, CATEGORIES.index("insult")] for model in (before, after))
    assert later > earlier + 0.3  # one word of one person, beside older examples
    (said,) = await rows(model_facts)  # the shipped model has a card of its own
    assert (said.version, said.logged_at) == (two.version, None)
    assert said.facts["params"]["recipe"] == "hashed"
    card = ArtifactStore(tmp_path).get(said.card).decode()
    assert "| `correction` | 2 | 0 |" in card
    assert TRAM not in card


async def test_stopping_ends_the_worker_and_gives_the_run_back(store, tmp_path) -> None:
    work = training(store, tmp_path)
    await until(store, work, RunState.RUNNING)
    await asyncio.sleep(0.3)
    await work.stop()
    run = (await store.latest_runs(1))[0]
    assert (run.state, run.attempt, run.owner) == ("queued", 0, None)
    assert _workers() == []


async def test_a_cancelled_run_takes_its_worker_with_it_and_leaves_no_model(store, rows, tmp_path) -> None:
    work = training(store, tmp_path)
    run = await until(store, work, RunState.RUNNING)
    while not _workers():
        await asyncio.sleep(0.05)
    assert await store.cancel(run.run_id, "cancelled on request", NOON)
    async with asyncio.timeout(PATIENCE_S):
        while _workers():
            await asyncio.sleep(0.1)
    ended = await store.run(run.run_id)
    assert (ended.state, ended.error, await rows(models)) == ("failed", "cancelled on request", [])
    assert "running" not in {step.status for step in await store.steps(run.run_id)}
    await work.stop()


async def test_a_run_that_takes_too_long_has_failed_with_the_reason(store, tmp_path) -> None:
    work = training(store, tmp_path, timeout_s=0.05)
    run = await until(store, work, RunState.FAILED)
    assert run.error == "the worker was ended after 0.05 s"
    assert _workers() == []


async def test_a_champion_that_is_gone_is_said_and_does_not_stop_the_run(tmp_path) -> None:
    told = Correction("a", Verdict.INCORRECT, NOON, text="the tram was late again today", expected=("insult",))
    result = await Runner(PATIENCE_S).run(RunKind.REFIT, job(tmp_path, "0" * 64, told))
    assert result.passed
    assert result.reasons[0].startswith("the champion's artifact cannot be loaded any more")
    assert result.taught == ("a",)
    assert result.champion_metrics is None
    assert ArtifactStore(tmp_path).has(result.artifact)


async def test_a_worker_that_cannot_work_says_why(tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RunFailed, match="NotADirectoryError"):
        await Runner(PATIENCE_S).run(RunKind.REFIT, job(tmp_path / "file"))


def test_a_worker_ends_when_its_parent_is_gone(tmp_path) -> None:
    command = [sys.executable, "-m", "services.trainer.worker"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    plain = TypeAdapter(Job).dump_python(job(tmp_path), mode="json")
    worker.stdin.write(ORDER.dump_json(Order(RunKind.REFIT, plain)) + b"\n")
    worker.stdin.close()
    assert worker.wait(timeout=20) == ORPHANED
    assert worker.stdout.read() == b""
    worker.stdout.close()


def _workers() -> list[int]:
    """Return our children that still run a worker."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_text()
        except OSError:
            continue
        if parent == os.getpid() and "services.trainer.worker" in line:
            found.append(int(entry.name))
    return found
