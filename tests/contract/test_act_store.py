"""Acts on platforms on SQLite and PostgreSQL: claimed by one, postponed, counted, decided by reviewers only."""

from datetime import timedelta
from typing import Any

from services.reporter.acts import State
from services.reporter.store import Store
from services.reporter.tables import corrections, posts
from shared.clock import utcnow
from shared.db import append
from tests.contract.conftest import Migrated

NOW = utcnow()
LEASE = NOW + timedelta(minutes=1)


def act(n: int, **more: Any) -> dict[str, Any]:
    row = {"outlet": "town", "post_id": f"p{n}", "act": "silence", "target": "9", "back": False}
    return row | {"state": State.DONE.value, "reason": "why", "correction_id": None, "at": NOW} | more


async def test_a_post_is_looked_at_by_one_and_what_is_postponed_comes_later(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    async with store.begin() as connection:
        await append(connection, posts, [{"post_id": "p1", "platform": "a"}, {"post_id": "p2", "platform": "b"}])
        await store.act_after(connection, ["p1", "p2"], NOW)
        await store.forget_others(connection, NOW, ["a"])
    async with store.begin() as connection:
        row = await store.claim_act(connection, "one", NOW, LEASE)
        assert row is not None and row.post_id == "p1"
        assert await store.claim_act(connection, "two", NOW, LEASE) is None
        assert await store.claim_act(connection, "two", LEASE + timedelta(seconds=1), LEASE) is not None
        await store.release_act(connection, "one", row, again_at=LEASE, attempts=3)  # the lease is another's now
        assert (await store.claim_act(connection, "three", LEASE + timedelta(seconds=1), LEASE)) is not None
    async with store.begin() as connection:
        mine = await store.claim_act(connection, "four", LEASE + timedelta(seconds=1), LEASE + timedelta(seconds=9))
        await store.release_act(connection, "four", mine, again_at=LEASE + timedelta(hours=1), attempts=3)
        assert await store.claim_act(connection, "five", LEASE + timedelta(minutes=9), LEASE) is None
        later = await store.claim_act(connection, "five", LEASE + timedelta(hours=1), LEASE)
        assert later is not None and later.attempts == 3
        await store.release_act(connection, "five", later, again_at=None)
        assert await store.claim_act(connection, "six", LEASE + timedelta(days=1), LEASE) is None


async def test_acts_of_an_hour_are_counted_without_what_was_taken_back_found_done_or_failed(
    dialect: str, migrated: Migrated
) -> None:
    store = Store(await migrated("reporter", dialect))
    async with store.begin() as connection:
        first = await store.add_act(connection, act(1, state=State.BEGUN.value))
        for row in (act(1, back=True), act(2, state=State.ALREADY.value), act(3, state=State.FAILED.value)):
            await store.add_act(connection, row)
        await store.add_act(connection, act(4, act="along", target="5"))
        await store.add_act(connection, act(5, at=NOW - timedelta(hours=2)))
        await store.change_act(connection, first, {"state": State.DONE.value, "target": "8"})
    async with store.read() as connection:
        assert await store.acts_since(connection, NOW - timedelta(hours=1)) == 1
        assert [row.target for row in await store.acts_of(connection, "town", "p1")] == ["8", "9"]
        assert [row.post_id for row in await store.acts_on(connection, "town", "silence", "9")] == [
            "p1",
            "p2",
            "p3",
            "p5",
        ]
        page = await store.page_of_acts(connection, outlet="town", post_id=None, state="done", before=None, limit=2)
        assert [row.post_id for row in page] == ["p5", "p4"]


async def test_a_reviewer_s_word_decides_a_post_and_a_reporter_s_does_not(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    spoken = [
        {"correction_id": "a", "post_id": "p1", "verdict": "correct", "standing": "reviewer", "retracted": False},
        {"correction_id": "b", "post_id": "p2", "verdict": "incorrect", "standing": "reporter", "retracted": False},
        {"correction_id": "c", "post_id": "p3", "verdict": "correct", "standing": "reviewer", "retracted": True},
    ]
    async with store.begin() as connection:
        known = {"platform": "a", "status": "flagged"}
        await append(connection, posts, [{"post_id": f"p{n}", "external_id": f"x{n}", **known} for n in (1, 2, 3)])
        await append(connection, corrections, [{**row, "corrected_at": NOW} for row in spoken])
    async with store.read() as connection:
        assert await store.decided_posts(connection, "a", ["x1", "x2", "x3"]) == {"x1"}
        verdict = await store.reviewers_verdict(connection, "p1")
        assert verdict is not None and verdict.correction_id == "a"
        assert await store.reviewers_verdict(connection, "p2") is None
