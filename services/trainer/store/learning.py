"""What there is to learn from: posts, corrections, and what was erased."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, func, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.feedback import Alike, Position
from services.trainer.labels import Correction
from services.trainer.tables import corrections, post_topics, posts, tombstones
from shared.bus.erasures import is_author
from shared.clock import utcnow
from shared.db import Database, chunks, insert_new, upsert
from shared.vocabulary import FeedbackType, Verdict


class Learning:
    """Questions about what there is to learn from."""

    _database: Database

    async def erased_among(self, connection: AsyncConnection, subjects: Iterable[str]) -> dict[str, datetime]:
        """Return which of the post ids and author subjects are erased, and since when."""
        found: dict[str, datetime] = {}
        for piece in chunks(sorted(set(subjects))):
            question = select(tombstones.c.subject, tombstones.c.deleted_at).where(tombstones.c.subject.in_(piece))
            found |= {row.subject: row.deleted_at for row in await connection.execute(question)}
        return found

    async def erased_now(self, subjects: Iterable[str]) -> dict[str, datetime]:
        """Return the same as everybody sees it after the last commit."""
        async with self._database.read() as connection:
            return await self.erased_among(connection, subjects)

    async def save_posts(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep posts as scored; an older revision changes nothing."""
        await upsert(connection, posts, rows, newer="revision")

    async def save_corrections(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep corrections; one that is there already stays as it is."""
        await insert_new(connection, corrections, rows)

    async def bury(self, connection: AsyncConnection, deleted: Mapping[str, datetime]) -> None:
        """Remember that post ids or author subjects are erased; an author may ask for it more than once."""
        rows: list[dict[str, Any]] = [{"subject": name, "deleted_at": at} for name, at in sorted(deleted.items())]
        await insert_new(connection, tombstones, [row for row in rows if not is_author(row["subject"])])
        authors = [row for row in rows if is_author(row["subject"])]
        await upsert(connection, tombstones, authors, newer="deleted_at")

    async def posts_of(self, authors: Iterable[tuple[str, str]]) -> list[Row[Any]]:
        """Return post_id, platform and author of everything known of some (platform, pseudonym) pairs."""
        found: list[Row[Any]] = []
        question = select(posts.c.post_id, posts.c.platform, posts.c.author)
        async with self._database.read() as connection:
            for piece in chunks(sorted(set(authors)), 2):
                found += await connection.execute(question.where(tuple_(posts.c.platform, posts.c.author).in_(piece)))
        return found

    async def erase_posts(self, connection: AsyncConnection, deleted: Mapping[str, datetime]) -> None:
        """Remove text and author of posts, also from the corrections about them."""
        if not deleted:
            return
        gone = update(posts).where(posts.c.post_id == bindparam("gone"), posts.c.deleted_at.is_(None))
        erased = gone.values(text=None, author=None, deleted_at=bindparam("at"))
        await connection.execute(erased, [{"gone": name, "at": at} for name, at in sorted(deleted.items())])
        for piece in chunks(sorted(deleted)):
            await connection.execute(update(corrections).where(corrections.c.post_id.in_(piece)).values(text=None))
            await connection.execute(delete(post_topics).where(post_topics.c.post_id.in_(piece)))

    async def correction(self, correction_id: str) -> Row[Any] | None:
        """Return a correction, with `retracted`: whether another one takes it back."""
        question = select(corrections, taken_back().label("retracted"))
        async with self._database.read() as connection:
            return (await connection.execute(question.where(corrections.c.correction_id == correction_id))).first()

    async def page_of_corrections(
        self, *, since: datetime | None, after: Position | None, limit: int
    ) -> list[Correction]:
        """Return corrections that stand and whose text is not gone, oldest first, with what is known of their post."""
        at, name = corrections.c.corrected_at, corrections.c.correction_id
        question = known().where(*standing(), func.coalesce(corrections.c.text, posts.c.text).is_not(None))
        if since is not None:
            question = question.where(at >= since)
        if after is not None:
            question = question.where(or_(at > after.at, (at == after.at) & (name > after.correction_id)))
        async with self._database.read() as connection:
            rows = await connection.execute(question.order_by(at, name).limit(limit))
            return [correction_of(row) for row in rows]

    async def page_of_retractions(
        self, *, since: datetime | None, after: Position | None, limit: int
    ) -> list[tuple[str, Position]]:
        """Return the ids of corrections that were taken back, in the order in which that was said, and its place."""
        at, name = corrections.c.corrected_at, corrections.c.correction_id
        question = select(corrections.c.retracts, at, name).where(
            corrections.c.retracts.is_not(None), not_(taken_back())
        )
        if since is not None:
            question = question.where(at >= since)
        if after is not None:
            question = question.where(or_(at > after.at, (at == after.at) & (name > after.correction_id)))
        async with self._database.read() as connection:
            rows = await connection.execute(question.order_by(at, name).limit(limit))
            return [(row.retracts, Position(row.corrected_at, row.correction_id)) for row in rows]

    async def corrections_alike(self) -> list[Alike]:
        """Return all corrections that stand, those that say the same together."""
        told = (corrections.c.verdict, corrections.c.feedback_type)
        named = (corrections.c.expected, corrections.c.actual, corrections.c.spoke_about)
        at = corrections.c.corrected_at
        counts = func.count().label("times"), func.min(at).label("first"), func.max(at).label("last")
        question = select(*told, *named, *counts).where(*standing()).group_by(*told, *named)
        async with self._database.read() as connection:
            rows = (await connection.execute(question)).all()
        return [_alike(row) for row in rows]


def taken_back() -> ColumnElement[bool]:
    """Return what holds of a correction that another one takes back."""
    other = corrections.alias("other")
    return select(other.c.correction_id).where(other.c.retracts == corrections.c.correction_id).exists()


def standing() -> tuple[ColumnElement[bool], ...]:
    """Return what holds of a correction that says something and was not taken back."""
    return corrections.c.verdict != Verdict.UNSURE.value, corrections.c.retracts.is_(None), not_(taken_back())


def settled() -> ColumnElement[bool]:
    """Return what holds of a correction that its person had the time to take back."""
    return or_(corrections.c.hold_until.is_(None), corrections.c.hold_until <= utcnow())


def known() -> Select[Any]:
    """Return the question for corrections with what is known of their posts."""
    about = posts.c.text.label("post_text"), posts.c.language.label("post_language"), posts.c.revision, posts.c.platform
    joined = corrections.outerjoin(posts, posts.c.post_id == corrections.c.post_id)
    return select(corrections, *about).select_from(joined)


def material() -> Select[Any]:
    """Return the question for every correction that some run has seen."""
    return known().where(corrections.c.first_run_id.is_not(None))


def _alike(row: Row[Any]) -> Alike:
    one = Correction(
        correction_id="",
        verdict=Verdict(row.verdict),
        corrected_at=row.first,
        expected=tuple(row.expected),
        actual=tuple(row.actual),
        spoke_about=tuple(row.spoke_about),
        feedback_type=FeedbackType(row.feedback_type),
    )
    return Alike(one, row.times, row.first, row.last)


def correction_of(row: Row[Any]) -> Correction:
    """Return a row of `known` as training sees it."""
    return Correction(
        correction_id=row.correction_id,
        verdict=Verdict(row.verdict),
        corrected_at=row.corrected_at,
        post_id=row.post_id,
        text=row.text,
        language=row.language,
        expected=tuple(row.expected),
        actual=tuple(row.actual),
        spoke_about=tuple(row.spoke_about),
        retracts=row.retracts,
        post_text=row.post_text,
        post_language=row.post_language,
        post_revision=row.revision or 0,
        feedback_type=FeedbackType(row.feedback_type),
        weak=bool(row.weak),
        sampled=bool(row.sampled),
        reviewer=row.reviewer,
        platform=row.platform,
    )
