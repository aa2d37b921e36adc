"""What the quality page asks of the reporter's tables, on SQLite and PostgreSQL."""

from datetime import UTC, datetime

from services.reporter.store import Store
from tests.contract.conftest import Migrated

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEARD = {"correction_id": "c1", "post_id": "a", "verdict": "correct", "standing": "reviewer", "corrected_at": AT}


async def test_a_blind_verdict_is_marked_whether_it_was_heard_before_or_not(dialect: str, migrated: Migrated) -> None:
    store = Store(await migrated("reporter", dialect))
    async with store.begin() as connection:
        await store.note_blind(connection, "c1")  # the console knows first
        await store.put_corrections(connection, [HEARD, HEARD | {"correction_id": "c2"}])
        await store.note_blind(connection, "c2")
        await store.put_corrections(connection, [HEARD | {"correction_id": "c2"}])  # told again
        words = await store.words_on(connection, "a")
    assert [(word.correction_id, word.blind, word.verdict) for word in words] == [
        ("c1", True, "correct"),
        ("c2", True, "correct"),
    ]
