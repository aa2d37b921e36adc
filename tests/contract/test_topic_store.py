"""Topics and drift of posts are kept alike on SQLite and PostgreSQL."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.trainer.drift import COUNTED
from services.trainer.handlers import Handlers
from services.trainer.personalising import Personalising
from services.trainer.runs import Claim, RunKind, Trigger
from services.trainer.store import Store
from services.trainer.store.drift import CountedElsewhere
from services.trainer.store.ratings import RatingStore
from services.trainer.topics.job import Found, TopicsResult
from services.trainer.training import events_of
from shared.artifacts import ArtifactStore
from shared.db import Database
from shared.vocabulary import FeedbackType, Verdict
from tests.contract.conftest import Migrated
from tests.unit.trainer.spoken import NOON, at, corrected, deleted, scored

RESULT = TopicsResult(
    "ab" * 32, "cd" * 32, 5, 1, (Found(0, "0_tram", 3, 0.6, False), Found(4, "4_oven", 1, 0.2, False)), ("1_old",)
)
TODAY = NOON.date().isoformat()


@pytest.fixture
async def database(migrated: Migrated, dialect: str) -> Database:
    """The trainer's tables on each database."""
    return await migrated("trainer", dialect)


@pytest.fixture
def store(database: Database) -> Store:
    """The store on them."""
    return Store(database)


@pytest.fixture
def handlers(database: Database, store: Store, tmp_path: Path) -> Handlers:
    """The handlers on it."""
    return Handlers(store, Personalising(RatingStore(database), store, ArtifactStore(tmp_path), 500))


async def claimed(store: Store, minute: int = 0) -> Claim:
    run_id, _ = await store.queue_run(Trigger.COMMAND, "hashed", at(minute), kind=RunKind.TOPICS)
    assert run_id is not None
    claim = await store.claim(run_id, "me", at(minute))
    assert claim is not None
    return claim


async def looked_at(store: Store, version: str, topics: dict[str, tuple[int, float]]) -> None:
    rows = [row for row in await store.without_topic(version, 100) if row.post_id in topics]
    found = [{**row._mapping, "topic": topics[row.post_id][0], "score": topics[row.post_id][1]} for row in rows]
    await store.assign_topics(version, found)


async def pages(store: Store, topic: int, limit: int) -> list[str]:
    found: list[str] = []
    after = None
    while page := await store.page_of_topic(topic, after, limit):
        found += [row.post_id for row in page]
        after = (page[-1].score, page[-1].post_id)
    return found


async def test_what_a_search_found_is_listed_and_said_once(store: Store) -> None:
    claim = await claimed(store)
    version = await store.finish_topics(claim, RESULT, at(1))
    assert version == "t-0001-abababab"
    assert await store.finish_topics(claim, RESULT, at(2)) is None, "the run is over"
    newest, listed, counts = await store.topic_list()
    assert newest is not None
    assert (newest.version, newest.posts, newest.outliers, newest.vanished) == (version, 5, 1, ["1_old"])
    assert [(row.topic, row.name, row.n, row.large) for row in listed] == [
        (0, "0_tram", 3, False),
        (4, "4_oven", 1, False),
    ]
    assert counts == {}
    run = await store.run(claim.run_id)
    assert run is not None
    assert (run.state, run.model_version, run.kind) == ("finished", version, "topics")
    (stage,) = await store.history(version)
    (trained,) = events_of(stage)
    assert (trained.data.kind, trained.data.foundation, trained.data.artifact) == ("topic", "topics", RESULT.artifact)
    assert trained.data.metrics == {"topics": 2, "outlier_share": 0.2, "vanished": 1}


async def test_each_post_is_looked_at_once_per_model_and_again_when_it_changes(
    store: Store, handlers: Handlers
) -> None:
    await handlers.on_post_scored([scored(name) for name in "abcd"])
    version = await store.finish_topics(await claimed(store), RESULT, at(1))
    assert version is not None
    await looked_at(store, version, {"a": (0, 0.5), "b": (0, 0.75), "c": (0, 0.5), "d": (-1, 0.25)})
    assert await store.without_topic(version, 100) == []
    assert await pages(store, 0, 1) == await pages(store, 0, 2) == ["b", "a", "c"]
    assert (await store.topic_list())[2] == {0: 3, -1: 1}
    assert await store.recent_topics(version, NOON) == {0: 3, -1: 1}
    assert await store.recent_topics(version, at(1)) == {}
    await handlers.on_post_scored([scored("a", "another text", revision=7)])
    assert [row.post_id for row in await store.without_topic(version, 100)] == ["a"]
    second = await store.finish_topics(await claimed(store, 2), RESULT, at(3))
    assert second is not None
    assert [row.post_id for row in await store.without_topic(second, 100)] != []
    assert len(await store.without_topic(second, 100)) == 4


async def test_a_deleted_post_has_no_topic_even_if_it_was_just_looked_at(store: Store, handlers: Handlers) -> None:
    await handlers.on_post_scored([scored("a"), scored("b"), scored("c")])
    version = await store.finish_topics(await claimed(store), RESULT, at(1))
    assert version is not None
    rows = await store.without_topic(version, 100)
    await handlers.on_post_deleted([deleted("a")])
    await handlers.on_post_scored([scored("b", "other words", revision=2)])
    await store.assign_topics(version, [{**row._mapping, "topic": 0, "score": 0.5} for row in rows])
    assert await pages(store, 0, 10) == ["c"], "one is gone, one has another text by now"
    assert [row.post_id for row in await store.without_topic(version, 100)] == ["b"]
    await handlers.on_post_deleted([deleted("c")])
    assert await pages(store, 0, 10) == []


async def test_a_reference_is_made_once_and_days_add_up(store: Store, handlers: Handlers) -> None:
    await handlers.on_post_scored([scored("old")])
    known = Counter({COUNTED: 9, ("url", "", "1"): 4})
    await store.save_reference("m-1", known, {"insult": 0.5}, b"\x00\xff", at(0))
    await store.save_reference("m-1", Counter({COUNTED: 1}), {}, b"", at(1))
    reference = await store.drift_reference("m-1")
    assert reference is not None
    assert (reference.posts, reference.thresholds, bytes(reference.words)) == (9, {"insult": 0.5}, b"\x00\xff")
    assert await store.uncounted(10) == [], "what was there before is of the reference, not of a day"
    await handlers.on_post_scored([scored("a"), scored("b"), scored("c")])
    one = {TODAY: Counter({COUNTED: 2, ("url", "", "0"): 2})}
    await store.count_posts_of_days("m-1", ["a", "b"], one, at(2))
    await store.count_posts_of_days("m-1", ["c"], {TODAY: Counter({COUNTED: 1, ("url", "", "1"): 1})}, at(3))
    before, now, days = await store.drift_counts("m-1", NOON.date())
    assert (before, days) == (known, 1)
    assert now == {COUNTED: 3, ("url", "", "0"): 2, ("url", "", "1"): 1}
    assert (await store.drift_counts("m-1", NOON.date() + timedelta(days=7)))[1] == {}, "a week is the longest"


async def test_a_post_is_counted_once_whoever_counts(store: Store, handlers: Handlers) -> None:
    await handlers.on_post_scored([scored("a"), scored("b")])
    day = {TODAY: Counter({COUNTED: 2})}
    answers = await asyncio.gather(
        *(store.count_posts_of_days("m-1", ["a", "b"], day, at(2)) for _ in range(4)), return_exceptions=True
    )
    assert [type(each) for each in answers if each is not None] == [CountedElsewhere] * 3
    await handlers.on_post_scored([scored("a", scored_at=at(9)), scored("b", "edited", revision=2)])
    assert await store.uncounted(10) == []
    assert (await store.drift_counts("m-1", NOON.date()))[1] == {COUNTED: 2}


async def test_reviews_are_what_reviewers_said_since_a_moment(store: Store, handlers: Handlers) -> None:
    await handlers.on_post_scored([scored("p", "a post"), scored("q", "gone")])
    wrong = {"feedback_type": FeedbackType.FALSE_NEGATIVE, "corrected_at": at(5)}
    await handlers.on_post_corrected(
        [
            corrected("early", "p"),
            corrected("chosen", "p", **wrong),
            corrected("drawn", "p", **(wrong | {"verdict": Verdict.CORRECT, "sampled": True})),
            corrected("gone", "q", **wrong),
            corrected("unsure", "p", **(wrong | {"verdict": Verdict.UNSURE})),
            corrected("taken-back", "p", **wrong),
            corrected("undo", "p", retracts="taken-back", **wrong),
        ]
    )
    await handlers.on_post_deleted([deleted("q")])
    rows = await store.reviews(at(1), 10)
    assert sorted((row.verdict, row.sampled, row.text) for row in rows) == [
        ("correct", True, "a post"),
        ("incorrect", None, "a post"),
    ]


async def test_drift_remembers_when_it_asked_last(store: Store) -> None:
    assert await store.last_drift_run() is None
    await store.queue_run(Trigger.COMMAND, "hashed", at(0))
    assert await store.last_drift_run() is None
    run_id, mine = await store.queue_run(Trigger.DRIFT, "sgd", at(1), options={"drift": ["url 0.300"]})
    assert mine
    assert await store.last_drift_run() == at(1)
    row = await store.run(run_id or "")
    assert row is not None
    assert (row.trigger, row.options) == ("drift", {"drift": ["url 0.300"]})


async def test_old_searches_and_days_are_forgotten_and_what_is_in_force_stays(store: Store) -> None:
    for n in range(3):
        result = replace(RESULT, artifact=f"{min(n, 1)}a" * 32)
        assert await store.finish_topics(await claimed(store, n), result, at(n))
    assert await store.forget_topics(2) == {"0a" * 32}
    assert await store.forget_topics(1) == {"0a" * 32}, "the newest two have one artifact"
    assert [row.topic for row in (await store.topic_list())[1]] == [0, 4]
    counts = Counter({COUNTED: 1})
    await store.save_reference("m-1", counts, {}, b"", at(0))
    await store.save_reference("m-2", counts, {}, b"", at(60 * 48))
    await store.count_posts_of_days("m-2", [], {TODAY: counts, "2026-03-03": counts}, at(1))
    await store.forget_drift(at(60 * 24))
    assert await store.drift_reference("m-1") is None
    assert (await store.drift_counts("m-1", NOON.date()))[0] == {}
    known, now, days = await store.drift_counts("m-2", NOON.date() + timedelta(days=2))
    assert (known, now, days) == (counts, counts, 1)
