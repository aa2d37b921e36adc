"""Writers of one SQLite file: they take turns, and what waits at the same time shares a commit."""

import asyncio
from collections.abc import Sequence
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


async def keep(connection: AsyncConnection, some: Sequence[int]) -> list[int]:
    await append(connection, numbers, [{"number": number} for number in some])
    return [-number for number in some]


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.execute(select(numbers.c.number).order_by(numbers.c.number))).scalars())


async def test_what_waits_at_the_same_time_shares_a_commit(tmp_path: Path) -> None:
    database, commits = await made(tmp_path)
    statements: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    found = await asyncio.gather(*(database.together(keep, n) for n in range(50)))
    assert found == [-n for n in range(50)]
    assert await stored(database) == list(range(50))
    assert len(commits) <= 2
    assert sum(said.startswith("INSERT") for said in statements) <= 2, "one statement for all who wait"
    await database.close()


async def test_different_work_shares_a_commit_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    database, commits = await made(tmp_path)

    async def tenfold(connection: AsyncConnection, some: Sequence[int]) -> list[int]:
        return [10 * number for number in await keep(connection, some)]

    asked = (database.together(work, n) for n, work in enumerate((keep, tenfold, keep, tenfold)))
    assert await asyncio.gather(*asked) == [0, -10, -2, -30]
    assert len(commits) <= 2
    await database.close()


async def test_work_that_fails_fails_alone(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)
    await database.together(keep, 7)
    asked = (database.together(keep, n) for n in (6, 7, 8))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert (found[0], found[2]) == (-6, -8)
    assert isinstance(found[1], IntegrityError)
    assert await stored(database) == [6, 7, 8]
    await database.close()


async def test_who_gives_up_waiting_takes_no_other_along(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)
    async with database.begin():  # nobody else may write meanwhile
        impatient = asyncio.create_task(database.together(keep, 1))
        patient = asyncio.create_task(database.together(keep, 2))
        await asyncio.sleep(0)
        impatient.cancel()
    assert await patient == -2
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await database.close()


async def test_many_writers_of_one_process_take_turns(tmp_path: Path) -> None:
    database, _ = await made(tmp_path)

    async def one(number: int) -> None:
        async with database.begin() as connection:
            await keep(connection, [number])

    await asyncio.gather(*map(one, range(60)))  # ten connections would ask again and again, and some give up
    assert await stored(database) == list(range(60))
    await database.close()
