"""Brings a service's tables to the newest form with Alembic; one history per service in deploy/migrations."""

import asyncio
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from shared.db import Database
from shared.errors import Unavailable

MIGRATIONS = Path(__file__).parents[1] / "deploy" / "migrations"


def config(service: str, metadata: Any = None, connection: Connection | None = None) -> Config:
    """Return the Alembic configuration of one service."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("version_locations", str(MIGRATIONS / service))
    made.set_main_option("path_separator", "newline")
    made.attributes.update(service=service, metadata=metadata, connection=connection)
    return made


def version_table(service: str) -> str:
    """Return the table that remembers how far a service's migrations got."""
    return f"{service}_migrations"


async def upgrade(service: str, database: Database) -> None:
    """Run every migration that is still missing. Safe to call from several processes: one waits for the other."""
    for pause in (0.1, 0.3, 1.0, None):
        try:
            return await _upgrade(service, database)
        except Unavailable:  # of several that make one SQLite file at once, all but one may fail at once
            if pause is None or database.dialect != "sqlite":
                raise
            await asyncio.sleep(pause)


async def _upgrade(service: str, database: Database) -> None:
    async with database.begin() as connection:
        if database.dialect == "postgresql":
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('ombud-migrate-{service}'))")
        await connection.run_sync(lambda sync: command.upgrade(config(service, database.metadata, sync), "head"))


async def at_head(service: str, database: Database) -> bool:
    """Return whether no migration is missing."""
    current, head, _ = await standing(service, database)
    return current == head


async def standing(service: str, database: Database) -> tuple[str | None, str | None, bool]:
    """Return the migration the tables are at, the newest one, and whether this release knows the former."""
    scripts = ScriptDirectory.from_config(config(service))

    def current(connection: Connection) -> str | None:
        context = MigrationContext.configure(connection, opts={"version_table": version_table(service)})
        return context.get_current_revision()

    async with database.read() as connection:
        found = await connection.run_sync(current)
    known = found is None or found in {each.revision for each in scripts.walk_revisions()}
    return found, scripts.get_current_head(), known
