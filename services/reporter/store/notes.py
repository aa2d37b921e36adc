"""Questions about notes: what people who review tell each other about a post.

Invariant: a note is written behind the gate of erasures, so none is left of a post that is gone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import notes


class NoteQueries:
    """Notes on posts."""

    async def notes_on(self, connection: AsyncConnection, post_id: str) -> Sequence[Row[Any]]:
        """Return the notes on a post, the oldest first."""
        question = select(notes).where(notes.c.post_id == post_id).order_by(notes.c.at, notes.c.id)
        return (await connection.execute(question)).all()

    async def count_notes(self, connection: AsyncConnection, post_id: str) -> int:
        """Return how many notes a post has."""
        question = select(func.count()).select_from(notes).where(notes.c.post_id == post_id)
        return int(await connection.scalar(question) or 0)

    async def note(self, connection: AsyncConnection, note_id: str) -> Row[Any] | None:
        """Return one note."""
        return (await connection.execute(select(notes).where(notes.c.id == note_id))).first()

    async def add_note(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Keep a note."""
        await connection.execute(insert(notes).values(**row))

    async def change_note(self, connection: AsyncConnection, note_id: str, text: str, now: datetime) -> None:
        """Let a note say something else."""
        await connection.execute(update(notes).where(notes.c.id == note_id).values(text=text, edited_at=now))

    async def drop_note(self, connection: AsyncConnection, note_id: str) -> None:
        """Forget a note."""
        await connection.execute(delete(notes).where(notes.c.id == note_id))
