"""Questions about deleted posts: who is buried, and taking text out of every table.

Invariant: whoever writes post text passes the gate first (shared), whoever erases closes it; so on PostgreSQL, too,
no text slips in between an erasure's tombstone and its clean-up. SQLite has one writer at a time anyway.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, false, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.readmodel import alike_key, author_subject, is_author
from services.reporter.tables import deliveries, evidence, gone_accounts, notes, posts, reports, tombstones, tries
from shared.db import add_counts, chunks, insert_new, upsert

GATE = "gate"


class ErasureQueries:
    """Tombstones and what they bury."""

    async def make_gate(self, connection: AsyncConnection) -> None:
        """Insert the row everybody locks."""
        await insert_new(connection, tombstones, [{"subject": GATE, "deleted_at": None}])

    async def pass_gate(self, connection: AsyncConnection) -> None:
        """Keep erasers out until this transaction ends; other writers may pass as well."""
        question = select(tombstones.c.subject).where(tombstones.c.subject == GATE)
        await connection.execute(question.with_for_update(read=True))

    async def close_gate(self, connection: AsyncConnection) -> None:
        """Keep every writer of text out until this transaction ends."""
        question = select(tombstones.c.subject).where(tombstones.c.subject == GATE)
        await connection.execute(question.with_for_update())

    async def buried(self, connection: AsyncConnection, subjects: Sequence[str]) -> dict[str, datetime]:
        """Return which of the subjects were deleted, and when."""
        found: dict[str, datetime] = {}
        for some in chunks(subjects):
            question = select(tombstones.c.subject, tombstones.c.deleted_at).where(tombstones.c.subject.in_(some))
            found |= {row.subject: row.deleted_at for row in await connection.execute(question)}
        return found

    async def bury(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Remember deletions; of a post the first one counts, of an author the last."""
        authors = [row for row in rows if is_author(row["subject"])]
        await insert_new(connection, tombstones, [row for row in rows if not is_author(row["subject"])])
        await upsert(connection, tombstones, authors, newer="deleted_at")

    async def evidence_in(
        self,
        connection: AsyncConnection,
        post_ids: Collection[str],
        authors: Mapping[tuple[str, str], datetime],
        *,
        again: bool = False,
    ) -> dict[str, set[str]]:
        """Return the evidence these posts or authors' posts are in: report id -> post ids; `again` as `erase_posts`."""
        written = select(posts.c.post_id).where(_theirs(authors, again=again))
        question = select(evidence.c.report_id, evidence.c.post_id).where(
            or_(evidence.c.post_id.in_(list(post_ids)), evidence.c.post_id.in_(written))
        )
        found: dict[str, set[str]] = {}
        for row in await connection.execute(question):
            found.setdefault(row.report_id, set()).add(row.post_id)
        return found

    async def erase_evidence(self, connection: AsyncConnection, found: Mapping[str, Iterable[str]]) -> None:
        """Take the text out of these pieces of evidence."""
        where = (evidence.c.report_id == bindparam("r"), evidence.c.post_id == bindparam("p"))
        gone = {"text": None, "deleted": True}
        rows = [{"r": report, "p": post, **gone} for report, posts_ in found.items() for post in sorted(posts_)]
        if rows:
            await connection.execute(update(evidence).where(*where), rows)

    async def erase_answers(self, connection: AsyncConnection, report_ids: Iterable[str]) -> None:
        """Forget what outsiders answered to these reports; an answer may quote what was sent."""
        where = deliveries.c.report_id.in_(list(report_ids))
        await connection.execute(update(deliveries).where(where).values(answer=None))

    async def documents(self, connection: AsyncConnection, report_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the frozen documents among these reports, locked."""
        where = (reports.c.id.in_(list(report_ids)), reports.c.completed_at.is_not(None))
        rows = await connection.execute(select(reports.c.id, reports.c.document).where(*where).with_for_update())
        return {row.id: row.document for row in rows}

    async def replace_documents(
        self, connection: AsyncConnection, documents: Mapping[str, Mapping[str, Any]], now: datetime
    ) -> None:
        """Store documents that lost text to a deletion."""
        rows = [{"r": report, "document": document, "redacted_at": now} for report, document in documents.items()]
        if rows:
            await connection.execute(update(reports).where(reports.c.id == bindparam("r")), rows)

    async def erase_notes(
        self,
        connection: AsyncConnection,
        post_ids: Collection[str],
        authors: Mapping[tuple[str, str], datetime],
        *,
        again: bool = False,
    ) -> None:
        """Forget notes about these posts and about everything of these authors; `again` as `erase_posts`."""
        written = select(posts.c.post_id).where(_theirs(authors, again=again))
        about = or_(notes.c.post_id.in_(list(post_ids)), notes.c.post_id.in_(written))
        await connection.execute(delete(notes).where(about))

    async def erase_tries(
        self,
        connection: AsyncConnection,
        deleted: Collection[str],
        authors: Mapping[tuple[str, str], datetime],
        *,
        again: bool = False,
    ) -> None:
        """Forget saved tries that say the same as these posts or these authors' posts; `again` as `erase_posts`."""
        if await connection.scalar(select(tries.c.id).limit(1)) is None:
            return
        theirs = or_(posts.c.post_id.in_(list(deleted)), _theirs(authors, again=again))
        rows = await connection.execute(select(posts.c.text).where(theirs, posts.c.text.is_not(None)))
        for some in chunks(sorted({alike_key(row.text) for row in rows})):
            await connection.execute(delete(tries).where(tries.c.text_key.in_(some)))

    async def erase_posts(
        self,
        connection: AsyncConnection,
        deleted: Mapping[str, datetime],
        authors: Mapping[tuple[str, str], datetime],
        *,
        again: bool = False,
    ) -> None:
        """Take text and author out of these posts and of everything of these authors; ids and statuses stay.

        Where an erasure is told `again`, what its author wrote after it is spared: that is a new post.
        """
        gone = {"text": None, "url": None, "text_key": None, "marked": None, "author": None, "hidden": False}
        if deleted:
            rows = [{"post_id": post, "deleted_at": at} for post, at in sorted(deleted.items())]
            await insert_new(connection, posts, rows)
            changes = [{"p": post, "deleted_at": at, **gone} for post, at in sorted(deleted.items())]
            await connection.execute(update(posts).where(posts.c.post_id == bindparam("p")), changes)
        if authors:
            await self._count_gone(connection, authors, again=again)
            for who, at in sorted(authors.items()):
                where = _theirs({who: at}, again=again)
                await connection.execute(update(posts).where(where).values(deleted_at=at, **gone))

    async def _count_gone(
        self, connection: AsyncConnection, authors: Mapping[tuple[str, str], datetime], *, again: bool
    ) -> None:
        """Keep how many scored posts these authors have, before nobody can tell any more."""
        flagged = (posts.c.own_mask != 0).label("flagged")
        columns = (posts.c.platform, posts.c.author, flagged, posts.c.correction_verdict.label("verdict"))
        where = (_theirs(authors, again=again), posts.c.own_overall.is_not(None))
        question = select(*columns, func.count().label("posts")).where(*where).group_by(*columns)
        rows = []
        for row in (await connection.execute(question)).all():
            facts = ["posts", *(["flagged"] if row.flagged else []), *([row.verdict] if row.verdict else [])]
            subject = author_subject(row.platform, row.author)
            rows += [{"subject": subject, "what": what, "posts": row.posts} for what in facts]
        for each in rows:  # one by one: a statement may not meet the same key twice
            await add_counts(connection, gone_accounts, [each], "posts")


def _theirs(authors: Mapping[tuple[str, str], datetime], *, again: bool) -> ColumnElement[bool]:
    """Return what holds of posts of erased authors; `again`: unless they were written after the erasure."""
    mine = tuple_(posts.c.platform, posts.c.author).in_(list(authors))
    if not again or not authors:
        return mine
    later = [
        (posts.c.platform == platform) & (posts.c.author == who) & (posts.c.created_at > at)
        for (platform, who), at in authors.items()
    ]
    return mine & ~func.coalesce(or_(*later), false())
