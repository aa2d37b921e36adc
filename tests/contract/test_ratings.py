"""Several processes make personal models at once, on SQLite and PostgreSQL: no version twice, no rating lost."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from services.trainer.handlers import Handlers
from services.trainer.personalising import Personalising
from services.trainer.ratings import Person
from services.trainer.store import Store
from services.trainer.store.ratings import RatingStore
from services.trainer.tables import personal_models
from shared.artifacts import ArtifactStore
from shared.bus.commit import Done
from shared.db import Database
from shared.events import Event, ModelTrained, PostRated, said
from shared.ids import post_id
from tests.contract.conftest import Migrated
from tests.contract.speech import at, deleted, post, scored
from tests.support.databases import contents

POSTS, PEOPLE = 20, 9


def trainer(database: Database) -> Handlers:
    """One trainer process on a database."""
    store = Store(database)
    return Handlers(store, Personalising(RatingStore(database), store, ArtifactStore(Path("none")), 500))


def rated(n: int, rater: str, rating: int | None, minute: float) -> Event[PostRated]:
    """One person's rating of post number `n`."""
    data = PostRated(post_id=post_id("forum", str(n)), rater=rater, rating=rating, rated_at=at(minute))
    return said(data, by="ingest", cause=f"{n}|{rater}|{minute}")


def words(rater: str) -> list[Event[PostRated]]:
    """What a person says: sure, unsure, and other than before; everybody the same."""
    return [rated(n % POSTS, rater, None if n % 7 == 6 else n % 5, n) for n in range(30)]


async def told_by(handlers: Handlers, batch: list[Event[PostRated]]) -> list[ModelTrained]:
    """Deliver a batch; return what was said."""
    found = []
    for outcome in await handlers.on_post_rated(batch):
        assert isinstance(outcome, Done)
        found += [event.data for event in outcome.says]
    return found


def shared_out(events: list[Event[PostRated]], draw: random.Random) -> list[list[list[Event[PostRated]]]]:
    """Deal events to three processes in batches of any size; some are delivered to two of them."""
    dealt: list[list[list[Event[PostRated]]]] = [[], [], []]
    while events:
        batch, events = events[: (size := draw.choice((1, 3, 20)))], events[size:]
        for process in draw.sample(range(3), draw.choice((1, 1, 2))):
            dealt[process].append(batch)
    return dealt


@pytest.mark.parametrize("seed", [1, 2])
async def test_three_processes_make_each_version_once_and_end_where_one_would(
    dialect: str, seed: int, migrated: Migrated
) -> None:
    database = await migrated("trainer", dialect)
    await trainer(database).on_post_scored([scored(post(n), n / POSTS) for n in range(POSTS)])
    draw = random.Random(seed)
    events = [event for who in range(PEOPLE) for event in words(f"rater {who}")]
    draw.shuffle(events)

    async def work(batches: list[list[Event[PostRated]]]) -> list[ModelTrained]:
        handlers = trainer(database)
        return [model for batch in batches for model in await told_by(handlers, batch)]

    said_by_all = await asyncio.gather(*(work(batches) for batches in shared_out(events, draw)))
    told = {(model.model, model.posterior.version): model for each in said_by_all for model in each if model.posterior}
    heads = {row["rater"]: row["version"] for row in (await contents(database))["trainer_personal_models"]}
    assert len(heads) == PEOPLE
    store = RatingStore(database)
    last = set()
    for who, version in heads.items():
        newest = await store.newest_version(Person(who, ""))
        assert newest is not None and newest.posterior is not None
        posterior = newest.posterior
        assert posterior.version == version
        # every version of theirs was said by somebody: the numbers have no gaps
        assert {number for model, number in told if model == newest.model} == set(range(1, version + 1))
        last.add(orjson.dumps([posterior.weights, posterior.covariance, posterior.errors, posterior.baselines]))
    assert len(last) == 1, "everybody said the same, in other orders and to other processes"


async def test_a_deletion_beside_ratings_leaves_no_rating_of_it(dialect: str, migrated: Migrated) -> None:
    database = await migrated("trainer", dialect)
    one, other = trainer(database), trainer(database)
    await one.on_post_scored([scored(post(n), n / POSTS) for n in range(POSTS)])
    batches = [[rated(n, f"rater {who}", 3, n) for who in range(PEOPLE)] for n in range(8)]

    async def rate() -> None:
        for batch in batches:
            await told_by(one, batch)

    async def delete() -> None:
        for n in (3, 5):
            await other.on_post_deleted([deleted(n)])

    await asyncio.gather(rate(), delete())
    gone = {post_id("forum", "3"), post_id("forum", "5")}
    rows = (await contents(database))["trainer_rating_log"]
    assert {row["post_id"] for row in rows if row["rating"] is not None}.isdisjoint(gone)
    store = RatingStore(database)
    for who in range(PEOPLE):
        newest = await store.newest_version(Person(f"rater {who}", ""))
        assert newest is not None and newest.posterior is not None
        assert newest.posterior.labels == 6


async def test_who_takes_ratings_back_beside_rating_leaves_nothing_from_before(
    dialect: str, migrated: Migrated
) -> None:
    database = await migrated("trainer", dialect)
    one, other = trainer(database), trainer(database)
    await one.on_post_scored([scored(post(n), n / POSTS) for n in range(POSTS)])
    moment = at(100)

    def by(rater: str, n: int, model: str | None) -> Event[PostRated]:
        event = rated(n, rater, 3, n)
        data = event.data.model_copy(update={"model": model})
        late = {"id": f"{event.id}{model}", "time": moment + timedelta(minutes=1 if n == 7 else -n)}
        return event.model_copy(update={"data": data, **late})

    async def rate() -> None:
        for n in range(8):
            await told_by(one, [by(f"rater {who}", n, None if n % 2 else "m") for who in range(PEOPLE)])

    async def take_back() -> None:
        for who in range(0, PEOPLE, 2):
            data = PostRated(post_id="", rater=f"rater {who}", rated_at=moment, withdrawn="all")
            event = said(data, by="ingest", cause=f"back {who}").model_copy(update={"time": moment})
            assert await told_by(other, [event]) == []

    await asyncio.gather(rate(), take_back())
    rows = (await contents(database))["trainer_rating_log"]
    kept = {
        rater: sorted(row["post_id"] for row in rows if row["rater"] == rater) for rater in {r["rater"] for r in rows}
    }
    after, everything = [post_id("forum", "7")], sorted(post_id("forum", str(n)) for n in range(8))
    assert kept == {f"rater {who}": everything if who % 2 else after for who in range(PEOPLE)}
    store = RatingStore(database)
    for who in range(PEOPLE):
        newest = await store.newest_version(Person(f"rater {who}", ""))
        assert newest is not None and newest.posterior is not None
        assert newest.posterior.labels == (4 if who % 2 else 1)


async def test_a_renewal_leaves_out_who_is_just_rating(migrated: Migrated) -> None:
    database = await migrated("trainer", "postgresql")  # SQLite has one writer: beside it nobody is just rating
    handlers = trainer(database)
    await told_by(handlers, [rated(1, "ada", 3, 1), rated(1, "bram", 3, 1)])
    store = RatingStore(database)
    async with store.begin() as connection:
        await connection.execute(personal_models.update().values(population="another"))
    async with store.begin() as first, store.begin() as second:
        await store.hold(first, [Person("ada", "")])
        assert set(await store.hold_outdated(second, "", 10)) == {Person("bram", "")}
