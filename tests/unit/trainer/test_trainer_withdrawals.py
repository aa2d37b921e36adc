"""A person takes their ratings back: they, what was made of them and late copies are gone, and nobody else's."""

from datetime import timedelta

import pytest

from services.trainer import populations
from services.trainer.ratings import Person, standing
from services.trainer.settings import TrainerSettings
from services.trainer.store.ratings import RatingStore, said_in
from services.trainer.tables import personal_versions, rating_log, withdrawals
from services.trainer.updates import Update, next_version
from shared.bus.commit import Done
from shared.clock import utcnow
from shared.events import Event, PostRated, said
from tests.unit.trainer.spoken import at, deleted, rated, scored
from tests.unit.trainer.test_trainer_populations import PEOPLE, a_crowd, a_population
from tests.unit.trainer.test_trainer_ratings import models

ANNA, BEN = Person("anna", ""), Person("ben", "")


def rating(post: str, rater: str, value: int | None, minute: int, model: str | None = None) -> Event[PostRated]:
    """A rating that came in at a minute."""
    return rated(post, rater, value, minute, model).model_copy(update={"time": at(minute)})


def taken_back(rater: str, minute: int, model: str | None = None) -> Event[PostRated]:
    """What ingest says when somebody takes their ratings back: all of them, or those of one model."""
    whole = "all" if model is None else "model"
    data = PostRated(post_id="", rater=rater, rated_at=at(minute), model=model or None, withdrawn=whole)
    return said(data, by="ingest", cause=f"{rater}|{minute}|{model}").model_copy(update={"time": at(minute)})


async def some_ratings(handlers, *raters: str, model: str | None = None) -> list[Event[PostRated]]:
    """Six posts, rated by everybody named, a minute apart."""
    await handlers.on_post_scored([scored(f"p{n}", overall=n / 6) for n in range(6)])
    events = [rating(f"p{n}", who, 4, n, model) for who in raters for n in range(6)]
    await handlers.on_post_rated(events)
    return events


async def test_nothing_is_left_of_who_takes_their_ratings_back_and_others_stay(handlers, database, rows) -> None:
    await some_ratings(handlers, "anna", "ben")
    before = await RatingStore(database).newest_version(BEN)
    assert await handlers.on_post_rated([taken_back("anna", 10)]) == [Done()]
    assert {row.rater for row in await rows(rating_log)} == {"ben"}
    (left,) = [said_in(row) for row in await rows(personal_versions) if row.rater == "anna"]
    assert (left.posterior.version, left.posterior.labels, left.posterior.status) == (2, 0, "population_view")
    assert left.posterior.errors == {}
    (unsaid,) = [row for row in await rows(personal_versions) if row.announced_at is None]
    assert unsaid.rater == "anna", "nobody else has anything to say"
    assert await RatingStore(database).newest_version(BEN) == before


async def test_it_is_the_same_however_often_it_is_said(handlers, rows) -> None:
    await some_ratings(handlers, "anna")
    await handlers.on_post_rated([taken_back("anna", 10)])
    once = await rows(rating_log), await rows(personal_versions), await rows(withdrawals)
    await handlers.on_post_rated([taken_back("anna", 10)] * 2)
    assert (await rows(rating_log), await rows(personal_versions), await rows(withdrawals)) == once
    await handlers.on_post_rated([taken_back("anna", 11), taken_back("nobody", 11)])
    assert (await rows(rating_log), await rows(personal_versions)) == once[:2]


async def test_a_late_copy_finds_it_and_what_is_said_afterwards_counts(handlers, personal, database, rows) -> None:
    events = await some_ratings(handlers, "anna")
    late = rating("p0", "anna", 3, 9)
    await handlers.on_post_rated([taken_back("anna", 10)])
    assert models(await handlers.on_post_rated([*events, late])) == []
    assert await rows(rating_log) == []
    # the moment it came in counts, not the one it is dated to
    earlier = rating("p1", "anna", 1, 11)
    earlier = earlier.model_copy(update={"data": earlier.data.model_copy(update={"rated_at": at(-600)})})
    (model,) = models(await handlers.on_post_rated([earlier]))
    assert (model.posterior.version, model.posterior.labels) == (3, 1)
    log = await RatingStore(database).everything_of(ANNA)
    fresh = next_version(Update(ANNA, 3, model.trained_at, log, standing(log)), personal.ground)
    assert model == fresh


async def test_what_is_dated_to_the_future_goes_too(handlers, rows) -> None:
    ahead = rating("p0", "anna", 4, 1)
    ahead = ahead.model_copy(update={"data": ahead.data.model_copy(update={"rated_at": at(10_000)})})
    await handlers.on_post_rated([ahead])
    await handlers.on_post_rated([taken_back("anna", 2)])
    assert await rows(rating_log) == []


async def test_one_batch_takes_back_what_came_before_and_keeps_what_came_after(handlers, rows) -> None:
    batch = [rating("p0", "anna", 4, 1), rating("p1", "anna", 4, 3), taken_back("anna", 2)]
    await some_ratings(handlers, "ben")
    outcomes = await handlers.on_post_rated(batch)
    assert [each.posterior.labels for each in models(outcomes)] == [1]
    assert [row.post_id for row in await rows(rating_log) if row.rater == "anna"] == ["p1"]


@pytest.mark.parametrize(("model", "left"), [("", {"mine"}), ("mine", {""}), (None, set())])
async def test_one_model_is_taken_back_or_all_of_them(handlers, rows, model, left) -> None:
    await some_ratings(handlers, "anna")
    await some_ratings(handlers, "anna", model="mine")
    await handlers.on_post_rated([taken_back("anna", 10, model)])
    assert {row.model for row in await rows(rating_log)} == left


async def test_a_deleted_posts_rating_goes_as_well(handlers, rows) -> None:
    await some_ratings(handlers, "anna")
    await handlers.on_post_deleted([deleted("p3")])
    await handlers.on_post_rated([taken_back("anna", 10)])
    assert await rows(rating_log) == []


async def test_the_next_population_knows_nothing_of_them_and_one_is_due_within_a_day(
    handlers, personal, store, database, tmp_path, rows, monkeypatch
) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    ratings = RatingStore(database)
    event = taken_back("person 0", 0).model_copy(update={"time": utcnow() + timedelta(seconds=1)})
    ask = populations.build_ask(ratings, TrainerSettings())
    monkeypatch.setattr(populations, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(populations, "OLDEST", timedelta(0))
    assert await ask() == [], "nothing is new"
    await handlers.on_post_rated([event])
    assert [due.kind for due in await ask()] == ["population"]
    await a_population(store, database, tmp_path)
    newest = await ratings.newest_population()
    assert (newest.raters, newest.ratings) == (PEOPLE - 1, (PEOPLE - 1) * 12)
