"""Pages of what the trainer still knows of corrections and of the lives of models.

Invariant: pages follow a key, so that nothing that stands throughout is left out or comes twice, whatever is added.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from services.trainer.tables import corrections, stages
from shared.db import Database


class Exported:
    """Questions of exports."""

    _database: Database

    async def corrections_behind(self, after: str, limit: int, *, retractions: bool) -> Sequence[Row[Any]]:
        """Return corrections, or what takes them back, by id from the one behind `after`."""
        mine = corrections.c.retracts.is_not(None) if retractions else corrections.c.retracts.is_(None)
        name = corrections.c.correction_id
        question = select(corrections).where(mine, name > after).order_by(name).limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(question)).all()

    async def steps_behind(self, after: int, limit: int) -> Sequence[Row[Any]]:
        """Return steps in the lives of models, oldest first, from the one behind `after`."""
        question = select(stages).where(stages.c.sequence > after).order_by(stages.c.sequence).limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(question)).all()
