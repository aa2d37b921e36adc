"""The LLM's queue and books answer alike on SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.classifier.analysis import run_of
from services.classifier.llm_store import DEAD, QUEUED, SCORED, LlmStore, day_of, new_call
from services.classifier.prompts import prompt_hash
from services.classifier.records import post_row, question_row
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from services.classifier.tables import calls
from shared.db import Database
from shared.events import PostDeleted
from tests.contract.conftest import Migrated
from tests.contract.speech import at, post
from tests.support.databases import contents

LEASE = timedelta(seconds=60)


class Queue:
    """Some posts in the tables, and questions about them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.posts, self.questions = Store(database), LlmStore(database)

    async def ask(self, *numbers: int, edit: int = 0, again: tuple[str, ...] = (DEAD,)) -> None:
        bodies = [post(n, edit=edit) for n in numbers]
        rows = [
            question_row(
                each.post_id,
                each.revision,
                run_id="run",
                cause=f"cause {each.external_id}",
                now=at(0),
                cascade=True,
                scored=True,
                backfill=False,
            )
            for each in bodies
        ]
        async with self.questions.begin() as connection:
            await self.posts.save(connection, [post_row(each, at(0)) for each in bodies], [])
            await self.questions.enqueue(connection, rows, again=again)

    async def claim(self, owner: str, size: int = 10, minute: float = 1) -> list[dict[str, Any]]:
        return await self.questions.claim(owner, size, at(minute), LEASE, "run")

    async def rows(self, table: str = "classifier_questions") -> list[dict[str, Any]]:
        return (await contents(self.database))[table]


@pytest.fixture
async def queue(migrated: Migrated, dialect: str) -> Queue:
    return Queue(await migrated("classifier", dialect))


def ids(*numbers: int) -> set[str]:
    return {post(n).post_id for n in numbers}


async def test_several_owners_claim_each_question_once(queue: Queue) -> None:
    await queue.ask(*range(30))
    assert await queue.questions.due("run", at(1), 100) == 30
    got = await asyncio.gather(*(queue.claim(f"owner {n}", 10) for n in range(4)))
    taken = [row["post_id"] for rows in got for row in rows]
    assert len(taken) == len(set(taken))
    while rest := await queue.claim("late"):
        taken += [row["post_id"] for row in rest]
    assert set(taken) == ids(*range(30))
    assert await queue.questions.due("run", at(1), 100) == 0
    assert await queue.questions.waiting("run") == (30, at(0))


async def test_a_lease_ends_and_can_be_kept(queue: Queue) -> None:
    await queue.ask(1, 2)
    assert len(await queue.claim("first", minute=1)) == 2
    assert await queue.claim("second", minute=1.5) == []
    await queue.questions.keep("first", at(5))
    assert await queue.claim("second", minute=3) == []
    assert {row["post_id"] for row in await queue.claim("second", minute=6)} == ids(1, 2)
    async with queue.questions.begin() as connection:
        assert await queue.questions.still_ours(connection, "first", sorted(ids(1, 2))) == {}


async def test_a_repeated_question_changes_nothing_and_a_newer_revision_replaces_it(queue: Queue) -> None:
    await queue.ask(1)
    await queue.claim("owner")
    await queue.ask(1)
    (row,) = await queue.rows()
    assert row["owner"] == "owner"
    await queue.ask(1, edit=2)
    (row,) = await queue.rows()
    assert (row["owner"], row["revision"]) == (None, post(1, edit=2).revision)


async def test_only_states_that_are_named_start_anew(queue: Queue) -> None:
    await queue.ask(1, 2)
    for name, state in ((post(1).post_id, DEAD), (post(2).post_id, SCORED)):
        async with queue.questions.begin() as connection:
            await queue.questions.settle(connection, [{"post_id": name, "state": state}])
    await queue.ask(1, 2)
    states = {row["post_id"]: row["state"] for row in await queue.rows()}
    assert states == {post(1).post_id: QUEUED, post(2).post_id: SCORED}


async def test_an_event_that_comes_again_revives_what_was_given_up(queue: Queue) -> None:
    await queue.ask(1, 2)
    async with queue.questions.begin() as connection:
        await queue.questions.settle(connection, [{"post_id": post(1).post_id, "state": DEAD, "attempts": 5}])
    assert await queue.questions.revive(["cause 1", "cause 2"], at(3)) == 1
    assert {(row["state"], row["attempts"]) for row in await queue.rows()} == {(QUEUED, 0)}


async def test_what_is_erased_is_not_handed_out(queue: Queue) -> None:
    await queue.ask(1, 2)
    await queue.posts.erase([PostDeleted(post_id=post(1).post_id, deleted_at=at(0.5))])
    assert {row["post_id"] for row in await queue.claim("owner")} == ids(2)
    await queue.posts.erase([PostDeleted(post_id=post(2).post_id, deleted_at=at(2))])
    async with queue.questions.begin() as connection:
        assert await queue.questions.still_ours(connection, "owner", [post(2).post_id]) == {}
    assert await queue.rows() == []


async def test_hands_change_with_places_and_are_emptied(queue: Queue) -> None:
    await queue.ask(1, 2, 3)
    rows = await queue.claim("run")
    await queue.questions.hand_over("run", "call", [row["post_id"] for row in rows])
    places = await queue.questions.held_by("call")
    assert places == {slot: row["post_id"] for slot, row in enumerate(rows, 1)}
    assert await queue.questions.release(owner="call", alone=True) == 3
    assert len(await queue.claim("owner")) == 1, "each alone"
    assert await queue.questions.drop_queued("run", "budget", at(1)) == 2
    assert await queue.questions.forget_queued("run") == 1


async def test_many_at_once_reserve_no_more_than_the_budget(queue: Queue) -> None:
    budget, each = 1_000, 300
    made = [new_call("run", each, 10, at(0), LEASE) for _ in range(12)]
    taken = await asyncio.gather(*(queue.questions.reserve(call, budget) for call in made))
    assert sum(taken) == 3
    assert await queue.questions.day(day_of(at(0))) == (0, 900)
    first, second, third = [call["id"] for call, got in zip(made, taken, strict=True) if got]
    paid = {"state": "settled", "ended_at": at(1), "cost_nano": 120, "input_tokens": 7}
    await queue.questions.pay(first, paid)
    await queue.questions.pay(first, paid)
    assert await queue.questions.day(day_of(at(0))) == (120, 600)
    assert await queue.questions.give_up_calls(at(0)) == 0
    assert await queue.questions.give_up_calls(at(60)) == 2
    await queue.questions.pay(second, paid)
    assert await queue.questions.day(day_of(at(0))) == (720, 0)
    assert {row["id"]: row["state"] for row in await queue.rows(calls.name)}[third] == "lost"


async def test_books_of_a_run_and_calls_that_were_never_made(queue: Queue) -> None:
    run = run_of("run", "analyze", ClassifierSettings(), at(0), "somebody")
    async with queue.questions.begin() as connection:
        await queue.questions.open_run(connection, run)
        await queue.questions.tally(connection, "run", posts_total=2, scored=1, failed=0)
    call = new_call("run", 500, 2, at(0), LEASE)
    never = new_call("run", 400, 2, at(0), LEASE)
    assert await queue.questions.reserve(call, 1_000)
    assert await queue.questions.reserve(never, 1_000)
    answered = {"state": "settled", "cost_nano": 250, "output_tokens": 9, "model_answered": "m"}
    await queue.questions.pay(call["id"], answered)
    assert await queue.questions.cancel_calls("run", at(1)) == 1
    stored = await queue.questions.run("run") or {}
    assert (stored["cost_nano"], stored["output_tokens"], stored["model_answered"]) == (250, 9, "m")
    assert stored["cost_usd"] == pytest.approx(2.5e-7)
    assert (stored["posts_total"], stored["scored"], stored["who"]) == (2, 1, "somebody")
    assert await queue.questions.traffic(at(-1)) == (0, 62.5)
    unfinished = await queue.questions.unfinished_run("analyze", "gpt-4o-mini", prompt_hash())
    assert unfinished is not None and unfinished["id"] == "run"
    await queue.questions.mark_run("run", state="finished")
    assert await queue.questions.unfinished_run("analyze", "gpt-4o-mini", prompt_hash()) is None


async def test_a_run_picks_what_nobody_was_asked_about(queue: Queue) -> None:
    await queue.ask(1)
    async with queue.questions.begin() as connection:
        await queue.posts.save(connection, [post_row(post(n), at(0)) for n in (2, 3)], [])
    found = await queue.questions.next_unasked("gpt-4o-mini", prompt_hash(), 10, "")
    assert {row["post_id"] for row in found} == ids(2, 3)
    first = await queue.questions.next_unasked("gpt-4o-mini", prompt_hash(), 1, "")
    rest = await queue.questions.next_unasked("gpt-4o-mini", prompt_hash(), 10, first[0]["post_id"])
    assert len(rest) == 1


async def test_settled_questions_are_announced_once_by_whoever_comes(queue: Queue) -> None:
    await queue.ask(1, 2)
    assert await queue.questions.unannounced(at(5), 10) == []
    rows = [{"post_id": post(n).post_id, "state": DEAD, "due_at": at(5)} for n in (1, 2)]
    async with queue.questions.begin() as connection:
        await queue.questions.settle(connection, rows)
    assert await queue.questions.unannounced(at(5), 10) == [], "its owner is about to"
    assert len(await queue.questions.unannounced(at(5), 10, [post(1).post_id])) == 1
    assert len(await queue.questions.unannounced(at(6), 10)) == 2
    assert await queue.questions.announced([post(1).post_id], at(6)) == []
    assert {row["post_id"] for row in await queue.questions.unannounced(at(7), 10)} == ids(2)
    assert await queue.questions.without_local("run", 10) == []
