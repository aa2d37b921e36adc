"""Questions about the thresholds that people chose.

Invariant: a version follows the one that its person saw, or is refused.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.classifier.tables import chosen_thresholds
from shared.db import Database, Stored, insert_new


class ThresholdStore:
    """Versions of what people chose."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> Stored | None:
        """Return the version in force; None before the first."""
        async with self._database.read() as at:
            return await _newest(at)

    async def add(
        self,
        seen: int,
        thresholds: Mapping[str, float],
        *,
        by: str,
        reason: str | None,
        command: str | None,
        now: datetime,
    ) -> bool:
        """Keep what replaces version `seen`; return False if another one is in force by now.

        The same command again changes nothing and is True.
        """
        row = {"version": seen + 1, "thresholds": dict(thresholds), "reason": reason, "command": command}
        async with self._database.begin() as at:
            if command is not None:
                known = select(chosen_thresholds.c.version).where(chosen_thresholds.c.command == command)
                if await at.scalar(known) is not None:
                    return True
            newest = await _newest(at)
            if (newest.version if newest else 0) != seen:
                return False
            await insert_new(at, chosen_thresholds, [row | {"by": by, "at": now}])
            there = await _newest(at)  # of two at the same moment one is there, and says whose it is
        return there is not None and (there.version, there.by, there.at) == (seen + 1, by, now)


async def _newest(at: AsyncConnection) -> Stored | None:
    question = select(chosen_thresholds).order_by(chosen_thresholds.c.version.desc()).limit(1)
    return (await at.execute(question)).first()
