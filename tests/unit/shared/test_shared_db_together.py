"""Writers of one SQLite file: they take turns, and what waits at the same time shares a commit."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import Database, append

metadata = MetaData()
numbers = Table("numbers", metadata, Column("number", Integer, primary_key=True))


async def made(folder: Path) -> tuple[Database, list[None]]:
    """An empty table, and one entry per commit."""
    database = Database(f"sqlite+aiosqlite:///{folder}/some.sqlite3", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    commits: list[None] = []
    event.listen(database.engine.sync_engine, "commit", lambda _: commits.append(None))
    return database, commits


async def keep(connection: AsyncConnection, number: int) -> int:
    await append(connection, numbers, [{"number": number}])
    return number


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.execute(select(numbers.c.number).order_by(numbers.c.number))).scalars())


async def test_what_waits_at_the_same_time_shares_a_commit(tmp_path: Path) -> None:
    database, commits = await made(tmp_path)
    found = await asyncio.gather(*(database.together(lambda at, n=n: keep(at, n)) for n in range(50)))
    assert found == list(range(50))
    assert await stored(database) == list(range(50))
    assert len(commits) <= 2
    await database.close()


async def test_work_that_fails_fails_alone(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)
    await database.together(lambda at: keep(at, 7))
    asked = (database.together(lambda at, n=n: keep(at, n)) for n in (6, 7, 8))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert (found[0], found[2]) == (6, 8)
    assert isinstance(found[1], IntegrityError)
    assert await stored(database) == [6, 7, 8]
    await database.close()


async def test_who_gives_up_waiting_takes_no_other_along(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)
    async with database.begin():  # nobody else may write meanwhile
        impatient = asyncio.create_task(database.together(lambda at: keep(at, 1)))
        patient = asyncio.create_task(database.together(lambda at: keep(at, 2)))
        await asyncio.sleep(0)
        impatient.cancel()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await database.close()


async def test_many_writers_of_one_process_take_turns(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)

    async def one(number: int) -> None:
        async with database.begin() as connection:
            await keep(connection, number)

    await asyncio.gather(*map(one, range(60)))  # ten connections would ask again and again, and some give up
    assert await stored(database) == list(range(60))
    await database.close()
