"""When corrections are learned together, and what becomes of those a replay could not learn."""

import asyncio
from pathlib import Path

import pytest

from services.trainer.replays import LOOK_EVERY_S, MOST_PAUSES, Replays, due
from services.trainer.runner import Runner
from services.trainer.runs import Result, RunKind, Trigger
from services.trainer.settings import TrainerSettings
from shared.clock import utcnow
from tests.unit.trainer.spoken import corrected

PAUSE = 0.3
FIGURES = {"macro": {"n": 1, "positives": 1, "auc": 0.9}, "categories": {}}


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [
        (99.9, 99.9, False),
        (99.5, 99.9, False),
        (99.6, 99.65, True),
        (100 - MOST_PAUSES * PAUSE, 100, True),
    ],
    ids=["just now", "still coming", "quiet", "coming for long"],
)
def test_corrections_that_come_together_are_learned_together(first: float, last: float, wanted: bool) -> None:
    assert due(first, last, 0, 100, PAUSE) is wanted


def test_what_another_process_heard_is_looked_for_now_and_then() -> None:
    assert not due(None, 0, 100 - LOOK_EVERY_S / 2, 100, PAUSE)
    assert due(None, 0, 100 - LOOK_EVERY_S, 100, PAUSE)


def result(*taught: str, passed: bool = True) -> Result:
    return Result("m", "a" * 64, "d" * 64, 1, len(taught), 1, FIGURES, None, passed, ("why",), taught)


@pytest.fixture
def replays(store, tmp_path: Path) -> Replays:
    settings = TrainerSettings(replay=True, replay_pause_s=0, replay_at_once=2)
    return Replays(store, Runner(1), settings, tmp_path, tmp_path, asyncio.Event())


async def make_champion(store) -> None:
    run_id, _ = await store.queue_run(Trigger.START, "hashed", utcnow())
    claim = await store.claim(run_id, "me", utcnow())
    await store.finish(claim, result(), None, utcnow())


async def replay(store, replays: Replays, given: Result) -> str:
    run_id, _ = await store.queue_run(Trigger.CORRECTIONS, "hashed", utcnow(), kind=RunKind.REPLAY)
    claim = await store.claim(run_id, "me", utcnow())
    craft = replays.craft()
    job = await craft.job(claim)
    assert {each.correction_id for each in job.waiting} >= set(given.taught)
    return await craft.record(claim, given)


async def test_nothing_is_due_without_a_champion_or_without_corrections(store, handlers, replays) -> None:
    replays.heard()
    assert await replays.ask() == []
    await make_champion(store)
    replays.heard()
    assert await replays.ask() == []
    await handlers.on_post_corrected([corrected("a", text="you teapot")])
    replays.heard()
    assert [each.kind for each in await replays.ask()] == [RunKind.REPLAY]
    await replays.stop()


async def test_what_was_learned_waits_no_more_and_is_repeated_by_the_next(store, handlers, replays) -> None:
    await make_champion(store)
    await handlers.on_post_corrected([corrected("a", text="you teapot")])
    assert await replay(store, replays, result("a")) == "promoted"
    replays.heard()
    assert await replays.ask() == []
    assert [each.correction_id for each in await store.learned_since_refit(10)] == ["a"]
    assert (await store.champion()).layer == "replay"
    await replays.stop()


async def test_what_the_guard_refused_waits_for_a_refit_that_is_asked_for_once(store, handlers, replays) -> None:
    await make_champion(store)
    await handlers.on_post_corrected([corrected("a", text="you teapot")])
    assert await replay(store, replays, result("a", passed=False)) == "refused"
    replays.heard()
    assert [each.kind for each in await replays.ask()] == [RunKind.REFIT]
    replays.heard()
    assert await replays.ask() == []
    await handlers.on_post_corrected([corrected("b", text="you kettle")])
    replays.heard()
    assert [each.kind for each in await replays.ask()] == [RunKind.REPLAY], "twice as many may pass together"
    await replays.stop()


async def test_more_than_one_replay_learns_ask_for_a_refit_too(store, handlers, replays) -> None:
    await make_champion(store)
    await handlers.on_post_corrected([corrected(name, text=f"you teapot {name}") for name in "abc"])
    replays.heard()
    assert [each.kind for each in await replays.ask()] == [RunKind.REFIT, RunKind.REPLAY]
    replays.heard()
    assert [each.kind for each in await replays.ask()] == [RunKind.REPLAY]
    await replays.stop()


async def test_who_promotes_by_hand_gets_no_replays(store, handlers, tmp_path: Path) -> None:
    settings = TrainerSettings(replay=True, replay_pause_s=0, promotion="hand")
    replays = Replays(store, Runner(1), settings, tmp_path, tmp_path, asyncio.Event())
    await make_champion(store)
    await handlers.on_post_corrected([corrected("a", text="you teapot")])
    replays.heard()
    assert await replays.ask() == []
    await replays.stop()
