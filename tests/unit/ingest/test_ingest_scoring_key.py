"""All replicas of ingest have the same key for the classifier, and it is worth no more than a score."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.ingest.keeper import Keeper
from services.ingest.settings import IngestSettings
from services.ingest.store import Store
from services.ingest.tables import metadata
from shared import migrate
from shared.auth import KeyRing, hash_key
from shared.bus.publisher import connect
from shared.runtime import Platform
from shared.settings import Settings
from shared.vocabulary import Scope
from tests.support.servers import Broker


@asynccontextmanager
async def keeper_on(folder: Path, url: str, salt: str | None = None) -> AsyncIterator[Keeper]:
    secret = SecretStr(salt) if salt else None
    folder.mkdir(exist_ok=True)
    platform = Platform(Settings(data_dir=folder).model_copy(update={"pseudonym_salt": secret}), url)
    database = platform.database("ingest", metadata)
    await migrate.upgrade("ingest", database)
    made = Keeper(platform, IngestSettings(), Store(database))
    try:
        await made.start()
        yield made
    finally:
        await database.close()
        await platform.redis.aclose()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path / "broker").start()
    yield started
    started.stop()


async def test_replicas_share_one_key_of_the_scope_score(tmp_path: Path, broker: Broker) -> None:
    async with keeper_on(tmp_path, broker.url) as first, keeper_on(tmp_path, broker.url) as second:
        key = first.scoring_key()
        assert key == second.scoring_key() and len(key) == len("ombud_") + 43
        known = await first.store.valid_keys()
        assert [each.scopes for each in known.values()] == [frozenset({Scope.SCORE})]
        assert list(known) == [hash_key(key)]


async def test_a_revoked_key_stays_revoked_after_a_restart(tmp_path: Path, broker: Broker) -> None:
    async with keeper_on(tmp_path, broker.url) as first:
        (row,) = await first.store.list_keys()
        assert await first.revoke(row.id)
    async with keeper_on(tmp_path, broker.url) as again:
        assert await again.store.valid_keys() == {}


async def test_a_use_noted_by_any_process_is_kept_in_the_table_also_when_the_broker_is_emptied(
    tmp_path: Path, broker: Broker
) -> None:
    async with keeper_on(tmp_path, broker.url) as keeper, connect(broker.url) as redis:
        assert [row["last_used_at"] for row in await keeper.keys()] == [None]
        assert await KeyRing(redis).find(keeper.scoring_key())
        (listed,) = await keeper.keys()
        assert listed["last_used_at"] is not None
        await keeper.note_uses()
        await redis.flushall()
        assert await keeper.keys() == [listed]


async def test_another_salt_makes_another_key(tmp_path: Path, broker: Broker) -> None:
    async with keeper_on(tmp_path / "a", broker.url, "one") as one, keeper_on(tmp_path / "b", broker.url, "two") as two:
        assert one.scoring_key() != two.scoring_key()
