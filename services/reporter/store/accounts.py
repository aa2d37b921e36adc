"""Questions about one account: its posts over time, what is said of them, what it says again and again, its removal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.store.reviews import THERE, WRITTEN, count_if
from services.reporter.tables import gone_accounts, posts, tombstones


class AccountQueries:
    """Accounts, by the pseudonym under which their posts came."""

    async def account(self, connection: AsyncConnection, author: str) -> Row[Any]:
        """Return how many posts an account has, flagged ones, verdicts, when its first and last were written."""
        question = select(
            func.count().label("posts"),
            count_if(posts.c.own_mask != 0).label("flagged"),
            count_if(posts.c.correction_verdict == "correct").label("correct"),
            count_if(posts.c.correction_verdict == "incorrect").label("incorrect"),
            count_if(posts.c.correction_verdict == "unsure").label("unsure"),
            func.min(WRITTEN).label("first_at"),
            func.max(WRITTEN).label("last_at"),
            func.min(posts.c.platform).label("platform"),
        )
        return (await connection.execute(question.where(posts.c.author == author, *THERE))).one()

    async def account_days(
        self, connection: AsyncConnection, author: str, since: datetime, until: datetime
    ) -> Sequence[Any]:
        """Return day (ISO), mask, verdict and how many posts of an account were written in [since, until)."""
        written: Any = WRITTEN
        if connection.dialect.name == "postgresql":
            day = func.to_char(func.timezone("UTC", written), "YYYY-MM-DD")
        else:
            day = func.strftime("%Y-%m-%d", written)
        columns = (day.label("day"), posts.c.own_mask.label("mask"), posts.c.correction_verdict.label("verdict"))
        where = (posts.c.author == author, since <= WRITTEN, until > WRITTEN, *THERE)
        question = select(*columns, func.count().label("posts")).where(*where).group_by(*columns)
        return (await connection.execute(question)).all()

    async def account_repeats(self, connection: AsyncConnection, author: str, limit: int) -> Sequence[Row[Any]]:
        """Return what an account says that is said more than once: `text_key`, `posts`, how many are its `own`."""
        keys = select(posts.c.text_key).where(posts.c.author == author, posts.c.text_key.is_not(None), *THERE)
        question = (
            select(posts.c.text_key, func.count().label("posts"), count_if(posts.c.author == author).label("own"))
            .where(posts.c.text_key.in_(keys), *THERE)
            .group_by(posts.c.text_key)
            .having(func.count() > 1)
            .order_by(func.count().desc(), posts.c.text_key)
            .limit(limit)
        )
        return (await connection.execute(question)).all()

    async def newest_with(self, connection: AsyncConnection, author: str, keys: Sequence[str]) -> dict[str, Row[Any]]:
        """Return the newest post of an account for each of these keys of words."""
        where = (posts.c.author == author, posts.c.text_key.in_(keys), *THERE)
        question = select(posts, WRITTEN.label("written_at")).where(*where).order_by(WRITTEN, posts.c.post_id)
        return {row.text_key: row for row in await connection.execute(question)}

    async def removed_account(self, connection: AsyncConnection, author: str) -> datetime | None:
        """Return when an account was removed, if it was."""
        found = await connection.scalar(
            select(func.max(tombstones.c.deleted_at)).where(_named(tombstones.c.subject, author))
        )
        return found if isinstance(found, datetime) else None

    async def counts_of_removed(self, connection: AsyncConnection, author: str) -> dict[str, int]:
        """Return how many posts went with a removed account, and how many of those were flagged or decided."""
        question = select(gone_accounts.c.what, func.sum(gone_accounts.c.posts))
        question = question.where(_named(gone_accounts.c.subject, author)).group_by(gone_accounts.c.what)
        return {row[0]: int(row[1]) for row in await connection.execute(question)}


def _named(subject: Any, author: str) -> Any:
    """Return that a subject of a tombstone is this author's, on whichever platform."""
    return subject.startswith("author|") & subject.endswith(f"|{author}", autoescape=True)
