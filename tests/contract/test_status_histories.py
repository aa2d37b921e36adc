"""Stored judgements fold to the stored records, and time, people and withdrawals leave nothing half done."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from services.auditor.handlers import Handlers
from services.auditor.rows import row_of
from services.auditor.settling import Settling
from services.auditor.status.live import Policy, from_log, hear, marks_of, replayed
from services.auditor.status.posts import PERSON, Judgement
from services.auditor.store import Store
from services.auditor.tables import judgements, status_changes, statuses
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, PostRated, said
from shared.vocabulary import Status
from tests.contract.conftest import Migrated
from tests.contract.speech import at, batches, conversation, corrected, post, scored
from tests.contract.test_read_models import tell
from tests.support.databases import Contents, contents

HOLD = Policy(hold_s=60)


def handlers_of(database: Database, policy: Policy) -> dict[str, Any]:
    made = Handlers(Store(database), policy)
    return {
        "posts.scored": made.on_post_scored,
        "posts.corrected": made.on_post_corrected,
        "posts.rated": made.on_post_rated,
        "posts.deleted": made.on_post_deleted,
    }


def rated(n: int, rater: str, rating: int | None, minute: int = 5, **fields: Any) -> Event[PostRated]:
    name = post(n).post_id if "withdrawn" not in fields else ""
    data = PostRated(post_id=name, rater=rater, rating=rating, rated_at=at(minute), **fields)
    return said(data, by="ingest", cause=f"{n}{rater}{rating}{minute}").model_copy(update={"time": at(minute)})


async def of_statuses(database: Database) -> Contents:
    """The rows of the tables that are about statuses; the corpus counts every time it hears something."""
    names = {"auditor_statuses", "auditor_status_changes", "auditor_judgements", "auditor_corrections"}
    return {name: rows for name, rows in (await contents(database)).items() if name in names}


async def is_whole(database: Database, policy: Policy) -> int:
    """Assert that every record is what its judgements and its log lead to; return how many there are."""
    store = Store(database)
    async with database.read() as connection:
        rows = (await connection.execute(select(statuses).where(statuses.c.status.is_not(None)))).mappings().all()
    for row in rows:
        record, steps = replayed(row["post_id"], await store.received(row["post_id"]))
        log = await store.log(row["post_id"], limit=1000)
        assert [(each.sequence, each.status, each.changes, each.changed_at) for each in steps] == [
            (each.sequence, each.status, each.changes, each.changed_at) for each in log
        ]
        kept = await store.find_record(row["post_id"])
        assert kept is not None
        assert row_of(record, policy) == row_of(kept, policy)
        found = from_log(log)
        assert found.pop("conflicts") >= 0
        assert found == marks_of(kept)
    return len(rows)


@pytest.mark.parametrize("policy", [Policy(), HOLD, Policy(lock_age_s=120, raters=2)], ids=["plain", "hold", "lock"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_stored_judgements_and_the_log_lead_to_the_stored_records(
    seed: int, policy: Policy, dialect: str, migrated: Migrated
) -> None:
    database = await migrated("auditor", dialect)
    events = conversation(seed)
    heard = [each for each in batches("auditor", seed, events) if each[0].startswith("posts.")]
    await tell(handlers_of(database, policy), heard)
    assert await is_whole(database, policy) > 5
    await Settling(Store(database), policy)()
    before = await of_statuses(database)
    assert await is_whole(database, policy) > 5
    assert await Settling(Store(database), policy)() == 0
    await tell(handlers_of(database, policy), heard)
    assert await of_statuses(database) == before


async def test_holds_that_ended_are_released_once_however_many_look(dialect: str, migrated: Migrated) -> None:
    database = await migrated("auditor", dialect)
    await tell(handlers_of(database, HOLD), [("posts.scored", [scored(post(n), 0.9) for n in range(5)])])
    store = Store(database)
    assert {row.status for row in await store.list_statuses(status=None, after=None, limit=9)} == {"needs_review"}
    made = await asyncio.gather(*(Settling(store, HOLD)() for _ in range(3)))
    assert sum(made) == 5
    rows = await store.list_statuses(status=Status.FLAGGED, after=None, limit=9)
    assert {row.changed_at for row in rows} == {row.first_changed_at + timedelta(seconds=60) for row in rows}
    async with database.read() as connection:
        unsaid = (await connection.execute(select(status_changes).where(status_changes.c.announced_at.is_(None)))).all()
    assert sorted(row.sequence for row in unsaid) == [2] * 5
    assert await is_whole(database, HOLD) == 5


async def test_what_dies_while_it_moves_records_leaves_them_due(
    dialect: str, migrated: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await migrated("auditor", dialect)
    await tell(handlers_of(database, HOLD), [("posts.scored", [scored(post(n), 0.9) for n in range(5)])])
    before, store = await contents(database), Store(database)
    save = store.save

    async def dies(*args: Any, **kwargs: Any) -> None:
        await save(*args, **kwargs)
        raise RuntimeError("gone")

    monkeypatch.setattr(store, "save", dies)
    with pytest.raises(RuntimeError):
        await Settling(store, HOLD)()
    assert await contents(database) == before
    assert await Settling(Store(database), HOLD)() == 5


async def test_a_lock_refuses_a_second_reviewer_until_a_person_opens_it(dialect: str, migrated: Migrated) -> None:
    policy = Policy(lock_age_s=60)
    database = await migrated("auditor", dialect)
    handlers, store, name = handlers_of(database, policy), Store(database), post(1).post_id
    await tell(handlers, [("posts.scored", [scored(post(1), 0.9)])])
    await tell(handlers, [("posts.corrected", [corrected(1, name="a", minute=600)])])
    row = await store.find_status(name)
    assert row is not None
    assert (row.status, row.locked) == ("cleared", True)
    (((conflict,),),) = await tell(
        handlers,
        [("posts.corrected", [corrected(1, name="b", minute=700, expected_categories=("insult",))])],
    )
    assert [each["kind"] for each in conflict["data"]["changes"]] == ["lock_conflict"]
    row = await store.find_status(name)
    assert row is not None
    assert row.status == "cleared"
    async with store.begin() as connection:
        record = (await store.lock_records(connection, [name]))[name]
        opened = Judgement(name, PERSON, "x", utcnow(), "x", actor="noor", reason="heard anew")
        after, steps = hear(record, opened, policy)
        await store.save(connection, [opened], [after], steps, policy)
    row = await store.find_status(name)
    assert row is not None
    assert (row.status, row.locked) == ("flagged", False)
    assert await is_whole(database, policy) == 1


async def test_a_consensus_decides_and_ends_when_people_take_their_ratings_back(
    dialect: str, migrated: Migrated
) -> None:
    policy = Policy(raters=3)
    database = await migrated("auditor", dialect)
    handlers, store = handlers_of(database, policy), Store(database)
    await tell(handlers, [("posts.scored", [scored(post(1), 0.1)])])
    said_now = await tell(handlers, [("posts.rated", [rated(1, f"rater {n}", 4) for n in range(3)])])
    assert [event["data"]["rule"] for outcome in said_now[0] for event in outcome] == ["consensus"]
    back = rated(1, "rater 1", None, minute=50, withdrawn="all")
    await tell(handlers, [("posts.rated", [back]), ("posts.rated", [back, rated(1, "rater 1", 4)])])
    row = await store.find_status(post(1).post_id)
    assert row is not None
    assert (row.status, row.rule) == ("cleared", "model")
    everything = await contents(database)
    assert [table for table, rows in everything.items() if "rater 1" in repr(rows)] == ["auditor_withdrawals"]
    assert await is_whole(database, policy) == 1
    async with database.read() as connection:
        assert len((await connection.execute(select(judgements))).all()) == 5
