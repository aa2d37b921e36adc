"""Questions about saved views: filters of the review list that somebody gave a name."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.tables import views
from shared.db import insert_first


class ViewQueries:
    """Saved views."""

    async def views_for(self, connection: AsyncConnection, person_id: str, limit: int) -> Sequence[Row[Any]]:
        """Return a person's own views and those of the team, by name."""
        question = select(views).where(or_(views.c.person_id == person_id, views.c.team.is_(True)))
        return (await connection.execute(question.order_by(func.lower(views.c.name), views.c.slug).limit(limit))).all()

    async def view(self, connection: AsyncConnection, slug: str) -> Row[Any] | None:
        """Return one view, whoever's it is."""
        return (await connection.execute(select(views).where(views.c.slug == slug))).first()

    async def count_views(self, connection: AsyncConnection, person_id: str) -> int:
        """Return how many views somebody made."""
        question = select(func.count()).select_from(views).where(views.c.person_id == person_id)
        return int(await connection.scalar(question) or 0)

    async def add_view(self, connection: AsyncConnection, row: Mapping[str, Any]) -> bool:
        """Keep a view; return False if its slug is taken."""
        return await insert_first(connection, views, row)

    async def drop_view(self, connection: AsyncConnection, slug: str) -> None:
        """Forget a view."""
        await connection.execute(delete(views).where(views.c.slug == slug))
