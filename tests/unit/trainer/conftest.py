"""Tables of the trainer in a file of their own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Table, select

from services.trainer.handlers import Handlers
from services.trainer.personalising import Personalising
from services.trainer.store import Store
from services.trainer.store.ratings import RatingStore
from services.trainer.tables import metadata
from shared.artifacts import ArtifactStore
from shared.db import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with the trainer's tables."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/trainer.sqlite3", metadata)
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield made
    await made.close()


@pytest.fixture
def store(database: Database) -> Store:
    """The store on that database."""
    return Store(database)


@pytest.fixture
def personal(store: Store, database: Database, tmp_path: Path) -> Personalising:
    """What makes personal models on that store."""
    return Personalising(RatingStore(database), store, ArtifactStore(tmp_path / "artifacts"), 100)


@pytest.fixture
def handlers(store: Store, personal: Personalising) -> Handlers:
    """The handlers on that store."""
    return Handlers(store, personal)


@pytest.fixture
def rows(database: Database) -> Callable[[Table], Any]:
    """Return every row of a table, in the order of its key."""

    async def read(table: Table) -> list[Row[Any]]:
        async with database.read() as connection:
            return list(await connection.execute(select(table).order_by(*table.primary_key)))

    return read
