"""Connections to PostgreSQL that ended while they lay in the pool are replaced before anybody uses them."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import db
from shared.db import Database
from tests.support.databases import Databases
from tests.support.servers import eventually


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """Yield an empty database of PostgreSQL."""
    made = Database(databases.url("postgresql"), MetaData())
    yield made
    await made.close()


async def _process(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def _end(database: Database, process: int) -> None:
    """Let the server close somebody's connection, as it does with all of them when it is restarted."""
    async with database.begin() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": process})
    alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

    async def gone() -> bool:
        async with database.read() as connection:
            return int((await connection.execute(alive, {"pid": process})).scalar_one()) == 0

    await eventually(gone)


async def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    databases: Databases, database: Database
) -> None:
    first = await _process(database)
    assert await _process(database) == first, "the pool keeps its connection"
    other = Database(database.url, MetaData())
    try:
        await _end(other, first)
        assert await _process(database) != first
    finally:
        await other.close()


async def test_a_connection_is_asked_about_only_after_it_lay_idle(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    dialect = database.engine.sync_engine.dialect

    async with database.read() as connection:
        driver = type((await connection.get_raw_connection()).dbapi_connection)
    really = driver.ping
    monkeypatch.setattr(driver, "ping", lambda self: (asked.append(1), really(self)))
    first = await _process(database)
    assert asked == []
    monkeypatch.setattr(db, "ASK_AFTER_S", -1.0)
    assert await _process(database) == first
    assert asked == [1]

    def silent(_: object) -> None:
        raise dialect.dbapi.Error("no answer")  # type: ignore[union-attr]

    monkeypatch.setattr(driver, "ping", silent)
    assert await _process(database) != first, "one that does not answer is replaced"


async def test_a_reader_needs_no_transaction_and_a_cursor_gets_one(database: Database) -> None:
    asked = text("SELECT transaction_timestamp()")

    async def stands_still(connection: AsyncConnection) -> bool:
        return (await connection.execute(asked)).scalar_one() == (await connection.execute(asked)).scalar_one()

    async with database.read() as connection:
        assert not await stands_still(connection)
    async with database.read(cursor=True) as connection:
        assert await stands_still(connection)
    async with database.begin() as connection:  # and who writes after a reader, on the same connection, is in one again
        assert await stands_still(connection)
