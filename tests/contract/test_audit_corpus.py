"""What audits look at, on SQLite and PostgreSQL: any order, several processes, restarts, erasure, and who rates."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.auditor.audit_corpus import AuditCorpus
from services.auditor.audits.columns import Corpus
from services.auditor.handlers import Handlers
from services.auditor.status.live import Policy
from services.auditor.store import Store
from services.trainer.ratings import Heard, Person, standing
from services.trainer.updates import Ground, Update, next_version
from services.trainer.views import fitted_of, predicted
from shared.artifacts import ArtifactStore
from shared.bus.batch import settle
from shared.bus.commit import Again, Done
from shared.db import Database
from shared.events import Event, ModelTrained, PostDeleted, PostRated, said
from shared.judgement import CUT
from shared.personal import artifact as population_file
from shared.topics import model as topic_file
from shared.vocabulary import ModelKind, Visibility
from tests.contract.conftest import Migrated
from tests.contract.speech import at, batches, conversation, post, scored
from tests.support.audit_corpus import fill, follow, population_of, topics_of
from tests.support.databases import contents
from tests.support.raters import made

ARRIVAL = {
    "auditor_posts": {"sequence"},
    "auditor_ratings": {"sequence"},
    "auditor_tombstones": {"deleted_at"},
}
"""Of a post that was erased with its author and by itself either moment may stay."""
KEPT = ("auditor_posts", "auditor_ratings", "auditor_foundations", "auditor_tombstones", "auditor_hidings")


def handlers_of(database: Database) -> Handlers:
    return Handlers(Store(database), Policy(review_from=0.35))


async def tell(database: Database, *events: Event[Any]) -> None:
    """Let the auditor hear events, each kind as one batch."""
    handlers = handlers_of(database)
    by = {
        "ombud.PostScored.v1": handlers.on_post_scored,
        "ombud.PostRated.v1": handlers.on_post_rated,
        "ombud.PostDeleted.v1": handlers.on_post_deleted,
        "ombud.ModelTrained.v1": handlers.on_model_trained,
    }
    for kind, handler in by.items():
        batch = [event for event in events if event.type == kind]
        while batch:
            outcomes = await settle(handler, batch)
            # of two processes that make a post's first step at once one fails and takes its batch again
            left = [each for each in zip(batch, outcomes, strict=True) if not isinstance(each[1], Done)]
            assert all(isinstance(outcome, Again) and outcome.error == "IntegrityError" for _, outcome in left), left
            batch = [event for event, _ in left]


async def corpus_of(database: Database, artifacts: Path, limit: int = 250_000) -> AuditCorpus:
    """A corpus as a process that has just started has it."""
    corpus = AuditCorpus(Store(database), ArtifactStore(artifacts), limit)
    await follow(corpus)
    return corpus


def assert_equal(one: Corpus, other: Corpus) -> None:
    for each in fields(Corpus):
        left, right = getattr(one, each.name), getattr(other, each.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, each.name)
        else:
            assert left == right, each.name


def rated(n: int, rating: int | None, *, rater: str = "ada", model: str | None = None, minute: float = 600) -> Any:
    data = PostRated(post_id=post(n).post_id, rater=rater, rating=rating, rated_at=at(minute), model=model)
    event = said(data, by="ingest", cause=f"{rater}|{model}|{n}|{minute}")
    return event.model_copy(update={"time": at(minute)})


def withdrawn(minute: float, *, rater: str = "ada", model: str | None = None) -> Any:
    which = "model" if model is not None else "all"
    data = PostRated(post_id="", rater=rater, rated_at=at(minute), model=model, withdrawn=which)  # type: ignore[arg-type]
    return said(data, by="ingest", cause=f"back|{rater}|{minute}").model_copy(update={"time": at(minute)})


def foundation(which: str, artifact: str, minute: float = 1) -> Event[ModelTrained]:
    data = ModelTrained(
        run_id=artifact,
        kind=ModelKind.PERSONAL if which == "population" else ModelKind.TOPIC,
        model=which,
        model_version=f"{which}-{artifact[:8]}",
        artifact=artifact,
        data_hash="d",
        trained_at=at(minute),
        foundation=which,  # type: ignore[arg-type]
    )
    return said(data, by="trainer", cause=artifact)


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_order_of_the_same_events_leaves_the_same_corpus(
    seed: int, dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    events = conversation(seed)
    rows, columns = [], []
    for order in (seed, seed + 50):
        database = await migrated("auditor", dialect)
        mixed = random.Random(order).sample(events, k=len(events))
        for _, batch in batches("auditor", order, mixed):
            await tell(database, *batch)
        found = await contents(database, ARRIVAL)
        rows.append({name: found[name] for name in KEPT})
        columns.append((await corpus_of(database, tmp_path)).view().columns)
    assert rows[0] == rows[1]
    assert all(rows[0][name] for name in ("auditor_posts", "auditor_ratings", "auditor_tombstones", "auditor_hidings"))
    assert len(columns[0])
    assert_equal(columns[0], columns[1])


async def test_a_process_that_follows_has_what_one_that_starts_has(
    dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    database = await migrated("auditor", dialect)
    following = AuditCorpus(Store(database), ArtifactStore(tmp_path), 250_000)
    following_on = asyncio.Event()

    async def follow_on() -> None:
        while not following_on.is_set():
            following._rests_until = 0.0
            await following()

    follower = asyncio.create_task(follow_on())
    try:
        for _, batch in batches("auditor", 7, conversation(7)):
            # two processes hear at once what the other one hears, too
            await asyncio.gather(tell(database, *batch), tell(database, *batch[: len(batch) // 2 + 1]))
    finally:
        following_on.set()
        await follower
    following._rests_until = 0.0
    await following()
    assert_equal(following.view().columns, (await corpus_of(database, tmp_path)).view().columns)


async def test_an_erased_post_is_nowhere_in_the_corpus(dialect: str, migrated: Migrated, tmp_path: Path) -> None:
    database = await migrated("auditor", dialect)
    await tell(database, *(scored(post(n, text=f"word{n} of them"), 0.4) for n in range(5)), rated(1, 3), rated(2, 4))
    corpus = await corpus_of(database, tmp_path)
    store = Store(database)
    assert [len(corpus.view().search(word)) for word in ("word1", "WORD", "word9", "ord1")] == [1, 5, 0, 1]
    assert [len(corpus.view().search(word, whole=True)) for word in ("word1", "ord1", "of THEM")] == [1, 0, 5]
    await tell(database, said(PostDeleted(post_id=post(1).post_id, deleted_at=at(50)), by="ingest", cause="gone"))
    assert await store.texts_of([post(1).post_id, post(2).post_id]) == {post(2).post_id: "word2 of them"}
    corpus._rests_until = 0.0
    await corpus()
    assert post(1).post_id not in corpus.view().columns.places
    assert len(corpus.view().search("word1")) == 0
    assert [row.post_id for row in await store.ratings_of("ada", "")] == [post(2).post_id]
    # a late copy, and a late rating, meet the tombstone
    await tell(database, scored(post(1, text="word1 of them", edit=3), 0.9), rated(1, 0, minute=700))
    assert "word1" not in repr(await contents(database))
    assert [row.post_id for row in await store.ratings_of("ada", "")] == [post(2).post_id]


async def test_posts_of_a_hidden_author_are_out_of_sight_until_they_are_shown(
    dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    database = await migrated("auditor", dialect)
    await tell(database, *(scored(post(n, author="cleo" if n % 2 else "ada"), 0.4) for n in range(4)))
    corpus = await corpus_of(database, tmp_path)
    account = post(1, author="cleo").author
    for visibility, minute, left in ((Visibility.HIDDEN, 50, 2), (Visibility.SHOWN, 60, 4)):
        data = PostDeleted(platform="forum", account=account, visibility=visibility, deleted_at=at(minute))
        await tell(database, said(data, by="ingest", cause=f"{minute}"))
        corpus._rests_until = 0.0
        await corpus()
        assert len(corpus.view().columns) == left


async def test_of_too_many_posts_the_newest_stay_in_every_process(
    dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    database = await migrated("auditor", dialect)
    other = AuditCorpus(Store(database), ArtifactStore(tmp_path), 100)
    for start in range(0, 120, 10):
        await tell(database, *(scored(post(n), 0.4, minute=n) for n in range(start, start + 10)))
    await follow(other)
    # one that was scored again is new again
    await tell(database, scored(post(3), 0.8, minute=500, model="m-0002-bbbbbbbb"))
    one = await corpus_of(database, tmp_path, limit=100)
    assert await one() is None
    one._rests_until = other._rests_until = 0.0
    await one()
    await other()
    kept = {post(n).post_id for n in (3, *range(20, 120))}
    assert set(one.view().columns.posts) == kept
    assert_equal(one.view().columns, other.view().columns)
    assert_equal(one.view().columns, (await corpus_of(database, tmp_path, limit=100)).view().columns)


async def test_a_judge_says_what_the_trainer_says_of_old_and_new_posts(
    dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    database = await migrated("auditor", dialect)
    artifacts = ArtifactStore(tmp_path)
    crowd = made(60, 40, 5)
    texts = [text or "" for text in crowd.crowd.texts]
    # the population knows fewer posts than there are, by ids of its own
    population = population_of(crowd, 1)
    names = [post(n).post_id for n in range(60)]
    known = sorted(names[:40])
    population = type(population)(
        tuple(known), *(getattr(population, each)[:40] for each in ("sums", "counts", "scores", "about")),
        population.priors, population.reader, population.facts,
    )  # fmt: skip
    topics = topics_of()
    grounds = Ground(population, artifacts.put(population_file.dump(population)), at(5))
    told = [scored(post(n, text=texts[n]), (n % 10) / 10) for n in range(60)]
    topic_of = dict(zip(names, topics.assign(texts)[0].tolist(), strict=True))
    systems = {name: 4 * (n % 10) / 10 for n, name in enumerate(names)}
    person = Person("ada", "")
    log = [
        Heard(f"e{n}", person, names[n], n % 5, at(600 + n), at(600 + n), systems[names[n]], topic=topic_of[names[n]])
        for n in (1, 7, 13, 22, 45, 50, 51)
    ]
    grounds.learn({name: texts[n] for n, name in enumerate(names)})
    version = next_version(Update(person, 3, at(700), log, standing(log)), grounds)
    await tell(
        database,
        *told,
        *(rated(names.index(each.post_id), each.rating, minute=600) for each in log),
        foundation("topics", artifacts.put(topic_file.dump(topics))),
        said(version, by="trainer", cause="3"),
    )
    corpus = await corpus_of(database, tmp_path)
    before = await corpus.judge("ada")
    assert before.basis.version == 3
    await tell(database, foundation("population", grounds.artifact))
    corpus._rests_until = 0.0
    await corpus()
    fitted = fitted_of(version, log, grounds)
    for tuned in (True, False):
        expected = predicted(fitted, grounds, names, systems, topic_of if tuned else {}, CUT)
        judge = await corpus.judge("ada", tuned=tuned)
        rows = [corpus.view().columns.places[each.post_id] for each in expected]
        for column, name in (("prediction", "rating"), ("sd", "sd"), ("sd_of_one", "sd_of_one"), ("toxic", "toxic")):
            np.testing.assert_allclose(getattr(judge, column)[rows], [getattr(e, name) for e in expected], rtol=2e-6)
        np.testing.assert_array_equal(judge.tuned[rows], [each.tuned for each in expected] if tuned else False)
        assert judge.basis.status == version.posterior.status  # type: ignore[union-attr]
    labelled = {post_id: judge.label[row] for post_id, row in corpus.view().columns.places.items()}
    assert {name: float(value) for name, value in labelled.items() if not np.isnan(value)} == {
        each.post_id: float(each.rating or 0) for each in log
    }
    # on the ground before, their ratings make what the trainer would say of them
    assert abs(before.prediction - judge.prediction).max() > 0.01
    nobody = await corpus.judge("nobody")
    assert (nobody.basis.status, nobody.basis.version) == ("population_view", 0)
    fresh = predicted(fitted_of(None, [], grounds), grounds, names, systems, {}, CUT)
    rows = [corpus.view().columns.places[each.post_id] for each in fresh]
    np.testing.assert_allclose(nobody.prediction[rows], [each.rating for each in fresh], rtol=2e-6)


async def test_a_version_on_another_population_is_made_again_from_the_ratings(
    dialect: str, migrated: Migrated, tmp_path: Path
) -> None:
    database = await migrated("auditor", dialect)
    artifacts = ArtifactStore(tmp_path)
    world = await fill(database, artifacts, posts=400, raters=60, people=5, seed=3)
    corpus = await corpus_of(database, tmp_path)
    other = population_of(made(400, 60, 5, seed=3), 99)
    await tell(database, foundation("population", artifacts.put(population_file.dump(other)), 50_000))
    corpus._rests_until = 0.0
    await corpus()
    person = world.people[0]
    judge = await corpus.judge(person)
    ground = Ground(other, "another", at(50_000) + timedelta(days=1))
    log = [
        Heard(
            row.event_id, Person(person, ""), row.post_id, row.rating, row.rated_at, row.said_at,
            4 * float(corpus.view().seen.overall[corpus.view().columns.places[row.post_id]]),
            topic=int(corpus.view().columns.topics[corpus.view().columns.places[row.post_id]]),
        )
        for row in await Store(database).ratings_of(person, "")
    ]  # fmt: skip
    version = next_version(Update(Person(person, ""), 9, at(1), log, standing(log)), ground)
    names = list(corpus.view().columns.posts)
    topics = dict(zip(names, corpus.view().columns.topics.tolist(), strict=True))
    expected = predicted(fitted_of(version, log, ground), ground, names, {}, topics, CUT)
    np.testing.assert_allclose(judge.prediction, [each.rating for each in expected], rtol=1e-5, atol=1e-6)


async def test_the_newest_word_on_a_post_is_the_label(dialect: str, migrated: Migrated, tmp_path: Path) -> None:
    database = await migrated("auditor", dialect)
    words = [rated(1, 0, minute=610), rated(1, 4, minute=605), rated(2, None), rated(2, 2, minute=590), rated(3, 1)]
    await tell(database, *(scored(post(n), 0.4) for n in range(5)), *words, *words[:2], rated(4, 4, model="strict"))
    judge = await (corpus := await corpus_of(database, tmp_path)).judge("ada")
    places = corpus.view().columns.places
    labels = [float(judge.label[places[post(n).post_id]]) for n in range(5)]
    assert np.isnan([labels[0], labels[2], labels[4]]).all() and (labels[1], labels[3]) == (0.0, 1.0)
    assert judge.basis.unsure == 1
    strict = await corpus.judge("ada", "strict")
    assert float(np.nansum(strict.label)) == 4.0


@pytest.mark.parametrize("late", [False, True])
async def test_ratings_that_are_taken_back_leave_with_what_was_made_of_them(
    late: bool, dialect: str, migrated: Migrated
) -> None:
    database, store = await migrated("auditor", dialect), None
    store = Store(database)
    models = [_model(rater, model, 650) for rater, model in (("ada", None), ("ada", "strict"), ("bo", None))]
    words: Sequence[Any] = [rated(1, 4), rated(2, 3, model="strict"), rated(3, 3, rater="bo")]
    first, second = ([withdrawn(660)], [*words, *models]) if late else ([*words, *models], [withdrawn(660)])
    await tell(database, *first)
    await tell(database, *second, rated(4, 0, minute=670), _model("ada", None, 660, version=2))
    assert [row.post_id for row in await store.ratings_of("ada", "")] == [post(4).post_id]
    assert await store.ratings_of("ada", "strict") == [] == await store.versions_of("ada", "strict", 10)
    assert [row.version for row in await store.versions_of("ada", "", 10)] == [2]
    assert await store.model_of("ada", "strict") is None
    assert len(await store.ratings_of("bo", "")) == len(await store.models_of("bo")) == 1


def _model(rater: str, model: str | None, minute: float, version: int = 1) -> Event[ModelTrained]:
    data = {
        "run_id": f"{rater}{model}",
        "kind": ModelKind.PERSONAL,
        "model": f"{rater}{model}",
        "model_version": f"{rater}{model}.{version}",
        "data_hash": "d",
        "trained_at": at(minute),
        "posterior": {
            "rater": rater,
            "model": model,
            "version": version,
            "basis": "system",
            "weights": (0.0, 1.0),
            "covariance": (0.4, 0.0, 0.1),
            "noise": 0.8,
            "labels": 1,
            "status": "too_few",
        },
    }
    trained = ModelTrained.model_validate(data)
    return said(trained, by="trainer", cause=trained.model_version)
