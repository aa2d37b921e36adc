"""Posts get topics and are counted beside the stream; a shift of what comes in asks for one full training a day."""

import asyncio
import random
from pathlib import Path

import pytest

from services.trainer import topic_runs
from services.trainer.drift import Level
from services.trainer.looking import Looking
from services.trainer.runner import Runner
from services.trainer.runs import Due, Result, RunKind, RunState, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.tables import post_topics
from services.trainer.training import Training
from shared import model
from shared.artifacts import ArtifactStore
from shared.clock import utcnow
from shared.events import Provenance
from shared.topics.model import OUTLIER
from shared.vocabulary import FeedbackType, ScoreSource, Verdict
from tests.unit.trainer.spoken import NOON, corrected, scored
from tests.unit.trainer.test_trainer_topics import SUBJECTS

PATIENCE_S = 60
SPOKEN = [word for words in SUBJECTS.values() for word in words]


def settings(**changes: object) -> TrainerSettings:
    return TrainerSettings(topics_from=10, topics_every_h=24, drift_trains=True).model_copy(update=changes)


async def promoted(store, artifacts: ArtifactStore) -> str:
    """Put the shipped model in force, as a full training would."""
    run_id, _ = await store.queue_run(Trigger.START, "hashed", NOON)
    claim = await store.claim(run_id, "me", NOON)
    artifact = artifacts.put(model.shipped())
    metrics = {"macro": {"auc": 0.9, "balanced_accuracy": 0.8}, "categories": {}}
    result = Result("m", artifact, "d" * 64, 1, 0, 1, metrics, None, True, (), ())
    version = await store.finish(claim, result, None, NOON)
    assert version is not None
    return version


def posts(n: int, prefix: str, seed: int, *, extra: str = "", **facts: object) -> list:
    drawn = random.Random(seed)
    return [
        scored(
            f"{prefix}{at}",
            f"{' '.join(drawn.choices(SPOKEN, k=drawn.randint(4, 12)))}{extra}",
            scored_at=utcnow(),
            **facts,
        )
        for at in range(n)
    ]


async def levels(looking: Looking) -> dict[str, Level]:
    return {each.name: each.level for each in (await looking.drifted()).signals if not each.biased}


async def test_a_search_finds_topics_in_a_worker_and_new_posts_get_theirs(
    store, handlers, rows, tmp_path: Path
) -> None:
    drawn = random.Random(0)
    spoken = [
        scored(f"{subject}-{at}", " ".join(drawn.sample(words, 4)), author=f"{subject}{at}")
        for subject, words in SUBJECTS.items()
        for at in range(40)
    ]
    await handlers.on_post_scored(spoken)
    chosen = settings()
    crafts = {RunKind.TOPICS: topic_runs.build_craft(store, chosen, tmp_path)}
    asks = [topic_runs.build_ask(store, chosen)]
    work = Training(store, Runner(PATIENCE_S), chosen, "me", crafts, asks)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await work()
            found = [run for run in await store.latest_runs(10) if run.kind == RunKind.TOPICS.value]
            if found and found[0].state in (RunState.FINISHED, RunState.FAILED):
                break
            await asyncio.sleep(0.05)
    await work.stop()
    assert (found[0].state, found[0].trigger, found[0].error) == ("finished", "schedule", None)
    assert [(step.name, step.status) for step in await store.steps(found[0].run_id)] == [
        ("corpus", "done"),
        ("topics", "done"),
    ]

    looking = Looking(store, chosen, ArtifactStore(tmp_path))
    await looking()
    newest, listed, counts = await store.topic_list()
    fitted = {topic.topic: topic.n for topic in listed} | ({OUTLIER: newest.outliers} if newest.outliers else {})
    assert counts == fitted, "what was fitted and what was assigned are the same"
    await handlers.on_post_scored([scored("new", " ".join(SUBJECTS["chess"])), scored("else", "nothing of that kind")])
    await looking()
    where = {row.post_id: row.topic for row in await rows(post_topics)}
    assert where["new"] in {where[f"chess-{at}"] for at in range(40)} - {OUTLIER}
    assert where["else"] == OUTLIER
    assert await asks[0]() == [], "once a day"


async def test_drift_asks_for_one_full_training_and_what_is_alike_for_none(store, handlers, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    version = await promoted(store, artifacts)
    looking = Looking(store, settings(), artifacts)
    await handlers.on_post_scored(posts(1999, "a", 0, language="en"))
    await looking()
    assert (await looking.drifted()).reference is None, "one post too few"
    await handlers.on_post_scored(posts(1001, "b", 1, language="en"))
    await looking()
    await handlers.on_post_scored(posts(1100, "c", 2, language="en"))
    await looking()
    found = await looking.drifted()
    assert (found.reference, found.posts, found.days) == (version, 2000, 1)
    told = await levels(looking)
    assert {told[name] for name in ("scores", "length", "url", "language", "band")} == {Level.OK}
    assert await Looking(store, settings(), artifacts).ask() == []

    await handlers.on_post_scored(posts(2500, "d", 3, language="nl", extra=" kijk https://example.org zomaar blorp"))
    again = Looking(store, settings(), artifacts)
    await again()
    told = await levels(again)
    assert {told[name] for name in ("length", "url", "language")} == {Level.ACT}
    (due,) = await again.ask()
    assert (due.kind, due.trigger) == (RunKind.REFIT, Trigger.DRIFT)
    assert any(reason.startswith("url ") for reason in due.options["drift"])
    assert await again.ask() == [], "asked for once"

    run_id, _ = await store.queue_run(due.trigger, "hashed", utcnow(), options=due.options)
    assert (await store.run(run_id)).options == due.options
    later = Looking(store, settings(), artifacts)
    await later()
    assert await later.ask() == [], "and for a day by nobody"
    assert (await levels(later))["url"] is Level.ACT
    silent = Looking(store, settings(drift_trains=False), artifacts)
    await silent()
    assert await silent.ask() == []


@pytest.mark.parametrize("sampled", [True, None])
async def test_only_reviews_drawn_by_chance_say_how_good_the_model_is(store, handlers, tmp_path, sampled) -> None:
    artifacts = ArtifactStore(tmp_path)
    await promoted(store, artifacts)
    looking = Looking(store, settings(), artifacts)
    await handlers.on_post_scored(posts(2000, "a", 0))
    await looking()
    wrong = {"feedback_type": FeedbackType.FALSE_POSITIVE, "sampled": sampled, "corrected_at": utcnow()}
    right = {"verdict": Verdict.CORRECT, "expected_categories": (), "sampled": sampled, "corrected_at": utcnow()}
    missed = wrong | {"feedback_type": FeedbackType.FALSE_NEGATIVE}
    told = [wrong] * 60 + [missed] * 60 + [right] * 100
    await handlers.on_post_corrected([corrected(f"c{at}", f"a{at}", **each) for at, each in enumerate(told)])
    found = {(each.name, each.biased): each for each in (await looking.drifted()).signals}
    balanced = found["balanced_accuracy", sampled is None]
    assert (balanced.n, balanced.value) == (220, pytest.approx((0 + 100 / 160) / 2, abs=1e-6))
    assert balanced.level is (Level.ACT if sampled else Level.OK)
    assert found["balanced_accuracy", sampled is True].n == 0
    assert found["ece", sampled is None].n == 220


async def test_an_llm_that_decides_otherwise_more_often_than_before_is_a_drift(store, handlers, tmp_path) -> None:
    artifacts = ArtifactStore(tmp_path)
    await promoted(store, artifacts)
    looking = Looking(store, settings(), artifacts)
    spoken = {"source": ScoreSource.LLM, "flagged": False}
    await handlers.on_post_scored([*posts(1800, "a", 0), *posts(250, "b", 1, **spoken)])
    await looking()
    assert "llm_disagreement" not in await levels(looking), "nobody asked an LLM since"
    await handlers.on_post_scored(posts(250, "c", 1, **spoken))
    same = (await looking.drifted()).signals
    (signal,) = [each for each in same if each.name == "llm_disagreement"]
    assert (signal.value, signal.n, signal.level) == (0.0, 250, Level.OK), "the same texts, the same words"
    # it turns round on a hundred of them, some of which the model flags, too, and people say of ten more what they are
    turned = posts(100, "c", 1, source=ScoreSource.BOTH, flagged=True)
    word = {"toxic": Provenance(correction_id="x", layer="same")}
    told = [scored(f"c{n}", corrected=word, scored_at=utcnow(), **spoken) for n in range(240, 250)]
    await handlers.on_post_scored([*turned, *told])
    (signal,) = [each for each in (await looking.drifted()).signals if each.name == "llm_disagreement"]
    assert signal.n == 240
    assert signal.value is not None and 0.1 < signal.value < 100 / 240
    assert signal.level is Level.ACT


async def test_an_artifact_that_is_gone_stops_nothing(store, handlers, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    await promoted(store, artifacts)
    row = await store.drift_root()
    artifacts.path(row.artifact).unlink()
    await handlers.on_post_scored(posts(3, "a", 0))
    looking = Looking(store, settings(), artifacts)
    await looking()
    assert (await looking.drifted()).signals == ()
    assert await looking.ask() == []
    assert len(await store.uncounted(10)) == 3
    assert Due(RunKind.REFIT, Trigger.DRIFT) != await looking.ask()
