"""When a service cleans its files: only if that is due, the whole file not too often, and never forgotten half way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import MetaData

from shared.bus.keys import SCRUBS
from shared.bus.publisher import connect
from shared.db import Database
from shared.embedded import FORGETFUL, PrivateBroker
from shared.errors import Unavailable
from shared.scrubbing import Scrub


class Watched(Database):
    """A database that notes how it was cleaned; `busy` is what hinders it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, MetaData())
        self.cleaned: list[bool] = []
        self.busy: list[Exception | bool] = []

    async def scrub(self, *, whole: bool) -> bool:
        self.cleaned.append(whole)
        hinders = self.busy.pop(0) if self.busy else False
        if isinstance(hinders, Exception):
            raise hinders
        return await super().scrub(whole=whole) and not hinders


@pytest.fixture
async def private(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def redis(private: PrivateBroker) -> AsyncIterator[Redis]:
    client = connect(private.url)
    yield client
    await client.aclose()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(f"sqlite+aiosqlite:///{tmp_path}/x.sqlite3")
    yield made
    await made.close()


async def due(redis: Redis, at: str) -> None:
    await redis.hset(SCRUBS, "ingest", at)


async def test_nothing_is_cleaned_that_is_not_due(redis: Redis, database: Watched) -> None:
    await Scrub(redis, "ingest", database, 60)()
    await redis.hset(SCRUBS, "another", "1")
    await Scrub(redis, "ingest", database, 60)()
    assert database.cleaned == []


async def test_the_log_is_cleaned_each_time_and_the_file_when_its_pause_is_over(
    redis: Redis, database: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("shared.scrubbing.monotonic", lambda: now)
    scrub = Scrub(redis, "ingest", database, 60)
    await due(redis, "1")
    await scrub()
    assert database.cleaned == [True] and not await redis.hexists(SCRUBS, "ingest")
    await due(redis, "2")
    now += 59
    await scrub()
    assert database.cleaned == [True, False] and await redis.hget(SCRUBS, "ingest") == b"2", "the file is still due"
    now += 1
    await scrub()
    assert database.cleaned == [True, False, True] and not await redis.hexists(SCRUBS, "ingest")


async def test_a_reader_or_an_outage_puts_it_off_and_the_file_is_not_written_again_for_that(
    redis: Redis, database: Watched
) -> None:
    scrub = Scrub(redis, "ingest", database, 60)
    await due(redis, "1")
    database.busy = [Unavailable("database"), True, False]
    with pytest.raises(Unavailable):
        await scrub()
    await scrub()
    assert await redis.hget(SCRUBS, "ingest") == b"1"
    await scrub()
    assert database.cleaned == [True, True, False] and not await redis.hexists(SCRUBS, "ingest")


async def test_an_erasure_that_ends_meanwhile_stays_due(redis: Redis, database: Watched) -> None:
    async def mop() -> None:
        await due(redis, "2")

    await due(redis, "1")
    await Scrub(redis, "ingest", database, 60, mop)()
    assert await redis.hget(SCRUBS, "ingest") == b"2"


async def test_what_a_write_beside_the_erasure_left_is_mopped_first(redis: Redis, database: Watched) -> None:
    seen: list[Any] = []

    async def mop() -> None:
        seen.append(list(database.cleaned))

    await due(redis, "1")
    await Scrub(redis, "ingest", database, 60, mop)()
    assert seen == [[]] and database.cleaned == [True]


async def test_our_own_broker_keeps_nothing_of_a_deleted_entry(private: PrivateBroker, redis: Redis) -> None:
    for name, value in FORGETFUL.items():
        assert await redis.config_get(name) == {name: value}
    left = private._folder / "appendonlydir" / "temp-rewriteaof-1.aof"
    left.write_text("half of a file that a killed server began")
    again = PrivateBroker(private._folder)
    await redis.config_set("stream-node-max-entries", 100)
    await again.start()
    assert await redis.config_get("stream-node-max-entries") == {"stream-node-max-entries": "1"}, "taken over"
    assert left.exists(), "a server that runs may be writing it"
    await private.stop()
    third = PrivateBroker(private._folder)
    await third.start()
    assert not left.exists()
    await third.stop()
