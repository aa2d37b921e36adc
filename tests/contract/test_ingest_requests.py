"""What ingest keeps of requests with an Idempotency-Key, alike on SQLite and PostgreSQL."""

import asyncio
from datetime import datetime, timedelta

import pytest

from services.ingest.store import Asked, Store
from tests.contract.conftest import Migrated
from tests.contract.speech import at

ONE = Asked("ada", "k" * 64, "f" * 64)
OTHER_BODY = Asked("ada", "k" * 64, "e" * 64)
OTHER_PERSON = Asked("bob", "k" * 64, "f" * 64)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def store(migrated: Migrated, dialect: str) -> Store:
    """Ingest's store on each database."""
    return Store(await migrated("ingest", dialect))


async def begin(store: Store, asked: Asked, now: datetime) -> tuple[str, int | None, bytes | None] | None:
    """Begin a request; return fingerprint, status and body of what is known, None if it is new."""
    row = await store.begin_request(asked, now, expired=now - DAY, abandoned=now - MINUTE)
    return None if row is None else (row.fingerprint, row.status, row.body)


async def test_of_many_at_once_one_begins_and_the_others_see_it_in_flight(store: Store) -> None:
    answers = await asyncio.gather(*(begin(store, ONE, at(0) + timedelta(milliseconds=n)) for n in range(20)))
    assert answers.count(None) == 1
    assert answers.count(("f" * 64, None, None)) == 19


async def test_an_answer_is_kept_for_whoever_asked(store: Store) -> None:
    assert await begin(store, ONE, at(0)) is None
    await store.answer_request(ONE, at(0), 202, b'{"id":"\xff"}')
    assert await begin(store, ONE, at(1)) == ("f" * 64, 202, b'{"id":"\xff"}')
    assert await begin(store, OTHER_BODY, at(1)) == ("f" * 64, 202, b'{"id":"\xff"}')
    assert await begin(store, OTHER_PERSON, at(1)) is None


async def test_what_nobody_answered_is_taken_over_by_the_same_request_only(store: Store) -> None:
    assert await begin(store, ONE, at(0)) is None
    assert await begin(store, ONE, at(0) + MINUTE) == ("f" * 64, None, None)
    late = at(0) + MINUTE + timedelta(microseconds=1)
    assert await begin(store, OTHER_BODY, late) == ("f" * 64, None, None)
    assert await begin(store, ONE, late) is None
    await store.answer_request(ONE, at(0), 500, b"from the one that was thought dead")
    assert await begin(store, ONE, late) == ("f" * 64, None, None)
    await store.forget_request(ONE, at(0))
    await store.answer_request(ONE, late, 202, b"{}")
    assert await begin(store, ONE, late + DAY) == ("f" * 64, 202, b"{}")


async def test_after_its_time_a_key_is_free_again(store: Store) -> None:
    assert await begin(store, ONE, at(0)) is None
    await store.answer_request(ONE, at(0), 202, b"{}")
    assert await begin(store, OTHER_BODY, at(0) + DAY + MINUTE) is None


async def test_a_forgotten_request_begins_anew_and_an_answered_one_is_not_forgotten(store: Store) -> None:
    assert await begin(store, ONE, at(0)) is None
    await store.forget_request(ONE, at(0))
    assert await begin(store, ONE, at(1)) is None
    await store.answer_request(ONE, at(1), 202, b"{}")
    await store.forget_request(ONE, at(1))
    assert await begin(store, ONE, at(2)) == ("f" * 64, 202, b"{}")


async def test_the_sweep_forgets_the_old_ones(store: Store) -> None:
    assert await begin(store, ONE, at(0)) is None
    assert await begin(store, OTHER_PERSON, at(5)) is None
    await store.forget_requests(at(5))
    assert await begin(store, ONE, at(6)) is None
    assert await begin(store, OTHER_PERSON, at(6)) == ("f" * 64, None, None)
