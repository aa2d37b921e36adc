"""The tables a service declares are the tables its migrations make, on SQLite and on PostgreSQL."""

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

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
