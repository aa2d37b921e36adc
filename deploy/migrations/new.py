"""Writes a new migration for one service from the difference between its tables and its history.

Usage: python deploy/migrations/new.py SERVICE "what changes". Read what it wrote: expand first, contract later.
"""

import asyncio
import sys
import tempfile
from importlib import import_module

from alembic import command
from sqlalchemy import Connection

from shared.db import Database
from shared.migrate import MIGRATIONS, config, upgrade


async def write(service: str, message: str) -> None:
    """Bring an empty SQLite file to the newest form, compare, and write what is missing."""
    metadata = import_module(f"services.{service}.tables").metadata
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/new.sqlite3", metadata)
        await upgrade(service, database)

        def compare(connection: Connection) -> None:
            number = len(list((MIGRATIONS / service).glob("*.py"))) + 1
            command.revision(
                config(service, metadata, connection), message, autogenerate=True, rev_id=f"{service}_{number:04d}"
            )

        async with database.begin() as connection:
            await connection.run_sync(compare)
        await database.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2]))
