"""The two ways to write a row, moments, and what a database that is down looks like."""

import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Column, Integer, MetaData, String, Table, select, text, update

from shared.db import PARAMETERS_AT_ONCE, Database, Json, Moment, chunks, insert_new, upsert, url_for
from shared.errors import Unavailable
from tests.support.servers import eventually

metadata = MetaData()
things = Table(
    "test_things",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("word", String),
    Column("made", Moment),
    Column("more", Json),
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with one table."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/x.sqlite3", metadata)
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.close()


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """Every row."""
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(select(things).order_by(things.c.id))]


async def write(database: Database, *wanted: dict[str, Any], **how: Any) -> None:
    """Upsert rows in a transaction."""
    async with database.begin() as connection:
        await upsert(connection, things, wanted, **how)


async def test_a_row_that_is_there_stays_as_it_is(database: Database) -> None:
    async with database.begin() as connection:
        await insert_new(connection, things, [{"id": "a", "version": 1, "word": "first"}])
        await insert_new(connection, things, [{"id": n, "version": 2, "word": "second"} for n in "ab"])
        await insert_new(connection, things, [])
    assert [row[:3] for row in await rows(database)] == [("a", 1, "first"), ("b", 2, "second")]


async def test_only_a_row_that_is_as_new_replaces(database: Database) -> None:
    await write(database, {"id": "a", "version": 2, "word": "two"}, newer="version")
    await write(database, {"id": "a", "version": 1, "word": "late"}, newer="version")
    assert (await rows(database))[0][:3] == ("a", 2, "two")
    await write(database, {"id": "a", "version": 2, "word": "again"}, newer="version")
    assert (await rows(database))[0][:3] == ("a", 2, "again")
    await write(database, {"id": "a", "version": 3, "word": "three"}, newer="version")
    assert (await rows(database))[0][:3] == ("a", 3, "three")


async def test_without_a_rule_the_last_row_wins_and_what_is_kept_stays(database: Database) -> None:
    await write(database, {"id": "a", "version": 2, "word": "two"})
    await write(database, {"id": "a", "version": 1, "word": "one"}, keep=("word",))
    assert (await rows(database))[0][:3] == ("a", 1, "two")


async def test_a_moment_comes_back_aware_and_the_same(database: Database) -> None:
    moment = datetime.fromisoformat("2026-11-14T11:31:07.250001+02:00")
    await write(database, {"id": "a", "version": 1, "made": moment})
    found = (await rows(database))[0][3]
    assert found == moment
    assert found.tzinfo is UTC


async def test_json_comes_back_as_it_was(database: Database) -> None:
    more = {"a": [1, 2.5, None, "naïve ☃"], "b": {"c": True}}
    await write(database, {"id": "a", "version": 1, "more": more})
    assert (await rows(database))[0][4] == more


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def half() -> None:
        async with database.begin() as connection:
            await upsert(connection, things, [{"id": "a", "version": 1}])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await half()
    assert await rows(database) == []


async def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    for url in (f"sqlite+aiosqlite:///{tmp_path}/no/folder/x.sqlite3", "postgresql+asyncpg://x:y@127.0.0.1:1/z"):
        database = Database(url, metadata)
        with pytest.raises(Unavailable):
            await database.ping()
        await database.close()
    # the driver's thread says good-bye to this event loop, so that has to live until then
    await eventually(lambda: not [each for each in threading.enumerate() if "_connection_worker" in each.name])


async def test_a_mistake_of_ours_is_no_outage(database: Database) -> None:
    with pytest.raises(Exception, match="test_nothing") as error:
        async with database.begin() as connection:
            await connection.execute(text("INSERT INTO test_nothing VALUES (1)"))
    assert not isinstance(error.value, Unavailable)


@given(some.lists(some.integers(), max_size=50), some.integers(1, PARAMETERS_AT_ONCE * 2))
def test_chunks_lose_nothing_and_fit_a_statement(values: list[int], width: int) -> None:
    pieces = chunks(values, width)
    assert [value for piece in pieces for value in piece] == values
    assert all(len(piece) == 1 or len(piece) * width <= PARAMETERS_AT_ONCE for piece in pieces)


def test_each_service_has_a_file_of_its_own_or_shares_postgresql() -> None:
    assert url_for("ingest", Path("/d"), None) == "sqlite+aiosqlite:////d/ingest.sqlite3"
    assert url_for("ingest", Path("/d"), "postgresql+asyncpg://x") == "postgresql+asyncpg://x"


# -- what is left of an erased row on disk ------------------------------------------------------------------

WORD = "zwunderquast"


def on_disk(database: Database) -> list[str]:
    """Return which files of a database hold the word."""
    file = Path(str(database.engine.url.database))
    return sorted(each.name for each in file.parent.glob(f"{file.name}*") if WORD.encode() in each.read_bytes())


async def erase_a_lot(database: Database, rounds: int = 4) -> None:
    """Write rows with the word between others, let them move between pages, and erase them."""
    random = Random(1)
    names = [f"{random.getrandbits(64):x}" for _ in range(600)]
    for version in range(rounds):
        random.shuffle(names)
        words = [(f"{WORD} " if name < "8" else "other ") * random.randint(1, 400) for name in names]
        rows = [{"id": name, "version": version, "word": word} for name, word in zip(names, words, strict=True)]
        await write(database, *rows)
    async with database.begin() as connection:
        await connection.execute(update(things).where(things.c.id < "8").values(word=None))


async def test_an_erased_word_leaves_the_files(database: Database) -> None:
    await erase_a_lot(database)
    assert "x.sqlite3-wal" in on_disk(database), "the log still holds what was written"
    assert await database.scrub(whole=True)
    assert on_disk(database) == []
    assert sum("other" in (row[2] or "") for row in await rows(database)) > 200
    assert await database.scrub(whole=False) and await database.scrub(whole=True)


async def test_what_is_freed_is_overwritten_at_once_but_for_the_gaps(database: Database) -> None:
    await write(database, {"id": "a", "version": 1, "word": f"{WORD} " * 3000}, {"id": "b", "version": 1, "word": None})
    async with database.begin() as connection:
        await connection.execute(update(things).where(things.c.id == "a").values(word=None))
    assert await database.scrub(whole=False)
    assert on_disk(database) == []


async def test_a_reader_puts_the_cleaning_off(database: Database) -> None:
    await write(database, {"id": "a", "version": 1, "word": WORD})
    async with database.engine.connect() as reader:
        await reader.execution_options(ombud_read=True)
        assert (await reader.execute(select(things.c.word))).scalar_one() == WORD
        await write(database, {"id": "a", "version": 2, "word": None})
        assert not await database.scrub(whole=False), "somebody still reads the log as it was"
        assert on_disk(database)
    assert await database.scrub(whole=False)
    assert on_disk(database) == []
