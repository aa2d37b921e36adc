"""Models beside and behind the one in force, on both databases: shadows, replays, a way back, words taken back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis

from services.classifier.rescoring import Rescoring
from services.classifier.shadowing import SETTLED, Shadowing
from services.classifier.tables import posts, runs
from shared.bus.commit import Done
from shared.bus.publisher import Publisher, connect
from shared.clock import utcnow
from shared.events import Event, ModelTrained, said
from shared.model import Model, dump
from shared.settings import BusSettings
from tests.contract.conftest import Migrated
from tests.contract.speech import at, corrected, deleted, ingested, post, promoted, retracted
from tests.support.classifier import VERSION, Classifier
from tests.support.kit import entries
from tests.support.servers import Broker
from tests.support.small_model import small_model

NEXT = "m-0002-bbbbbbbb"


@pytest.fixture
async def classifier(migrated: Migrated, dialect: str, tmp_path: Path) -> Classifier:
    """A classifier with a live model on each database."""
    made = Classifier(await migrated("classifier", dialect), tmp_path)
    assert await made.hear(promoted(VERSION, made.artifact)) == [Done()]
    return made


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A broker of the test's own."""
    broker = Broker(tmp_path / "broker").start()
    client = connect(broker.url)
    yield client
    await client.aclose()
    broker.stop()


def trained(version: str, artifact: str, stage: str, minute: int = 30) -> Event[ModelTrained]:
    """A model was trained, or is somewhere else now."""
    data = ModelTrained(
        run_id="r", model="ombud-scorer", model_version=version, artifact=artifact, data_hash="d",
        trained_at=at(minute), stage=stage,
    )  # fmt: skip
    return said(data, by="trainer", cause=f"{version}|{stage}")


def other_model() -> Model:
    """A model that is sure of insults and knows no threat."""
    made = small_model(data_hash="e")
    weights = np.array(made.weights, np.float32)
    return Model(
        ("toxic", "insult"), weights[:, :2], np.array([-4, 3], np.float32), made.calibration[:2],
        {"toxic": 0.5, "insult": 0.5}, {"data_hash": "e"}, made.squares, made.path,
    )  # fmt: skip


async def settle(classifier: Classifier) -> None:
    """Let the posts have come a while ago."""
    async with classifier.store.begin() as connection:
        await connection.execute(posts.update().values(seen_at=utcnow() - 2 * SETTLED))


def shadowing(classifier: Classifier) -> Shadowing:
    return Shadowing(classifier.shadows, classifier.live, classifier.artifacts, classifier.settings, classifier.limits)


async def test_a_shadow_scores_beside_the_model_in_force_and_only_differences_are_kept(classifier: Classifier) -> None:
    texts = ["nothing at all", "nonsense", "you fool", "beware", "nonsense, beware"]
    await classifier.says(*(ingested(post(n, text=text)) for n, text in enumerate(texts)))
    await classifier.hear(deleted(0))
    await settle(classifier)
    artifact = classifier.artifacts.put(dump(other_model()))
    for _ in range(2):  # heard twice, it begins once
        assert await classifier.hear(trained(NEXT, artifact, "shadow")) == [Done()]
    await shadowing(classifier).step()
    await shadowing(classifier).step()
    sums = {row["category"]: row for row in await classifier.shadows.sums(NEXT)}
    # without the deleted post: the other model calls everything an insult, and no threat
    assert {name: sums["insult"][name] for name in ("posts", "champion", "shadow", "gained", "lost")} == {
        "posts": 4, "champion": 1, "shadow": 4, "gained": 3, "lost": 0,
    }  # fmt: skip
    assert (sums["threat"]["gained"], sums["threat"]["lost"], sums["any"]["gained"], sums["any"]["lost"]) == (
        0,
        2,
        0,
        0,
    )
    assert sums["toxic"]["difference"] == 0.0 and sums["insult"]["largest"] > 0.9
    flips = {row.post_id: (row.gained, row.lost) for row in await classifier.shadows.flips(NEXT, 10)}
    assert flips == {
        post(1).post_id: (["insult"], []),
        post(3).post_id: (["insult"], ["threat"]),
        post(4).post_id: (["insult"], ["threat"]),
    }
    assert {row["model_version"] for row in await classifier.rows("toxicity_scores")} == {VERSION}
    assert "nonsense" not in str(await classifier.rows("classifier_shadow_posts"))


async def test_posts_that_come_later_are_compared_too_and_each_once(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = classifier.artifacts.put(dump(other_model()))
    await classifier.hear(trained(NEXT, artifact, "shadow"))
    await classifier.says(*(ingested(post(n)) for n in range(30)))
    one, other = shadowing(classifier), shadowing(classifier)
    await one.step()
    assert await classifier.shadows.sums(NEXT) == []  # they came a moment ago: others may still be on their way
    monkeypatch.setattr("services.classifier.shadowing.SETTLED", timedelta(0))
    monkeypatch.setattr("services.classifier.shadowing.PAGE", 7)
    await asyncio.gather(one.step(), other.step())
    await one.step()
    assert {row["posts"] for row in await classifier.shadows.sums(NEXT)} == {30}
    row = await classifier.shadows.newest()
    assert row is not None and row.posts == 30


async def test_a_shadow_ends_when_another_model_takes_over_or_it_is_refused(classifier: Classifier) -> None:
    artifact = classifier.artifacts.put(dump(other_model()))
    await classifier.hear(trained(NEXT, artifact, "shadow"))
    await classifier.hear(trained("m-0003-cccccccc", artifact, "shadow"))
    older, newer = await classifier.shadows.newest(NEXT), await classifier.shadows.newest()
    assert older is not None and newer is not None
    assert (older.model_version, older.ended_by) == (NEXT, "m-0003-cccccccc")
    assert (newer.model_version, newer.ended_at) == ("m-0003-cccccccc", None)
    await classifier.hear(trained("m-0003-cccccccc", artifact, "refused"))
    assert await classifier.shadows.active() is None
    await classifier.hear(trained("m-0004-dddddddd", artifact, "shadow"))
    await classifier.hear(promoted("m-0005-eeeeeeee", classifier.artifact, minute=40, layer="replay"))
    assert await classifier.shadows.active() is not None  # a few corrections more: the comparison goes on
    await classifier.hear(promoted("m-0006-ffffffff", classifier.artifact, minute=41, layer="refit"))
    assert await classifier.shadows.active() is None


async def test_a_shadow_that_cannot_be_loaded_ends_and_harms_nothing(classifier: Classifier) -> None:
    artifact = classifier.artifacts.put(b"no model")
    await classifier.hear(trained(NEXT, artifact, "shadow"))
    await shadowing(classifier).step()
    row = await classifier.shadows.newest()
    assert row is not None and row.ended_by == "its artifact is no model of ours"
    (payload,) = await classifier.says(ingested(post(1, text="nonsense")))
    assert payload is not None and payload.flagged and payload.model_version == VERSION


# -- which posts are scored again ---------------------------------------------------------------------------


async def rescore(classifier: Classifier, redis: Redis, **settings: Any) -> None:
    chosen = classifier.settings.model_copy(update=settings)
    publisher = Publisher(redis, BusSettings())
    await Rescoring(classifier.store, classifier.live, classifier.speaking, publisher, chosen).step()


async def versions(classifier: Classifier, redis: Redis) -> list[tuple[str, str]]:
    """What was said again, in order: external id and version."""
    return [(event.data.post.external_id, event.data.model_version) for event in await entries(redis, "posts.scored")]


async def test_a_model_that_learned_a_few_corrections_scores_the_newest_posts_only(
    migrated: Migrated, dialect: str, tmp_path: Path, redis: Redis
) -> None:
    classifier = Classifier(await migrated("classifier", dialect), tmp_path, replay_rescores=2)
    await classifier.hear(promoted(VERSION, classifier.artifact))
    for n in range(5):
        await classifier.says(ingested(post(n)))
    await rescore(classifier, redis)
    await classifier.hear(promoted(NEXT, classifier.artifact, minute=40, layer="replay"))
    await rescore(classifier, redis)
    assert await versions(classifier, redis) == [("4", NEXT), ("3", NEXT)]
    await classifier.hear(promoted("m-0003-cccccccc", classifier.artifact, minute=41, layer="refit"))
    await rescore(classifier, redis)
    assert [name for name, version in await versions(classifier, redis) if version == "m-0003-cccccccc"] == [
        "4", "3", "2", "1", "0",
    ]  # fmt: skip


async def test_a_replay_goes_on_with_what_a_refit_has_not_scored_yet(classifier: Classifier, redis: Redis) -> None:
    for n in range(5):
        await classifier.says(ingested(post(n)))
    await classifier.hear(promoted(NEXT, classifier.artifact, minute=40, layer="refit"))
    await rescore(classifier, redis, rescore_limit=3)
    assert [name for name, _ in await versions(classifier, redis)] == ["4", "3", "2"]
    async with classifier.store.begin() as connection:  # its time was over before it was done
        mine = (runs.c.kind == "rescore") & (runs.c.model_version == NEXT)
        await connection.execute(runs.update().where(mine).values(state="running", finished_at=None))
    await classifier.hear(promoted("m-0003-cccccccc", classifier.artifact, minute=41, layer="replay"))
    await rescore(classifier, redis)
    assert (await versions(classifier, redis))[3:] == [("1", "m-0003-cccccccc"), ("0", "m-0003-cccccccc")]


async def test_after_a_way_back_everything_is_said_again_by_the_older_model(
    classifier: Classifier, redis: Redis
) -> None:
    await classifier.says(ingested(post(1)), ingested(post(2)))
    await classifier.hear(promoted(NEXT, classifier.artifact, minute=40, layer="refit"))
    await rescore(classifier, redis)
    back = promoted(VERSION, classifier.artifact, minute=50, layer="rollback")
    await classifier.hear(back)
    assert classifier.live.version == VERSION
    await classifier.hear(promoted(VERSION, classifier.artifact))  # the first word on it, heard once more
    assert classifier.live.version == VERSION
    await rescore(classifier, redis)
    await rescore(classifier, redis)
    said_again = await versions(classifier, redis)
    assert sorted(said_again[2:]) == [("1", VERSION), ("2", VERSION)]
    events = await entries(redis, "posts.scored")
    assert len({event.id for event in events}) == 4
    moments = [event.data.scored_at for event in events]
    assert max(moments[:2]) < min(moments[2:])


# -- words on nearly equal texts ----------------------------------------------------------------------------


async def test_a_word_that_is_taken_back_leaves_nearly_equal_posts_too(classifier: Classifier) -> None:
    text = "what nonsense you are talking about this evening in the town hall, my dear neighbour from next door"
    near = f"{text} again"
    await classifier.says(ingested(post(1, text=text)))
    await classifier.hear(corrected(1, name="a", actual_categories=("toxic",)))
    await classifier.felt.follow()
    (payload,) = await classifier.says(ingested(post(2, text=near)))
    assert payload is not None and payload.corrected is not None and payload.corrected["toxic"].layer == "near"
    (outcome,) = await classifier.hear(retracted("a"))
    assert isinstance(outcome, Done)
    said_again = {event.data.post.external_id: event.data for event in outcome.says}
    assert said_again.keys() == {"1", "2"}
    assert said_again["2"].corrected is None and said_again["2"].flagged
    assert said_again["2"].scored_at > payload.scored_at
    (again,) = await classifier.hear(retracted("a"))
    assert isinstance(again, Done)
    assert [event.id for event in again.says] == [event.id for event in outcome.says]
