"""A rating makes a person's next version: which ratings count, what is said, what a deletion takes back."""

import random
from datetime import timedelta

import orjson

from services.trainer.ratings import Person, model_id
from services.trainer.store.ratings import said_in
from services.trainer.tables import personal_models, personal_versions, post_topics, rating_log
from shared.bus.commit import Done
from shared.events import ModelTrained
from shared.vocabulary import ModelKind
from tests.unit.trainer.spoken import NOON, at, deleted, rated, scored

ANNA, BEN = Person("anna", ""), Person("ben", "")


def models(outcomes) -> list[ModelTrained]:
    """What was said, in order."""
    return [event.data for outcome in outcomes for event in outcome.says]


def wires(outcomes) -> list[bytes]:
    """What was said, to the byte, but for the moment it was said at."""
    return [event.model_copy(update={"time": NOON}).wire() for outcome in outcomes for event in outcome.says]


def numbers(model: ModelTrained) -> bytes:
    """The bytes of a model."""
    posterior = model.posterior
    return orjson.dumps([posterior.weights, posterior.covariance, posterior.errors, posterior.baselines])


async def some_posts(handlers, count: int = 12) -> None:
    await handlers.on_post_scored([scored(f"p{n}", overall=n / count) for n in range(count)])


async def test_a_first_rating_moves_the_systems_view_towards_the_person(handlers) -> None:
    await some_posts(handlers)
    (model,) = models(await handlers.on_post_rated([rated("p3", "anna", 4)]))
    assert (model.kind, model.model, model.examples) == (ModelKind.PERSONAL, model_id(ANNA), 1)
    told = model.posterior
    assert (told.rater, told.version, told.basis, told.population) == ("anna", 1, "system", None)
    assert (told.labels, told.unsure, told.unknown, told.status) == (1, 0, 0, "too_few")
    assert told.weights[0] > 0, "the system said 1.0 and the person 4"
    assert (len(told.weights), len(told.covariance)) == (2, 3)
    assert told.baselines["system_mae"] == 3.0


async def test_ratings_of_one_batch_make_one_version_said_with_the_last_of_them(handlers) -> None:
    await some_posts(handlers)
    outcomes = await handlers.on_post_rated([rated(f"p{n}", "anna", 1, n) for n in range(4)] + [rated("p1", "ben", 2)])
    assert [len(outcome.says) for outcome in outcomes] == [0, 0, 0, 1, 1]
    assert [(each.posterior.rater, each.posterior.labels) for each in models(outcomes)] == [("anna", 4), ("ben", 1)]


async def test_a_redelivered_rating_says_the_same_event_from_its_row(handlers, rows) -> None:
    await some_posts(handlers)
    batch = [rated("p1", "anna", 1), rated("p2", "anna", 3, 1)]
    first = await handlers.on_post_rated(batch)
    await handlers.on_post_rated([rated("p3", "anna", 0, 2)])
    before = await rows(personal_versions), await rows(rating_log)
    assert wires(await handlers.on_post_rated(batch)) == wires(first)
    (alone,) = wires(await handlers.on_post_rated(batch[:1]))
    assert orjson.loads(alone)["id"] == orjson.loads(wires(first)[0])["id"]
    assert (await rows(personal_versions), await rows(rating_log)) == before


async def test_the_newest_rating_of_a_post_counts_and_equals_a_fresh_model(handlers, rows) -> None:
    await some_posts(handlers)
    await handlers.on_post_rated([rated(f"p{n}", "anna", 0, n) for n in range(12)])
    edited = [rated(f"p{n}", "anna", 4, 60 + n) for n in range(12)]
    (after,) = models(await handlers.on_post_rated(edited))
    (fresh,) = models(await handlers.on_post_rated([rated(f"p{n}", "ben", 4, n) for n in range(12)]))
    assert numbers(after) == numbers(fresh)
    assert after.posterior.labels == 12
    assert len(await rows(rating_log)) == 36, "the old ratings are history"


async def test_a_rating_that_is_older_than_what_stands_changes_nothing_and_says_nothing(handlers) -> None:
    await some_posts(handlers)
    await handlers.on_post_rated([rated("p1", "anna", 4, 10)])
    late = rated("p1", "anna", 0, 5)
    assert await handlers.on_post_rated([late]) == [Done()]
    assert await handlers.on_post_rated([late]) == [Done()]


async def test_unsure_is_counted_and_teaches_nothing(handlers) -> None:
    await some_posts(handlers)
    (view,) = models(await handlers.on_post_rated([rated("p1", "anna", None)]))
    assert (view.posterior.status, view.posterior.labels, view.posterior.unsure) == ("population_view", 0, 1)
    assert view.posterior.weights == (0.0, 1.0), "exactly what the system says"
    (one,) = models(await handlers.on_post_rated([rated("p2", "anna", 3, 1)]))
    (taken_back,) = models(await handlers.on_post_rated([rated("p2", "anna", None, 2)]))
    assert (one.posterior.labels, taken_back.posterior.labels, taken_back.posterior.unsure) == (1, 0, 2)


async def test_any_order_of_the_same_ratings_ends_in_the_same_bytes(handlers, rows) -> None:
    await some_posts(handlers)
    drawn, last = random.Random(5), []
    for order in range(4):
        # the same words, also edits, of one person after the other
        events = [rated(f"p{n % 12}", f"person{order}", n % 5, n) for n in range(30)]
        drawn.shuffle(events)
        while events:
            size = drawn.choice((1, 2, 7))
            last.append((order, models(await handlers.on_post_rated(events[:size]))))
            events = events[size:]
    newest = {row.rater: row for row in await rows(personal_models)}
    final = {}
    for row in await rows(personal_versions):
        if row.version == newest[row.rater].version:
            final[row.rater] = said_in(row)
    assert len({numbers(model) for model in final.values()}) == 1
    assert {model.posterior.labels for model in final.values()} == {12}


async def test_a_person_may_have_several_models(handlers) -> None:
    await some_posts(handlers)
    own, strict = models(await handlers.on_post_rated([rated("p1", "anna", 1), rated("p1", "anna", 4, 1, "strict")]))
    assert (own.posterior.model, strict.posterior.model) == (None, "strict")
    assert (own.posterior.labels, strict.posterior.labels) == (1, 1)
    assert own.model != strict.model


async def test_a_deleted_post_leaves_the_persons_next_version(handlers, rows) -> None:
    await some_posts(handlers)
    await handlers.on_post_rated([rated("p1", "anna", 4), rated("p2", "anna", 1, 1), rated("p1", "ben", 0)])
    assert await handlers.on_post_deleted([deleted("p1")]) == [Done()]
    waiting = [said_in(row).posterior for row in await rows(personal_versions) if row.announced_at is None]
    assert [(each.rater, each.version, each.labels) for each in waiting] == [("anna", 2, 1), ("ben", 2, 0)]
    assert {(row.post_id, row.rating) for row in await rows(rating_log) if row.gone} == {("p1", None)}
    await handlers.on_post_deleted([deleted("p1")])
    assert len(await rows(personal_versions)) == 4, "a second deletion finds nothing"


async def test_a_rating_that_comes_after_the_deletion_is_not_kept(handlers, rows) -> None:
    await some_posts(handlers)
    await handlers.on_post_deleted([deleted("p1")])
    assert await handlers.on_post_rated([rated("p1", "anna", 4)]) == [Done()]
    assert [(row.rating, row.gone) for row in await rows(rating_log)] == [(None, True)]


async def test_posts_of_an_erased_author_leave_everybodys_ratings(handlers, rows) -> None:
    await handlers.on_post_scored([scored("p", author="carl"), scored("q", author="dora")])
    await handlers.on_post_rated([rated("p", "anna", 4), rated("q", "anna", 1, 1)])
    await handlers.on_post_deleted([deleted(author="carl")])
    newest = max(await rows(personal_versions), key=lambda row: row.version)
    assert said_in(newest).posterior.labels == 1


async def test_only_the_last_versions_are_kept(handlers, personal, rows) -> None:
    personal._kept = 3
    await some_posts(handlers)
    for n in range(8):
        await handlers.on_post_rated([rated(f"p{n}", "anna", n % 5, n)])
    assert [row.version for row in await rows(personal_versions)] == [6, 7, 8]
    assert await handlers.on_post_rated([rated("p0", "anna", 0, 0)]) == [Done()], "nobody waits for the first any more"


async def test_what_the_system_says_later_fills_in_what_it_had_not_said(handlers, rows) -> None:
    (blind,) = models(await handlers.on_post_rated([rated("p1", "anna", 3)]))
    assert (blind.posterior.labels, blind.posterior.unknown) == (0, 1), "nothing is known of the post"
    await some_posts(handlers)
    (seeing,) = models(await handlers.on_post_rated([rated("p2", "anna", 2, 1)]))
    assert (seeing.posterior.labels, seeing.posterior.unknown) == (2, 0)
    assert {row.post_id: round(row.system, 3) for row in await rows(rating_log)} == {"p1": 0.333, "p2": 0.667}


async def test_a_version_tells_when_the_newest_word_behind_it_was_said(handlers) -> None:
    await some_posts(handlers)
    event = rated("p1", "anna", 3).model_copy(update={"time": at(3)})
    (model,) = models(await handlers.on_post_rated([event]))
    assert model.trained_at == NOON + timedelta(minutes=3)


async def test_ratings_of_a_topic_tune_it_and_its_posts_only(handlers, database, personal) -> None:
    await some_posts(handlers)
    async with database.begin() as connection:
        rows = [
            {"post_id": f"p{n}", "topic": n % 2, "score": 1.0, "topics_version": "t", "scored_at": NOON}
            for n in range(6)
        ]
        await connection.execute(post_topics.insert(), rows)
    batch = [rated(f"p{n}", "anna", 4, n) for n in (1, 3)] + [rated(f"p{n}", "anna", 0, n) for n in (7, 8)]
    (model,) = models(await handlers.on_post_rated(batch))
    (offset,) = model.posterior.offsets
    assert (offset.topic, offset.labels) == (1, 2)
    assert offset.mean > 0 and offset.sd > 0
    (untuned,) = models(await handlers.on_post_rated([rated("p8", "ben", 4)]))
    assert untuned.posterior.offsets == ()
