"""Questions of the people who review: the posts of a queue, how many, posts alike, what somebody said last.

Invariant: a page begins after the place where the last one ended, so rows neither repeat nor vanish when posts arrive.
"""

import secrets as chance
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.mixing import WHOLE, Part
from services.reporter.queue import Facets, Filters, Place, ReviewStatus, falling
from services.reporter.readmodel import BITS
from services.reporter.tables import corrections, people, posts, reveals, secrets
from shared.db import add_counts, insert_new, upsert
from shared.vocabulary import CATEGORIES

CURSORS = "cursors"
WRITTEN = func.coalesce(posts.c.created_at, posts.c.seen_at, posts.c.scored_at)
"""When a post was written, as far as anybody said; else when it was judged first."""
ARRIVED = func.coalesce(posts.c.seen_at, posts.c.scored_at)
"""When a post was judged first, as far as that was heard; else when it got its newest score."""
THERE = (posts.c.deleted_at.is_(None), posts.c.hidden.is_(False), posts.c.own_overall.is_not(None))
"""What holds of posts that reviewers see: scored, and neither deleted nor hidden."""
VERDICT = func.coalesce(posts.c.correction_verdict, ReviewStatus.UNREVIEWED.value)


def count_if(holds: Any) -> Any:
    """Return how many rows something holds of; 0 of none."""
    return func.coalesce(func.sum(case((holds, 1), else_=0)), 0)


class ReviewQueries:
    """Review queues."""

    async def make_secrets(self, connection: AsyncConnection) -> None:
        """Make what cursors are signed with, unless it is there."""
        await insert_new(connection, secrets, [{"name": CURSORS, "value": chance.token_hex(32)}])

    async def cursor_secret(self, connection: AsyncConnection) -> str:
        """Return what cursors are signed with."""
        return str(await connection.scalar(select(secrets.c.value).where(secrets.c.name == CURSORS)))

    async def page_of_queue(
        self, connection: AsyncConnection, filters: Filters, after: Place | None, limit: int, part: Part = WHOLE
    ) -> Sequence[Row[Any]]:
        """Return posts of a part of a queue in its order, each with `sorted_by`."""
        by, down = _order(filters.sort), falling(filters.sort)
        question = select(posts, by.label("sorted_by"), WRITTEN.label("written_at"))
        question = question.where(*_which(filters), *_of(part))
        if after is not None:
            further = by < after.value if down else by > after.value
            question = question.where(or_(further, and_(by == after.value, posts.c.post_id > after.post_id)))
        question = question.order_by(by.desc() if down else by, posts.c.post_id).limit(limit)
        return (await connection.execute(question)).all()

    async def queue_after(self, connection: AsyncConnection, filters: Filters, post_id: str) -> Place | None:
        """Return the place of one post in the order of a queue, whether it is still in it or not."""
        value = await connection.scalar(select(_order(filters.sort)).where(posts.c.post_id == post_id))
        return None if value is None else Place(value, post_id)

    async def count_queue(self, connection: AsyncConnection, filters: Filters) -> int:
        """Return how many posts a queue has."""
        return int(await connection.scalar(select(func.count()).select_from(posts).where(*_which(filters))) or 0)

    async def newer_in_queue(self, connection: AsyncConnection, filters: Filters, since: datetime) -> int:
        """Return how many posts of a queue came after a moment."""
        where = (*_which(filters), since < ARRIVED)
        return int(await connection.scalar(select(func.count()).select_from(posts).where(*where)) or 0)

    async def newest_in_queue(self, connection: AsyncConnection, filters: Filters) -> datetime | None:
        """Return when the post of a queue came that came last."""
        found = await connection.scalar(select(func.max(ARRIVED)).where(*_which(filters)))
        return found if isinstance(found, datetime) else None

    async def facets(self, connection: AsyncConnection, filters: Filters) -> Facets:
        """Return how many posts each value of a filter would leave, with the other filters on."""
        sums = [func.sum(case((posts.c.own_mask.op("&")(bit) != 0, 1), else_=0)).label(name) for name, bit in BITS]
        counted = (await connection.execute(select(*sums).where(*_which(filters, but="category")))).one()
        return Facets(
            {name: int(counted[n] or 0) for n, name in enumerate(CATEGORIES)},
            await _grouped(connection, VERDICT, _which(filters, but="review_status")),
            await _grouped(connection, posts.c.language, _which(filters, but="lang")),
            await _grouped(connection, posts.c.source, _which(filters, but="source")),
        )

    async def alike(self, connection: AsyncConnection, keys: Iterable[str | None]) -> dict[str, int]:
        """Return how many posts there are with the same words, by `text_key`."""
        wanted = sorted({each for each in keys if each is not None})
        question = select(posts.c.text_key, func.count()).where(posts.c.text_key.in_(wanted), *THERE)
        return {row[0]: row[1] for row in await connection.execute(question.group_by(posts.c.text_key))}

    async def posts_alike(self, connection: AsyncConnection, key: str, but: str, limit: int) -> Sequence[Row[Any]]:
        """Return other posts with the same words, the newest first."""
        question = select(posts, WRITTEN.label("written_at")).where(
            posts.c.text_key == key, posts.c.post_id != but, *THERE
        )
        return (await connection.execute(question.order_by(WRITTEN.desc(), posts.c.post_id).limit(limit))).all()

    async def waiting_alike(self, connection: AsyncConnection, key: str, but: str, limit: int) -> Sequence[Row[Any]]:
        """Return other posts with the same words on which no verdict stands, the newest first."""
        question = select(posts, WRITTEN.label("written_at")).where(*_waits_alike(key, but))
        return (await connection.execute(question.order_by(WRITTEN.desc(), posts.c.post_id).limit(limit))).all()

    async def count_waiting_alike(self, connection: AsyncConnection, key: str, but: str) -> int:
        """Return how many other posts with the same words have no verdict that stands."""
        question = select(func.count()).select_from(posts).where(*_waits_alike(key, but))
        return int(await connection.scalar(question) or 0)

    async def reviewed_posts(self, connection: AsyncConnection, post_ids: Sequence[str]) -> dict[str, Row[Any]]:
        """Return those of the posts that reviewers see, by id."""
        question = select(posts, WRITTEN.label("written_at")).where(posts.c.post_id.in_(post_ids), *THERE)
        return {row.post_id: row for row in await connection.execute(question)}

    async def reviewed_post(self, connection: AsyncConnection, post_id: str) -> Any:
        """Return a post as reviewers see it."""
        question = select(posts, WRITTEN.label("written_at")).where(posts.c.post_id == post_id)
        return (await connection.execute(question)).first()

    async def words_on(self, connection: AsyncConnection, post_id: str) -> Sequence[Row[Any]]:
        """Return what people said of a post, also what was taken back, oldest first."""
        question = select(corrections).where(corrections.c.post_id == post_id)
        return (
            await connection.execute(question.order_by(corrections.c.corrected_at, corrections.c.correction_id))
        ).all()

    async def word(self, connection: AsyncConnection, correction_id: str) -> Row[Any] | None:
        """Return one thing that somebody said."""
        question = select(corrections).where(corrections.c.correction_id == correction_id)
        return (await connection.execute(question)).first()

    async def note_blind(self, connection: AsyncConnection, correction_id: str) -> None:
        """Remember that a verdict was given before scores and reasons were shown, also if it was not heard yet."""
        await upsert(connection, corrections, [{"correction_id": correction_id, "blind": True}])

    async def words(self, connection: AsyncConnection, correction_ids: Iterable[str]) -> dict[str, Row[Any]]:
        """Return things that people said, by id."""
        question = select(corrections).where(corrections.c.correction_id.in_(sorted(set(correction_ids))))
        return {row.correction_id: row for row in await connection.execute(question)}

    async def last_words(self, connection: AsyncConnection, reviewer: str, limit: int) -> Sequence[Row[Any]]:
        """Return what somebody said last and did not take back, newest first."""
        where = (corrections.c.reviewer == reviewer, corrections.c.retracted.is_(False))
        newest = corrections.c.corrected_at.desc(), corrections.c.correction_id
        return (await connection.execute(select(corrections).where(*where).order_by(*newest).limit(limit))).all()

    async def posts_of_author(self, connection: AsyncConnection, platform: str, author: str) -> tuple[int, int]:
        """Return how many posts of an author were scored, and how many of those the scorer flagged."""
        sums = select(func.count(), func.sum(case((posts.c.own_mask != 0, 1), else_=0)))
        total, flagged = (
            await connection.execute(sums.where(posts.c.platform == platform, posts.c.author == author, *THERE))
        ).one()
        return int(total), int(flagged or 0)

    async def names_of(self, connection: AsyncConnection, person_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of people by id."""
        wanted = sorted(set(person_ids))
        rows = await connection.execute(select(people.c.id, people.c.name).where(people.c.id.in_(wanted)))
        return {row.id: row.name for row in rows}

    async def count_reveal(self, connection: AsyncConnection, person_id: str, day: str) -> None:
        """Count that somebody asked to see a veiled text."""
        await add_counts(connection, reveals, [{"person_id": person_id, "day": day, "posts": 1}], "posts")

    async def revealed(self, connection: AsyncConnection, person_id: str, day: str) -> int:
        """Return how many veiled texts somebody asked to see on a day."""
        where = (reveals.c.person_id == person_id, reveals.c.day == day)
        return int(await connection.scalar(select(reveals.c.posts).where(*where)) or 0)


def _waits_alike(key: str, but: str) -> list[ColumnElement[bool]]:
    """Return what holds of the posts with these words that wait, but for one."""
    alike = (posts.c.text_key == key, posts.c.post_id != but)
    return [*alike, posts.c.flagged.is_(True), posts.c.correction_verdict.is_(None), *THERE]


def _order(sort: str) -> Any:
    """Return what a queue is sorted by."""
    if sort in ("newest", "oldest"):
        return WRITTEN
    if sort == "uncertainty":
        return func.abs(posts.c.own_overall - posts.c.threshold)
    if sort == "overall":
        return posts.c.own_overall
    return func.coalesce(posts.c.own_scores[sort].as_float(), 0.0)


def _of(part: Part) -> list[ColumnElement[bool]]:
    """Return what holds of the posts of a part of a queue."""
    where: list[Any] = []
    if part.skips:
        bits = sum(bit for name, bit in BITS if name in part.skips)
        where.append(func.coalesce(posts.c.own_mask, 0).op("&")(bits) == 0)
    if part.under is not None:
        where.append(posts.c.own_overall < part.under)
    if part.least is not None:
        where.append(posts.c.own_overall >= part.least)
    return where


def _which(filters: Filters, but: str = "") -> list[ColumnElement[bool]]:
    """Return what holds of the posts of a queue; `but` names a filter that is left out."""
    where: list[Any] = [*THERE, or_(posts.c.flagged, posts.c.correction_verdict.is_not(None))]
    if filters.category and but != "category":
        where.append(posts.c.own_mask.op("&")(sum(bit for name, bit in BITS if name in filters.category)) != 0)
    if filters.account:
        where.append(posts.c.author == filters.account)
    if filters.since:
        where.append(datetime.combine(filters.since, time(), UTC) <= WRITTEN)
    if filters.until:
        where.append(datetime.combine(filters.until, time(), UTC) + timedelta(days=1) > WRITTEN)
    if filters.review_status is not None and but != "review_status":
        where.append(filters.review_status.value == VERDICT)
    if filters.lang and but != "lang":
        where.append(posts.c.language == filters.lang)
    if filters.source and but != "source":
        where.append(posts.c.source == filters.source.value)
    if filters.min is not None:
        where.append(posts.c.own_overall >= filters.min)
    if filters.q:
        where.append(posts.c.text.icontains(filters.q, autoescape=True))
    return where


async def _grouped(connection: AsyncConnection, column: Any, where: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    question = select(column, func.count()).where(*where).group_by(column)
    return {row[0]: row[1] for row in await connection.execute(question) if row[0] is not None}
