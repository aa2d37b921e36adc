"""Every question the trainer asks its tables, by subject: what there is to learn from, runs, models, drift."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.store.drift import Drift
from services.trainer.store.exports import Exported
from services.trainer.store.learning import Learning
from services.trainer.store.models import Models
from services.trainer.store.registry import Registry
from services.trainer.store.runs import Runs
from services.trainer.store.topics import Topics
from shared.db import Database


class Store(Learning, Runs, Models, Registry, Topics, Drift, Exported):
    """The trainer's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return one transaction."""
        return self._database.begin()
