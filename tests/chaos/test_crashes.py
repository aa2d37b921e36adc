"""STK-12, lost answers, and a trainer that dies over its work: what was decided before a crash is said after it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.ids import digest, post_id, stable_id
from tests.support.ledger import Ledger
from tests.support.ombud import runs
from tests.support.servers import eventually
from tests.support.wire import Wire
from tests.support.world import World

POST = {"platform": "crash", "external_id": "1", "text": "the post between two commits"}
POST_ID = post_id("crash", "1")
STORED = f"SELECT post_id, model_version, overall, scored_at FROM toxicity_scores WHERE post_id = '{POST_ID}'"  # noqa: S608


async def send(ombud: World, **changed: str) -> None:
    """Send the post of these tests, or another one."""
    async with ombud.processes.client("ingest") as http:
        assert (await http.post("/v1/posts", json=POST | changed)).status_code == 202


def is_said_once_as_stored(ledger: Ledger, stored: tuple[Any, ...]) -> None:
    """Assert one event, with the id that follows from its cause and the score that was stored before anything broke."""
    (cause,) = [event for event in ledger.events("posts.ingested") if event["subject"] == POST_ID]
    (said,) = [event for event in ledger.events("posts.scored") if event["subject"] == POST_ID]
    assert said["id"] == stable_id(cause["id"], "ombud.PostScored.v1", 0)
    data = said["data"]
    scored_at = datetime.fromisoformat(data["scored_at"]).astimezone(UTC).replace(tzinfo=None)
    assert [(POST_ID, data["model_version"], data["overall"], str(scored_at))] == [stored]
    assert ledger.ask("classifier", STORED) == [stored]
    assert ledger.letters() == []


async def test_a_crash_between_the_database_and_the_broker_is_made_good_from_the_stored_score(
    world: Callable[..., World],
) -> None:
    ombud = world()
    ombud.processes.start("ingest", "classifier")
    await ombud.processes.ready("ingest", "classifier")
    # 1. the classifier reads the post, but may not write to its database until the broker is gone
    with ombud.ledger.held("classifier"):
        await send(ombud)
        await eventually(lambda: ombud.ledger.pending("classifier") == 1)
        await asyncio.to_thread(ombud.broker.kill)
    # 2. the one commit is done, the other one cannot be
    (stored,) = await eventually(lambda: ombud.ledger.ask("classifier", STORED))
    ombud.processes.kill("classifier")
    await asyncio.to_thread(ombud.broker.start)
    assert ombud.ledger.length("posts.scored") == 0
    assert ombud.ledger.pending("classifier") == 1
    # 3. the next process finds the post again
    ombud.processes.start("classifier")
    await eventually(lambda: ombud.ledger.length("posts.scored"), 60)
    await ombud.quiet()
    is_said_once_as_stored(ombud.ledger, stored)


async def test_appending_and_committing_again_after_a_lost_answer_says_nothing_twice(
    world: Callable[..., World],
) -> None:
    ombud = world()
    async with Wire(ombud.broker.port).up() as wire:
        ombud.processes.reach(wire.url)
        ombud.processes.start("ingest", "classifier")
        await ombud.processes.ready("ingest", "classifier")
        await send(ombud, external_id="0")  # from now on the broker knows the scripts and does them at the first call
        await eventually(lambda: ombud.ledger.length("posts.scored") == 1)
        wire.lose_answer_to(b"ombud.PostIngested.v1")
        wire.lose_answer_to(b"ombud.PostScored.v1")
        await send(ombud)
        await eventually(lambda: wire.lost == [b"ombud.PostIngested.v1", b"ombud.PostScored.v1"])
        await ombud.quiet()
        (stored,) = ombud.ledger.ask("classifier", STORED)
        is_said_once_as_stored(ombud.ledger, stored)
        ombud.processes.close()


@pytest.mark.slow
async def test_a_run_whose_trainer_was_killed_is_taken_up_again_and_leaves_nothing_half_made(
    empty_world: Callable[..., World],
) -> None:
    ombud = empty_world()
    states = "SELECT state, attempt FROM trainer_runs"
    ombud.processes.start("trainer")
    await ombud.processes.ready("trainer")
    (worker,) = await eventually(lambda: ombud.processes.children("trainer"))
    await asyncio.sleep(1)
    assert ombud.ledger.ask("trainer", states) == [("running", 1)]
    ombud.processes.kill("trainer")

    await eventually(lambda: not runs(worker), 10)
    assert ombud.ledger.rows("trainer", "trainer_models") == 0
    assert ombud.ledger.length("models.trained") == ombud.ledger.length("models.promoted") == 0

    ombud.processes.start("ingest", "classifier", "trainer")
    await eventually(lambda: ombud.ledger.ask("trainer", states) == [("finished", 2)], 120, every=0.5)
    await ombud.processes.ready("classifier")
    ((version, artifact),) = ombud.ledger.ask("trainer", "SELECT version, artifact FROM trainer_models WHERE promoted")
    said = [*ombud.ledger.events("models.trained"), *ombud.ledger.events("models.promoted")]
    assert [event["data"]["model_version"] for event in said] == [version, version]
    assert digest((ombud.processes.data_dir / "artifacts" / artifact[:2] / artifact).read_bytes()) == artifact
    async with ombud.processes.client("classifier") as http:
        assert (await http.post("/predict", json={"inputs": "see you on Sunday"})).json()["model"] == version
