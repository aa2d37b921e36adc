"""Runs in the store: one at a time, held by one process, finished once."""

import asyncio

from services.trainer.runs import Claim, Result, RunState, Trigger
from services.trainer.steps import Progress, StepStatus
from services.trainer.tables import corrections, models, stages
from services.trainer.training import events_of
from shared.vocabulary import Verdict
from tests.unit.trainer.spoken import NOON, at, corrected, scored


def result(artifact: str = "a" * 64, *, passed: bool = True, taught: tuple[str, ...] = ()) -> Result:
    metrics = {"macro": {"auc": 0.8}, "categories": {}}
    return Result("scorer", artifact, "d" * 64, 10, len(taught), 3, metrics, None, passed, ("because",), taught)


async def claimed(store, owner: str = "me", minute: float = 0) -> Claim:
    run_id, _ = await store.queue_run(Trigger.COMMAND, "hashed", at(minute))
    claim = await store.claim(run_id, owner, at(minute))
    assert claim is not None
    return claim


async def test_two_processes_queue_and_claim_one_run(store) -> None:
    answers = await asyncio.gather(*(store.queue_run(Trigger.START, "hashed", NOON) for _ in range(4)))
    assert len({run_id for run_id, _ in answers}) == 1
    assert sorted(mine for _, mine in answers) == [False, False, False, True]
    claims = await asyncio.gather(*(store.claim(answers[0][0], f"process-{n}", NOON) for n in range(4)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_finished_run_has_a_model_and_makes_room_for_the_next(store, rows) -> None:
    claim = await claimed(store)
    version = await store.finish(claim, result(), None, at(1))
    row = (await rows(models))[0]
    assert (row.version, row.run_id, row.promoted, row.announced_at) == (version, claim.run_id, True, None)
    run = await store.run(claim.run_id)
    assert (run.state, run.model_version, run.slot) == ("finished", version, None)
    assert (await store.queue_run(Trigger.COMMAND, "hashed", at(2)))[1]


async def test_who_lost_a_run_cannot_finish_it(store, rows) -> None:
    slow = await claimed(store, "slow")
    await store.recover_lost(at(1))
    quick = await store.claim(slow.run_id, "quick", at(1))
    assert quick.attempt == 2
    assert await store.finish(slow, result("b" * 64), None, at(2)) is None
    assert await store.beat(slow, at(2)) is False
    assert await store.finish(quick, result("c" * 64), None, at(2)) is not None
    assert [row.artifact for row in await rows(models)] == ["c" * 64]


async def test_a_run_whose_owner_lives_is_not_taken_away(store) -> None:
    claim = await claimed(store)
    assert await store.beat(claim, at(1))
    await store.recover_lost(at(1.4))
    assert (await store.outlook()).active[0].state is RunState.RUNNING


async def test_after_three_lost_attempts_a_run_has_failed(store) -> None:
    claim = await claimed(store)
    for minute in (1, 2):
        await store.recover_lost(at(minute))
        assert await store.claim(claim.run_id, "me", at(minute)) is not None
    await store.recover_lost(at(3))
    run = await store.run(claim.run_id)
    assert (run.state, run.attempt, run.error) == ("failed", 3, "its process went away 3 times")
    assert (await store.outlook()).active == ()


async def test_a_run_given_back_counts_as_no_attempt(store) -> None:
    claim = await claimed(store)
    await store.progress(claim, Progress("data", StepStatus.RUNNING), at(1))
    await store.give_back(claim)
    (active,) = (await store.outlook()).active
    assert (active.state, active.attempt) == (RunState.QUEUED, 0)
    assert {step.status for step in await store.steps(claim.run_id)} == {StepStatus.WAITING}


async def test_a_cancelled_run_cannot_be_finished(store, rows) -> None:
    claim = await claimed(store)
    assert await store.cancel(claim.run_id, "cancelled on request", at(1))
    assert not await store.cancel(claim.run_id, "again", at(1))
    assert await store.finish(claim, result(), None, at(2)) is None
    assert await rows(models) == []
    assert (await store.run(claim.run_id)).error == "cancelled on request"


async def test_corrections_count_once_and_retracted_or_unsure_ones_do_not(store, handlers) -> None:
    heard = [corrected("back", retracts="b"), corrected("a", "p"), corrected("b", "p"), corrected("c", "q")]
    await handlers.on_post_corrected([*heard, corrected("d", "q", verdict=Verdict.UNSURE)])
    assert (await store.outlook()).waiting == 2
    await store.snapshot(await claimed(store))
    assert (await store.outlook()).waiting == 0
    await handlers.on_post_corrected([corrected("e", "q")])
    assert (await store.outlook()).waiting == 1


async def test_a_snapshot_joins_corrections_with_their_posts(store, handlers) -> None:
    await handlers.on_post_corrected([corrected("a", "p"), corrected("b", "unseen")])
    await handlers.on_post_scored([scored("p", "the words", revision=7)])
    champion, material = await store.snapshot(await claimed(store))
    assert champion is None
    assert {each.correction_id: (each.post_text, each.post_revision) for each in material} == {
        "a": ("the words", 7),
        "b": (None, 0),
    }


async def test_a_snapshot_says_who_guessed_and_where(store, handlers) -> None:
    await handlers.on_post_scored([scored("p")])
    await handlers.on_post_corrected([corrected("a", "p", weak=True, reviewer="r"), corrected("b", "p")])
    _, material = await store.snapshot(await claimed(store))
    assert {(each.weak, each.reviewer, each.platform) for each in material} == {
        (True, "r", "test"),
        (False, None, "test"),
    }


async def test_the_first_model_that_learned_from_a_correction_stays_its_model(store, handlers, rows) -> None:
    await handlers.on_post_corrected([corrected("a", "p"), corrected("b", "q")])
    first = await claimed(store)
    await store.snapshot(first)
    one = await store.finish(first, result(taught=("a",)), None, at(1))
    second = await claimed(store, minute=2)
    champion, _ = await store.snapshot(second)
    two = await store.finish(second, result("b" * 64, taught=("a", "b")), champion, at(3))
    assert [row.learned_by for row in await rows(corrections)] == [one, two]
    assert [row.replaces for row in await rows(models)] == [None, one]


async def test_a_refused_model_does_not_become_champion(store) -> None:
    first = await claimed(store)
    one = await store.finish(first, result(), None, at(1))
    second = await claimed(store, minute=2)
    champion, _ = await store.snapshot(second)
    await store.finish(second, result("b" * 64, passed=False), champion, at(3))
    assert (await store.snapshot(await claimed(store, minute=4)))[0].version == one


async def test_a_model_is_announced_first_as_trained_and_only_then_as_promoted(store, rows) -> None:
    await store.finish(await claimed(store), result(), None, at(1))
    await store.finish(await claimed(store, minute=2), result("b" * 64, passed=False), None, at(3))
    promoted, refused = await rows(stages)
    assert [event.type for event in events_of(promoted)] == ["ombud.ModelTrained.v1", "ombud.ModelPromoted.v1"]
    assert [event.type for event in events_of(refused)] == ["ombud.ModelTrained.v1"]
    assert [event.id for event in events_of(promoted)] == [event.id for event in events_of(promoted)]
    assert events_of(promoted)[0].data.metrics == {"auc": 0.8}


async def test_a_correction_knows_whether_it_was_taken_back(store, handlers) -> None:
    await handlers.on_post_corrected([corrected("a", "p"), corrected("b", retracts="a"), corrected("c", "p")])
    assert [(await store.correction(name)).retracted for name in "abc"] == [True, False, False]
    assert await store.correction("z") is None
