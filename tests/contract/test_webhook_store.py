"""Lines of webhooks on SQLite and PostgreSQL: taken once, posted by one, marked, redriven, forgotten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.reporter.holding import Hold, HoldState
from services.reporter.store import Store
from services.reporter.tables import posts
from services.reporter.webhooks import DispatchState, WebhookState
from shared.clock import utcnow
from shared.db import append
from tests.contract.conftest import Migrated

HOOK = "00000000-0000-4000-8000-000000000001"
NOW = utcnow()


def webhook(**more: Any) -> dict[str, Any]:
    row = {
        "id": HOOK,
        "url": "https://example.org/",
        "description": "",
        "streams": ["posts.scored"],
        "text": True,
        "state": WebhookState.ACTIVE.value,
        "secret": "whsec_QUJD",
        "seen": {"posts.scored": "1-0"},
        "turn": 0,
        "attempts": 0,
        "due_at": NOW,
        "created_by": "a test",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return row | more


def dispatch(n: int, post_id: str | None = None) -> dict[str, Any]:
    return {
        "webhook_id": HOOK,
        "event_id": f"e{n}",
        "place": f"{n:026d}",
        "stream": "posts.scored",
        "post_id": post_id,
        "body": {"data": {"post": {"post_id": post_id}}},
        "state": DispatchState.QUEUED.value,
        "attempts": 0,
        "created_at": NOW,
    }


async def opened(dialect: str, migrated: Migrated) -> Store:
    store = Store(await migrated("reporter", dialect))
    async with store.begin() as connection:
        await store.add_webhook(connection, webhook())
    return store


async def test_what_is_read_by_two_is_taken_once(dialect: str, migrated: Migrated) -> None:
    store = await opened(dialect, migrated)
    async with store.begin() as connection:
        assert await store.put_in_line(connection, HOOK, 0, [dispatch(2), dispatch(1)], {"posts.scored": "2-0"})
    async with store.begin() as connection:
        assert not await store.put_in_line(connection, HOOK, 0, [dispatch(3)], {"posts.scored": "3-0"})
    async with store.begin() as connection:
        assert await store.put_in_line(connection, HOOK, 1, [dispatch(2), dispatch(3)], {"posts.scored": "3-0"})
    async with store.read() as connection:
        assert [row.event_id for row in await store.head(connection, HOOK, 10)] == ["e1", "e2", "e3"]
        row = await store.webhook(connection, HOOK)
        assert row is not None and (row.seen, row.turn) == ({"posts.scored": "3-0"}, 2)


async def test_one_at_a_time_has_the_turn_until_the_lease_ends(dialect: str, migrated: Migrated) -> None:
    store = await opened(dialect, migrated)
    until = NOW + timedelta(seconds=10)
    async with store.begin() as connection:
        row = await store.webhook(connection, HOOK)
        assert row is not None
        assert not await store.take_turn(connection, row, "a", NOW - timedelta(seconds=1), until)  # not due yet
        assert await store.take_turn(connection, row, "a", NOW, until)
        assert not await store.take_turn(connection, row, "b", NOW, until)
        assert await store.take_turn(connection, row, "a", NOW, until)
        assert await store.take_turn(connection, row, "b", until + timedelta(seconds=1), until)
        await store.give_back(connection, HOOK, "a")  # not a's any more
        assert not await store.take_turn(connection, row, "a", NOW, until)
        await store.give_back(connection, HOOK, "b")
        await store.change_webhook(connection, HOOK, {"state": WebhookState.PAUSED.value})
        assert not await store.take_turn(connection, row, "a", NOW, until)


async def test_the_head_brings_the_text_of_posts_that_are_there(dialect: str, migrated: Migrated) -> None:
    store = await opened(dialect, migrated)
    async with store.begin() as connection:
        rows = [
            {"post_id": "kept", "text": "words", "author": "a", "deleted_at": None, "hidden": False},
            {"post_id": "gone", "text": None, "author": None, "deleted_at": NOW, "hidden": False},
            {"post_id": "away", "text": "words", "author": "b", "deleted_at": None, "hidden": True},
        ]
        await append(connection, posts, rows)
        line = [dispatch(n, post) for n, post in enumerate(("kept", "gone", "away", None))]
        await store.put_in_line(connection, HOOK, 0, line, {})
    async with store.read() as connection:
        assert [row.text for row in await store.head(connection, HOOK, 10)] == ["words", None, None, None]


async def test_marked_redriven_and_forgotten(dialect: str, migrated: Migrated) -> None:
    store = await opened(dialect, migrated)
    async with store.begin() as connection:
        await store.put_in_line(connection, HOOK, 0, [dispatch(n) for n in range(4)], {})
        dead = {"state": DispatchState.DEAD.value, "attempts": 8, "finished_at": NOW}
        assert await store.mark(connection, HOOK, ["e0"], dead) == 1
        await store.mark(connection, HOOK, ["e1"], {"state": DispatchState.DELIVERED.value, "finished_at": NOW})
        assert await store.waiting(connection) == {HOOK: {"dead": 1, "queued": 2}}
        assert [row.event_id for row in await store.line(connection, HOOK, state="dead", after=None, limit=9)] == ["e0"]
        page = await store.line(connection, HOOK, state=None, after=f"{2:026d}", limit=1)
        assert [row.event_id for row in page] == ["e1"]
        assert await store.redrive(connection, HOOK) == 1
        assert [row.event_id for row in await store.head(connection, HOOK, 1)] == ["e0"]
        assert await store.forget_delivered(connection, NOW) == 0
        assert await store.forget_delivered(connection, NOW + timedelta(seconds=1)) == 1
        assert await store.remove_webhook(connection, HOOK)
        assert not await store.remove_webhook(connection, HOOK)
        assert await store.waiting(connection) == {}


async def test_what_is_held_stops_a_line_until_it_is_let_go_or_undone(dialect: str, migrated: Migrated) -> None:
    store = await opened(dialect, migrated)
    held, other = Hold("c", "word", "trace", NOW), Hold("d", "another", "trace", NOW + timedelta(minutes=1))
    rows = [dispatch(n) | {"held": cause} for n, cause in enumerate([None, "c", None, "d", None])]

    async def line() -> list[str]:
        async with store.read() as connection:
            return [row.event_id for row in await store.head(connection, HOOK, 10)]

    async with store.begin() as connection:
        assert await store.put_in_line(connection, HOOK, 0, rows, {})
        await store.keep_holds(connection, HOOK, [held, other], [])
    assert await line() == ["e0"]
    async with store.begin() as connection:
        found = await store.holds(connection, HOOK, {"trace"}, set())
        assert {each.cause_id for each in found} == {"c", "d"}
        assert await store.holds(connection, HOOK, set(), {"word"}) == [held]
        assert await store.holds_over(connection, NOW) == {HOOK: {"c": NOW}}
        await store.let_go(connection, HOOK, ["c"])
        assert await store.holds_over(connection, NOW) == {}
    assert await line() == ["e0", "e1", "e2"]
    undone = replace(other, state=HoldState.UNDONE, posts=("p", "q"))
    async with store.begin() as connection:
        await store.keep_holds(connection, HOOK, [undone], ["d"])
        await store.let_go(connection, HOOK, ["d"])  # too late: nothing of it is left, and it stays undone
        assert await store.holds(connection, HOOK, set(), {"another"}) == [undone]
    assert await line() == ["e0", "e1", "e2", "e4"]
    async with store.begin() as connection:
        assert await store.forget_holds(connection, NOW + timedelta(seconds=1)) == 1
        await store.remove_webhook(connection, HOOK)
        assert await store.holds(connection, HOOK, {"trace"}, set()) == []
