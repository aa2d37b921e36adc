"""The tables a service declares are the tables its migrations make, on SQLite and on PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from services.trainer.store import Store as TrainerStore
from services.trainer.training import events_of
from shared.db import Database
from shared.migrate import at_head, config, upgrade, version_table
from shared.streams import SERVICES
from tests.contract.conftest import Migrated, Open
from tests.support.databases import Databases, contents, metadata_of

every_service = pytest.mark.parametrize("service", SERVICES)


async def tables(database: Database) -> set[str]:
    """The tables that exist."""
    async with database.read() as connection:
        return await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))


@every_service
def test_a_history_is_one_line_and_named_after_its_service(service: str) -> None:
    scripts = ScriptDirectory.from_config(config(service))
    assert len(scripts.get_heads()) == 1
    revisions = list(scripts.walk_revisions())[::-1]
    assert [each.revision for each in revisions] == [f"{service}_{n:04d}" for n in range(1, len(revisions) + 1)]


@every_service
async def test_an_empty_database_comes_to_head(service: str, dialect: str, opened: Open) -> None:
    database = opened(service, dialect)
    assert not await at_head(service, database)
    await upgrade(service, database)
    assert await at_head(service, database)
    assert await tables(database) == {*metadata_of(service).tables, version_table(service)}


@every_service
async def test_the_migrated_tables_are_the_declared_ones(service: str, dialect: str, migrated: Migrated) -> None:
    database = await migrated(service, dialect)

    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": version_table(service), "compare_type": True}
        options["compare_server_default"] = dialect == "postgresql"  # Alembic cannot read an empty one of SQLite
        return compare_metadata(MigrationContext.configure(connection, opts=options), database.metadata)

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


@every_service
async def test_a_second_upgrade_changes_nothing(service: str, dialect: str, migrated: Migrated) -> None:
    database = await migrated(service, dialect)
    await upgrade(service, database)
    assert await at_head(service, database)
    assert set(map(len, (await contents(database)).values())) == {0}


@every_service
async def test_several_processes_may_upgrade_at_once(
    service: str, dialect: str, databases: Databases, opened: Open
) -> None:
    url = databases.url(dialect)
    several = [opened(service, dialect, url) for _ in range(4)]
    await asyncio.gather(*(upgrade(service, database) for database in several))
    for database in several:
        assert await at_head(service, database)


async def test_five_services_share_one_postgresql(databases: Databases, opened: Open) -> None:
    url = databases.url("postgresql")
    for service in SERVICES:
        await upgrade(service, opened(service, "postgresql", url))
    declared = [set(metadata_of(service).tables) for service in SERVICES]
    assert len(set().union(*declared)) == sum(map(len, declared))
    database = opened("ingest", "postgresql", url)
    assert await tables(database) == set().union(*declared, map(version_table, SERVICES))
    assert [await at_head(service, database) for service in SERVICES] == [True] * len(SERVICES)


def test_every_table_is_named_after_its_service() -> None:
    known_by_these_names = {"toxicity_scores", "analysis_runs"}
    for service in SERVICES:
        for name in metadata_of(service).tables:
            assert name.startswith(f"{service}_") or (service == "classifier" and name in known_by_these_names)


async def test_runs_models_and_corrections_of_before_find_their_place(dialect: str, opened: Open) -> None:
    database = opened("trainer", dialect)
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await to(database, "trainer_0001")
    metrics = {"macro": {"auc": 0.9, "f1": None}, "categories": {}}
    both = {
        "model": "ombud-scorer", "recipe": "hashed", "data_hash": "d" * 64, "examples": 9, "corrections": 1,
        "metrics": metrics, "reasons": ["because"], "trained_at": moment, "announced_at": moment,
    }  # fmt: skip
    rows = [
        {**both, "version": f"m-{n}", "sequence": n, "run_id": str(n), "artifact": str(n) * 64, "promoted": n != 2,
         "replaces": "m-1" if n == 3 else None, "promoted_at": moment if n != 2 else None}
        for n in (1, 2, 3)
    ]  # fmt: skip
    old = metadata_of("trainer").tables
    correction = {
        "correction_id": "c", "verdict": "incorrect", "feedback_type": "other", "expected": ["insult"], "actual": [],
        "spoke_about": [], "standing": "reviewer", "corrected_at": moment, "learned_by": "m-1",
    }  # fmt: skip
    run = {"run_id": "r", "trigger": "command", "recipe": "hashed", "state": "queued", "active": 1, "attempt": 0}
    async with database.begin() as connection:
        await connection.execute(old["trainer_models"].insert(), rows)
        await connection.execute(old["trainer_corrections"].insert(), [correction])
        await connection.execute(old["trainer_runs"].insert(), [{**run, "requested_at": moment}])
    await upgrade("trainer", database)
    store = TrainerStore(database)
    champion = await store.champion()
    assert champion is not None
    assert (champion.version, await store.lineage()) == ("m-3", ["m-3"])
    assert [row.stage for row in await store.latest_models(9)] == ["champion", "refused", "retired"]
    assert [row.version for row in await store.receipts("c")] == ["m-1", "m-3"]
    (active,) = (await store.outlook()).active
    assert active.run_id == "r"
    for version, said in (("m-1", 2), ("m-2", 1), ("m-3", 2)):
        (stage,) = await store.history(version)
        assert (stage.announced_at, len(events_of(stage))) == (moment, said)
    earlier = await store.earlier_champion()
    assert earlier is not None and earlier.version == "m-1"


async def to(database: Database, revision: str) -> None:
    """Bring the trainer's tables as far as a revision."""
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(config("trainer", database.metadata, sync), revision))
