"""What the registry should be told, alike on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.trainer.lifecycle import Layer, Terms
from services.trainer.runs import Result, Trigger
from services.trainer.store import Store
from shared.clock import utcnow
from tests.contract.conftest import Migrated

METRICS = {"macro": {"auc": 0.8}, "categories": {}}
RESULT = Result("scorer", "a" * 64, "d" * 64, 10, 0, 3, METRICS, None, True, ("because",), ())


@pytest.fixture
async def store(migrated: Migrated, dialect: str) -> Store:
    """The trainer's store on each database."""
    return Store(await migrated("trainer", dialect))


async def made(store: Store, result: Result, terms: Terms | None = None) -> str:
    run_id, _ = await store.queue_run(Trigger.COMMAND, "hashed", utcnow())
    assert run_id is not None
    claim = await store.claim(run_id, "me", utcnow())
    assert claim is not None
    champion, _ = await store.snapshot(claim)
    version = await store.finish(claim, result, champion, utcnow(), terms)
    assert version is not None
    return version


async def test_a_model_is_told_once_and_an_alias_whenever_it_moves(store: Store) -> None:
    now = utcnow() + timedelta(minutes=1)
    assert (await store.wanted(now)).models == ()
    told = {"facts": {"metrics": {"macro_ap_11": 0.7}}, "left": {"card": "c" * 64, "plot_history": "e" * 64}}
    first = await made(store, replace(RESULT, **told))
    (row,) = (await store.wanted(now)).models
    assert (row.version, row.facts, row.card, row.plots) == (
        first,
        told["facts"],
        "c" * 64,
        {"history": "e" * 64},
    )
    assert (await store.wanted(now)).aliases == {"champion": first}

    await store.logged({first: ("run", "7")}, {"champion": first}, now)
    assert ((await store.wanted(now)).models, (await store.wanted(now)).aliases) == ((), {})
    assert (await store.facts(first)).number == "7"

    # a second one waits, is promoted, and MLflow has missed both
    second = await made(store, replace(RESULT, artifact="b" * 64), Terms("hand"))
    assert (await store.wanted(now)).aliases == {"challenger": second}
    await store.put_in_force(second, Layer.REFIT, ["better"], utcnow(), by="me", expected=first)
    wanted = await store.wanted(now)
    assert ([each.version for each in wanted.models], wanted.aliases) == ([second], {"champion": second})
    await store.put_in_force(first, Layer.ROLLBACK, ["worse"], utcnow(), by="me", expected=second)
    assert (await store.wanted(now)).aliases == {}  # it is where it was when MLflow was told last
    await store.logged({second: ("run2", "8")}, {}, now)
    await store.put_in_force(second, Layer.ROLLBACK, ["after all"], utcnow(), by="me", expected=first)
    wanted = await store.wanted(now)
    assert (wanted.models, wanted.aliases, wanted.numbers) == ((), {"champion": second}, {second: "8"})
