"""Runs in steps, lives of models and receipts, alike on SQLite and PostgreSQL."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from services.trainer.handlers import Handlers
from services.trainer.housekeeping import Cleaning, Promoting
from services.trainer.lifecycle import Layer, Stage, Terms
from services.trainer.personalising import Personalising
from services.trainer.retreating import Retreating
from services.trainer.runs import Claim, Effect, Result, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.steps import Progress, StepStatus
from services.trainer.store import Store
from services.trainer.store.ratings import RatingStore
from services.trainer.tables import corrections, stages
from services.trainer.training import events_of
from shared.artifacts import ArtifactStore
from shared.bus.commit import Dead, Done
from shared.clock import utcnow
from shared.events import Event, RoundDecided
from shared.events import said as spoken
from shared.ids import stable_id
from tests.contract.conftest import Migrated
from tests.contract.speech import at, corrected, post, retracted, scored


@pytest.fixture
async def store(migrated: Migrated, dialect: str) -> Store:
    """The trainer's store on each database."""
    return Store(await migrated("trainer", dialect))


def named(correction: str) -> str:
    """The id of a correction by its name in these tests."""
    return stable_id("correction", correction)


def result(artifact: str, *taught: str, passed: bool = True) -> Result:
    taught = tuple(map(named, taught))
    effects = tuple(Effect(name, {"insult": 0.1}, {"insult": 0.9}) for name in taught)
    metrics = {"macro": {"auc": 0.8}, "categories": {}}
    return Result(
        "scorer", artifact * 64, "d" * 64, 10, len(taught), 3, metrics, None, passed, ("because",), taught,
        effects=effects,
    )  # fmt: skip


async def claimed(store: Store, kind: RunKind = RunKind.REFIT) -> Claim:
    run_id, _ = await store.queue_run(Trigger.COMMAND, "hashed", at(0), kind=kind)
    assert run_id is not None
    claim = await store.claim(run_id, "me", utcnow())
    assert claim is not None
    return claim


async def made(
    store: Store,
    artifact: str,
    *taught: str,
    kind: RunKind = RunKind.REFIT,
    passed: bool = True,
    terms: Terms | None = None,
) -> str:
    """A model of a run of its own, judged against the champion of the moment."""
    claim = await claimed(store, kind)
    champion, _ = await (store.snapshot(claim) if kind is RunKind.REFIT else store.waiting(claim, 100))
    version = await store.finish(claim, result(artifact, *taught), champion, utcnow(), terms)
    assert version is not None
    return version


async def in_force(store: Store) -> str | None:
    champion = await store.champion()
    return None if champion is None else champion.version


def hearing(store: Store) -> Handlers:
    """Handlers that keep what they hear in the store."""
    personal = Personalising(RatingStore(store._database), store, ArtifactStore(Path("none")), 500)
    return Handlers(store, personal)


async def learned_from(store: Store, *names: str) -> None:
    """Hear corrections of posts whose text is known."""
    handlers = hearing(store)
    number = {name: n for n, name in enumerate(names, start=1)}
    await handlers.on_post_scored([scored(post(n), 0.2) for n in number.values()])
    await handlers.on_post_corrected([corrected(n, name=name) for name, n in number.items()])


async def test_of_each_kind_one_run_is_active_and_kinds_do_not_hold_each_other_up(store: Store) -> None:
    wanted = [RunKind.REFIT, RunKind.TOPICS, RunKind.REFIT, RunKind.TOPICS]
    queued = await asyncio.gather(*(store.queue_run(Trigger.COMMAND, "hashed", at(0), kind=kind) for kind in wanted))
    assert sorted(mine for _, mine in queued) == [False, False, True, True]
    assert {run.kind for run in (await store.outlook()).active} == {RunKind.REFIT, RunKind.TOPICS}


async def test_a_run_goes_on_at_the_step_at_which_its_process_died(store: Store) -> None:
    claim = await claimed(store)
    for said in (
        Progress("data", StepStatus.RUNNING),
        Progress("data", StepStatus.DONE, "12 rows", {"output": "a" * 64}),
        Progress("features", StepStatus.RUNNING, "half way"),
    ):
        assert await store.progress(claim, said, utcnow())
    await store.recover_lost(utcnow() + timedelta(minutes=1))
    again = await store.claim(claim.run_id, "next", utcnow())
    assert again is not None and again.attempt == 2
    assert not await store.progress(claim, Progress("features", StepStatus.DONE), utcnow())
    found = await store.steps(claim.run_id)
    assert [(step.name, step.status.value) for step in found[:3]] == [
        ("data", "done"),
        ("features", "waiting"),
        ("tuning", "waiting"),
    ]
    assert [line.line for step in found for line in step.log] == ["12 rows", "half way"]


async def test_a_failed_run_is_retried_from_a_step_and_keeps_its_place(store: Store) -> None:
    claim = await claimed(store)
    await store.progress(claim, Progress("data", StepStatus.RUNNING), utcnow())
    await store.progress(claim, Progress("data", StepStatus.DONE), utcnow())
    await store.progress(claim, Progress("features", StepStatus.RUNNING), utcnow())
    await store.fail(claim, "broken", utcnow())
    assert [step.status.value for step in (await store.steps(claim.run_id))[:2]] == ["done", "failed"]
    with pytest.raises(ValueError, match="features is not done"):
        await store.retry(claim.run_id, "training")
    other, _ = await store.queue_run(Trigger.COMMAND, "hashed", at(1))
    assert await store.retry(claim.run_id, "features") == other
    assert other is not None and await store.cancel(other, "not now", at(2))
    assert await store.retry(claim.run_id, "features") is None
    row = await store.run(claim.run_id)
    assert row is not None
    assert (row.state, row.slot, row.error) == ("queued", "refit:hashed", None)


async def test_the_whole_life_of_models(store: Store) -> None:
    first = await made(store, "a")
    second = await made(store, "b", terms=Terms(shadow_hours=1))
    assert await in_force(store) == first
    assert [row.version for row in await store.shadows()] == [second]
    assert await store.put_in_force(second, Layer.REFIT, ["its time is over"], utcnow(), by=None, expected=first)
    assert not await store.put_in_force(second, Layer.REFIT, ["late"], utcnow(), by=None, expected=first)
    third = await made(store, "c")
    lives = {row.version: row.stage for row in await store.latest_models(10)}
    assert lives == {first: "retired", second: "retired", third: "champion"}
    assert not await store.put_away(third, Stage.RETIRED, "no", utcnow(), by="me")

    async def back() -> str:
        earlier = await store.earlier_champion()
        assert earlier is not None
        expected = await in_force(store)
        assert await store.put_in_force(earlier.version, Layer.ROLLBACK, ["back"], utcnow(), by="me", expected=expected)
        return str(earlier.version)

    assert [await back(), await back()] == [second, first]
    assert await store.earlier_champion() is None
    assert [row.stage for row in await store.history(second)] == ["shadow", "champion", "champion"]


async def test_what_was_refused_or_retired_is_passed_over_on_the_way_back(store: Store) -> None:
    first, second, third = await made(store, "a"), await made(store, "b"), await made(store, "c")
    assert await store.put_away(second, Stage.REFUSED, "too much flips", utcnow(), by="auditor")
    earlier = await store.earlier_champion()
    assert earlier is not None
    assert (earlier.version, await in_force(store)) == (first, third)


async def test_each_step_of_a_life_is_said_once_with_an_id_of_its_own(store: Store) -> None:
    first = await made(store, "a")
    second = await made(store, "b", terms=Terms(shadow_hours=1))
    await store.put_in_force(second, Layer.REFIT, ["over"], utcnow(), by=None, expected=first)
    await store.put_in_force(first, Layer.ROLLBACK, ["back"], utcnow(), by="me", expected=second)
    await store.put_away(second, Stage.REFUSED, "bad", utcnow(), by="me")
    said = [event for version in (first, second) for row in await store.history(version) for event in events_of(row)]
    words = [(event.data.model_version, getattr(event.data, "stage", None) or event.data.layer) for event in said]
    assert words == [
        (first, "champion"),
        (first, "start"),
        (first, "rollback"),
        (second, "shadow"),
        (second, "refit"),
        (second, "refused"),
    ]
    assert len({event.id for event in said}) == len(said)


async def test_of_two_promotions_at_once_one_is_refused(store: Store) -> None:
    first = await made(store, "a")
    others = [await made(store, each, terms=Terms("hand")) for each in "bcd"]
    answers = await asyncio.gather(
        *(store.put_in_force(each, Layer.REFIT, ["me"], utcnow(), by=None, expected=first) for each in others)
    )
    assert sorted(answers) == [False, False, True]


async def test_a_correction_waits_until_the_lineage_in_force_has_learned_it(store: Store) -> None:
    await learned_from(store, "one", "two")
    root = await made(store, "a", "one")
    claim = await claimed(store, RunKind.REPLAY)
    champion, waiting = await store.waiting(claim, 10)
    assert champion is not None
    assert [each.correction_id for each in waiting] == [named("two")]
    replayed = await store.finish(claim, result("b", "two"), champion, utcnow())
    assert await store.lineage() == [replayed, root]
    assert await store.count_waiting() == 0
    assert [(row.version, row.after) for row in await store.receipts(named("two"))] == [(replayed, {"insult": 0.9})]


async def test_a_refit_that_began_before_newer_corrections_leaves_them_waiting(store: Store) -> None:
    await learned_from(store, "one")
    root = await made(store, "a", "one")
    slow = await claimed(store)
    judged, _ = await store.snapshot(slow)
    await learned_from(store, "one", "late")
    replayed = await made(store, "b", "late", kind=RunKind.REPLAY)
    assert (await in_force(store), await store.count_waiting()) == (replayed, 0)
    refit = await store.finish(slow, result("c", "one"), judged, utcnow())
    assert await in_force(store) == refit != root
    assert await store.count_waiting() == 1


async def test_a_replay_whose_champion_went_away_meanwhile_is_refused_and_its_corrections_wait(store: Store) -> None:
    await learned_from(store, "one")
    await made(store, "a")
    slow = await claimed(store, RunKind.REPLAY)
    judged, _ = await store.waiting(slow, 10)
    refit = await made(store, "b")
    late = await store.finish(slow, result("c", "one"), judged, utcnow())
    row = await store.model(late or "")
    assert row is not None
    assert (row.stage, await in_force(store), await store.count_waiting()) == ("refused", refit, 1)


async def test_after_a_rollback_only_what_no_model_learned_is_replayed(store: Store) -> None:
    await learned_from(store, "one")
    first = await made(store, "a")
    poisoned = await made(store, "b", "one", kind=RunKind.REPLAY)
    await store.put_in_force(first, Layer.ROLLBACK, ["it flips"], utcnow(), by="me", expected=poisoned)
    assert await store.count_waiting() == 0
    await learned_from(store, "one", "new")
    assert await store.count_waiting() == 1


async def test_what_was_taken_back_waits_for_nobody(store: Store) -> None:
    await learned_from(store, "one", "two")
    await made(store, "a")
    await hearing(store).on_post_corrected([retracted("one")])
    assert await store.count_waiting() == 1


async def test_what_its_person_may_still_take_back_teaches_nothing_yet(store: Store) -> None:
    await learned_from(store, "one", "held")
    await made(store, "a", "one")
    await hold(store, "held", utcnow() + timedelta(hours=1))
    assert (await store.outlook()).waiting == 0
    assert await store.count_waiting() == 0
    _, seen = await store.snapshot(await claimed(store))
    assert [each.correction_id for each in seen] == [named("one")]
    await hold(store, "held", utcnow() - timedelta(seconds=1))
    assert await store.count_waiting() == 1


async def hold(store: Store, name: str, until: datetime) -> None:
    values = {"hold_until": until, "first_run_id": None}
    async with store._database.begin() as connection:
        await connection.execute(update(corrections).where(corrections.c.correction_id == named(name)).values(values))


async def test_a_shadow_is_promoted_when_its_time_is_over_unless_somebody_refused_it(store: Store) -> None:
    first = await made(store, "a")
    shadow = await made(store, "b", terms=Terms(shadow_hours=1))
    await Promoting(store, TrainerSettings(shadow_hours=1))()
    assert await in_force(store) == first
    await store.put_away(shadow, Stage.REFUSED, "too much flips", utcnow(), by="auditor")
    await Promoting(store, TrainerSettings(shadow_hours=0))()
    assert await in_force(store) == first
    next_one = await made(store, "c", terms=Terms(shadow_hours=1))
    await Promoting(store, TrainerSettings(shadow_hours=0))()
    assert await in_force(store) == next_one


async def test_a_shadow_that_was_judged_against_another_champion_waits_for_a_person(store: Store) -> None:
    await made(store, "a")
    shadow = await made(store, "b", terms=Terms(shadow_hours=1))
    other = await made(store, "c")
    await Promoting(store, TrainerSettings(shadow_hours=0))()
    row = await store.model(shadow)
    assert row is not None
    assert (row.stage, await in_force(store)) == ("candidate", other)


async def test_old_lessons_go_but_for_the_first_and_those_in_force(store: Store) -> None:
    await learned_from(store, "one")
    first, second, third = [await made(store, each, "one") for each in "abc"]
    await store.forget_lessons(utcnow() - timedelta(days=1))
    assert [row.version for row in await store.receipts(named("one"))] == [first, second, third]
    await store.forget_lessons(utcnow() + timedelta(days=1))
    assert [row.version for row in await store.receipts(named("one"))] == [first, third]


async def test_artifacts_go_when_nothing_can_need_them(store: Store, tmp_path: Path) -> None:
    await made(store, "a")
    replays = [await made(store, each, kind=RunKind.REPLAY) for each in "bcdef"]
    artifacts = ArtifactStore(tmp_path / "artifacts")
    for each in "abcdef":
        path = artifacts.path(each * 64)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert await Cleaning(store, TrainerSettings(keep_models=2), artifacts, tmp_path / "runs")() == 0
    every, stay = await store.artifacts_in_use(2, at(0), utcnow() + timedelta(hours=1))
    assert {each[0] for each in every - stay} == {"b", "c", "d"}
    assert await in_force(store) == replays[-1]


async def test_a_run_folder_stays_while_the_run_may_be_retried(store: Store, tmp_path: Path) -> None:
    claim = await claimed(store)
    for name in (claim.run_id, "nobody"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    await Cleaning(store, TrainerSettings(), ArtifactStore(tmp_path), tmp_path / "runs")()
    assert [each.name for each in (tmp_path / "runs").iterdir()] == [claim.run_id]


def test_stages_are_announced_in_the_order_they_came() -> None:
    assert [column.name for column in stages.primary_key] == ["sequence"]


def rolled_back(version: str, decision: str = "rolled_back", at: datetime | None = None) -> Event[RoundDecided]:
    data = RoundDecided(
        round_id="r",
        model_version=version,
        decision=decision,
        actor="noor",
        reason="it flips",
        decided_at=at or utcnow(),
    )
    return spoken(data, by="auditor", cause="r")


@pytest.fixture
def retreating(store: Store, tmp_path: Path) -> Retreating:
    """The handler of decisions about rounds, with the artifacts a to f."""
    artifacts = ArtifactStore(tmp_path / "artifacts")
    for each in "abcdef":
        path = artifacts.path(each * 64)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return Retreating(store, artifacts)


async def stages_of(store: Store) -> dict[str, str]:
    return {row.version: row.stage for row in await store.latest_models(10)}


async def test_a_round_that_is_rolled_back_takes_its_model_and_what_stands_on_it_out_of_force(
    store: Store, retreating: Retreating
) -> None:
    await learned_from(store, "one", "two", "three")
    first = await made(store, "a")
    before = await made(store, "b", "one", kind=RunKind.REPLAY)
    wild = await made(store, "c")
    on_top = [await made(store, "d", "two", kind=RunKind.REPLAY), await made(store, "e", "three", kind=RunKind.REPLAY)]
    event = rolled_back(wild)
    assert [type(each) for each in await retreating.on_round_decided([event])] == [Done]
    assert await in_force(store) == before
    refused = dict.fromkeys([wild, *on_top], "refused")
    assert await stages_of(store) == {first: "retired", before: "champion", **refused}
    lives = {version: len(await store.history(version)) for version in (before, wild, *on_top)}
    await retreating.on_round_decided([event, event])
    assert {version: len(await store.history(version)) for version in lives} == lives
    last = (await store.history(before))[-1]
    assert (last.layer, last.by) == ("rollback", "noor")


async def test_a_confirmed_round_and_one_of_a_model_that_is_long_gone_leave_what_is_in_force(
    store: Store, retreating: Retreating
) -> None:
    await made(store, "a")
    wild, newest = await made(store, "b"), await made(store, "c")
    await retreating.on_round_decided([rolled_back(newest, "confirmed"), rolled_back(wild)])
    assert await in_force(store) == newest
    assert (await stages_of(store))[wild] == "refused"


async def test_a_decision_heard_late_does_not_undo_what_a_person_promoted_since(
    store: Store, retreating: Retreating
) -> None:
    await made(store, "a")
    wild = await made(store, "b")
    await retreating.on_round_decided([rolled_back(wild, at=utcnow() - timedelta(minutes=1))])
    assert await in_force(store) == wild


async def test_without_a_model_to_go_back_to_the_decision_is_a_dead_letter(
    store: Store, retreating: Retreating, tmp_path: Path
) -> None:
    only = await made(store, "f")
    outcomes = [*await retreating.on_round_decided([rolled_back("m-9999-ffffffff"), rolled_back(only)])]
    wild = await made(store, "b")
    ArtifactStore(tmp_path / "artifacts").path("f" * 64).unlink()
    outcomes += await retreating.on_round_decided([rolled_back(wild)])
    assert [type(each) for each in outcomes] == [Dead, Dead, Dead]
    assert await in_force(store) == wild
