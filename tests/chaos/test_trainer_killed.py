"""kill -9 of the trainer at every step of a refit: the run goes on where it stopped, nothing half made is promoted."""

import sqlite3
from collections.abc import Callable

import pytest

from services.trainer.steps import REFIT
from shared.ids import digest
from tests.support.ombud import runs
from tests.support.servers import eventually
from tests.support.world import World

KILLED_AT = (("data", "features"), ("training", "evaluation"), ("gate", "promotion"))
"""Per run the steps at which its process dies: after a third death it would have failed."""
LONG_S = 400


def status(ombud: World, run_id: str, step: str) -> str:
    ((found,),) = ombud.ledger.ask(
        "trainer",
        f"SELECT status FROM trainer_steps WHERE run_id = '{run_id}' AND name = '{step}'",  # noqa: S608
    )
    return str(found)


def run(ombud: World, run_id: str) -> tuple[str, int, str | None]:
    ((state, attempt, version),) = ombud.ledger.ask(
        "trainer",
        f"SELECT state, attempt, model_version FROM trainer_runs WHERE run_id = '{run_id}'",  # noqa: S608
    )
    return state, attempt, version


def is_whole(ombud: World) -> None:
    """Assert that every model has its artifact and a finished run, and that only such models were ever promoted."""
    models = ombud.ledger.ask(
        "trainer",
        "SELECT version, artifact, state FROM trainer_models LEFT JOIN trainer_runs USING (run_id)",
    )
    for _, artifact, state in models:
        assert state == "finished"
        path = ombud.processes.data_dir / "artifacts" / artifact[:2] / artifact
        assert digest(path.read_bytes()) == artifact
    known = {version for version, _, _ in models}
    assert {event["data"]["model_version"] for event in ombud.ledger.events("models.promoted")} <= known
    ((champion,),) = ombud.ledger.ask("trainer", "SELECT version FROM trainer_champions")
    assert champion in known


def half_a_minute_passes(ombud: World) -> None:
    """Let the heartbeat of a dead process grow old at once."""
    with sqlite3.connect(ombud.processes.data_dir / "trainer.sqlite3", timeout=30) as database:
        database.execute("UPDATE trainer_runs SET heartbeat_at = '2026-01-01 00:00:00.000000' WHERE state = 'running'")
    database.close()


async def dies_at(ombud: World, run_id: str, step: str) -> None:
    """Kill the trainer as soon as a step has begun, and start it again once its worker is gone, too."""
    await eventually(lambda: status(ombud, run_id, step) != "waiting", LONG_S, every=0.01)
    workers = ombud.processes.children("trainer")
    ombud.processes.kill("trainer")
    for worker in workers:
        await eventually(lambda worker=worker: not runs(worker), 10)
    is_whole(ombud)
    half_a_minute_passes(ombud)
    ombud.processes.start("trainer")
    await ombud.processes.ready("trainer")


@pytest.mark.slow
async def test_whatever_step_its_process_dies_at_a_refit_goes_on_and_promotes_a_whole_model(
    empty_world: Callable[..., World],
) -> None:
    ombud = empty_world()
    ombud.processes.start("ingest", "trainer")
    await ombud.processes.ready("ingest", "trainer")
    await eventually(lambda: ombud.ledger.rows("trainer", "trainer_models") == 1, LONG_S, every=0.2)
    async with ombud.processes.client("ingest") as http:
        for number in range(3):
            text = f"the tram number {number} was late again today"
            sent = {"text": text, "expected_categories": ["insult"], "feedback_type": "false_negative"}
            assert (await http.post("/v1/feedback", json=sent)).status_code in (200, 202)
    await eventually(lambda: ombud.ledger.rows("trainer", "trainer_corrections") == 3)

    for steps in KILLED_AT:
        async with ombud.processes.client("trainer") as http:
            run_id = (await http.post("/v1/runs")).json()["run_id"]
        for step in steps:
            await dies_at(ombud, run_id, step)
        await eventually(lambda run_id=run_id: run(ombud, run_id)[0] in ("finished", "failed"), LONG_S, every=0.2)
        state, attempt, version = run(ombud, run_id)
        assert (state, attempt <= 3) == ("finished", True)
        assert version is not None
        assert {status(ombud, run_id, step) for step in REFIT} == {"done", "skipped"}
        is_whole(ombud)
        await eventually(
            lambda version=version: (
                version in [event["data"]["model_version"] for event in ombud.ledger.events("models.trained")]
            )
        )
    said = [event for event in ombud.ledger.events("models.promoted") if event["data"]["layer"] != "replay"]
    assert [event["data"]["layer"] for event in said] == ["start", "refit", "refit", "refit"]
    assert len({event["id"] for event in said}) == len(said)
