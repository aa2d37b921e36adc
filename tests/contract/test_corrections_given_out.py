"""The corrections that the trainer gives out, alike on SQLite and PostgreSQL."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.trainer.feedback import Position, line_of, summarise
from services.trainer.handlers import Handlers
from services.trainer.personalising import Personalising
from services.trainer.store import Store
from services.trainer.store.ratings import RatingStore
from shared.artifacts import ArtifactStore
from shared.db import Database
from shared.vocabulary import FeedbackType, Verdict
from tests.contract.conftest import Migrated
from tests.unit.trainer.spoken import NOON, at, corrected, deleted, scored


@pytest.fixture
async def database(migrated: Migrated, dialect: str) -> Database:
    """The trainer's tables on each database."""
    return await migrated("trainer", dialect)


@pytest.fixture
def store(database: Database) -> Store:
    """The trainer's store on them."""
    return Store(database)


@pytest.fixture
def handlers(store: Store, database: Database, tmp_path: Path) -> Handlers:
    """The handlers on it."""
    return Handlers(store, Personalising(RatingStore(database), store, ArtifactStore(tmp_path), 100))


async def ids(store: Store, **asked: object) -> list[str]:
    """Return the ids of a page."""
    page = {"since": None, "after": None, "limit": 100} | asked
    return [each.correction_id for each in await store.page_of_corrections(**page)]  # type: ignore[arg-type]


async def test_only_what_stands_and_still_has_a_text_is_given(store: Store, handlers: Handlers) -> None:
    await handlers.on_post_scored([scored("p", "of a post"), scored("q", "gone"), scored("r", "erased", author="bob")])
    await handlers.on_post_corrected(
        [
            corrected("of-post", "p", corrected_at=at(1)),
            corrected("of-text", text="a bare text", corrected_at=at(2)),
            corrected("of-gone", "q", corrected_at=at(3)),
            corrected("of-gone-with-text", "q", text="gone", corrected_at=at(3)),
            corrected("of-erased", "r", corrected_at=at(4)),
            corrected("of-nobody", "unheard-of", corrected_at=at(5)),
            corrected("undone", text="undone", corrected_at=at(6)),
            corrected("undo", retracts="undone", corrected_at=at(7)),
            corrected("unsure", text="unsure", verdict=Verdict.UNSURE, corrected_at=at(8)),
        ]
    )
    await handlers.on_post_deleted([deleted("q"), deleted(author="bob")])
    found = await store.page_of_corrections(since=None, after=None, limit=100)
    lines = [line_of(each) for each in found]
    assert [line.text for line in lines if line] == ["of a post", "a bare text"]
    assert None not in lines
    assert (await ids(store)) == ["of-post", "of-text"]


async def test_since_is_inclusive_and_pages_meet_each_correction_once(store: Store, handlers: Handlers) -> None:
    told = [corrected(f"c{n}", text=f"text {n}", corrected_at=at(n // 3)) for n in range(20)]
    await handlers.on_post_corrected(told[::-1])
    everything = await ids(store)
    assert everything == sorted(everything, key=lambda name: (int(name[1:]) // 3, name))
    assert len(await ids(store, since=at(3))) == 11
    assert len(await ids(store, since=at(3) + timedelta(microseconds=1))) == 8
    met: list[str] = []
    after = None
    while page := await store.page_of_corrections(since=None, after=after, limit=4):
        met += [each.correction_id for each in page]
        after = Position(page[-1].corrected_at, page[-1].correction_id)
    assert met == everything


async def test_the_numbers_count_what_stands_even_without_its_text(store: Store, handlers: Handlers) -> None:
    false_positive = {"feedback_type": FeedbackType.FALSE_POSITIVE, "expected_categories": ()}
    await handlers.on_post_corrected(
        [
            *(corrected(f"n{n}", f"p{n}", corrected_at=at(n)) for n in range(4)),
            corrected("x", text="x", actual_categories=("threat",), **false_positive, corrected_at=at(-5)),
            corrected("y", text="y", verdict=Verdict.CORRECT, corrected_at=at(9)),
            corrected("undo", retracts="n0", corrected_at=at(10)),
            corrected("unsure", text="unsure", verdict=Verdict.UNSURE, corrected_at=at(11)),
        ]
    )
    found = summarise(await store.corrections_alike())
    assert found.total == 5
    assert found.by_type == {"false_positive": 1, "false_negative": 0, "other": 4}
    assert (found.by_category["insult"].false_negative, found.by_category["threat"].false_positive) == (3, 1)
    assert (found.first, found.last) == (NOON - timedelta(minutes=5), at(9))


async def test_what_was_taken_back_is_told_from_the_moment_it_was_page_by_page(
    store: Store, handlers: Handlers
) -> None:
    await handlers.on_post_corrected(
        [
            *(corrected(f"c{n}", text=f"text {n}", corrected_at=at(n)) for n in range(6)),
            *(corrected(f"undo{n}", retracts=f"c{n}", corrected_at=at(10 + n // 2)) for n in range(5)),
            corrected("undo-the-undoing", retracts="undo4", corrected_at=at(20)),
        ]
    )
    first = await store.page_of_retractions(since=at(11), after=None, limit=1)
    rest = await store.page_of_retractions(since=at(11), after=first[0][1], limit=10)
    assert [name for name, _ in [*first, *rest]] == ["c2", "c3", "undo4"]
    assert await store.page_of_retractions(since=at(21), after=None, limit=10) == []
