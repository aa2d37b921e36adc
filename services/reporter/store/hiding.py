"""Questions about authors whose posts a platform hides for a while. Nothing is erased.

Invariant: a post of a hidden author is marked whichever came first: hiding closes the gate that scores pass.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import hidings, posts
from shared.db import chunks, upsert


class HidingQueries:
    """Who is hidden, and which posts that concerns."""

    async def hidden(self, connection: AsyncConnection, subjects: Sequence[str]) -> set[str]:
        """Return which of these authors are hidden."""
        found: set[str] = set()
        for some in chunks(subjects):
            where = (hidings.c.subject.in_(some), hidings.c.hidden)
            found |= set((await connection.execute(select(hidings.c.subject).where(*where))).scalars())
        return found

    async def hide(self, connection: AsyncConnection, said: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """Note which authors are hidden or shown, unless something newer is known, and mark their posts so."""
        if not said:
            return
        await upsert(connection, hidings, list(said.values()), newer="at")
        hidden = await self.hidden(connection, [row["subject"] for row in said.values()])
        where = (posts.c.platform == bindparam("f"), posts.c.author == bindparam("a"))
        changes = [
            {"f": platform, "a": author, "hidden": row["subject"] in hidden} for (platform, author), row in said.items()
        ]
        await connection.execute(update(posts).where(*where), changes)
