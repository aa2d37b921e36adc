"""Every query about what audits look at: posts as scored, ratings, personal models and what they stand on.

Invariant: who changes a post or a rating takes the next number of the corpus first and holds it until the commit. So
writers and erasers come one after the other, and who has read up to a number has missed nothing before it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auditor.corpus.heard import EVERY
from services.auditor.tables import (
    counters,
    foundations,
    groups,
    hidings,
    model_versions,
    models,
    posts,
    ratings,
    tombstones,
    withdrawals,
)
from shared.bus.erasures import is_author
from shared.db import Database, chunks, insert_new, upsert

Connection = AsyncConnection
"""A transaction, for those who hold one without asking SQL themselves."""
CORPUS, HORIZON = "corpus", "horizon"
Rows = Sequence[Mapping[str, Any]]


class CorpusQueries:
    """Questions about the corpus of audits."""

    _database: Database

    # -- writing --------------------------------------------------------------------------------------------

    async def next_change(self, connection: Connection) -> int:
        """Return the number of this transaction's change; others who change the corpus wait for its end."""
        made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(counters)
        more = made.values(name=CORPUS, value=1).on_conflict_do_update(
            index_elements=["name"], set_={"value": counters.c.value + 1}
        )
        return int((await connection.execute(more.returning(counters.c.value))).scalar_one())

    async def out_of_sight(
        self, connection: Connection, subjects: Collection[str]
    ) -> tuple[dict[str, datetime], set[str]]:
        """Return which post ids and author subjects are erased, and since when; and which authors are hidden."""
        erased: dict[str, datetime] = {}
        hidden: set[str] = set()
        for piece in chunks(sorted(set(subjects))):
            question = select(tombstones.c.subject, tombstones.c.deleted_at).where(tombstones.c.subject.in_(piece))
            erased |= {row.subject: row.deleted_at for row in await connection.execute(question)}
            authors = [each for each in piece if is_author(each)]
            if authors:
                where = (hidings.c.subject.in_(authors), hidings.c.hidden)
                hidden |= set(await connection.scalars(select(hidings.c.subject).where(*where)))
        return erased, hidden

    async def put_posts(self, connection: Connection, rows: Rows) -> None:
        """Keep posts as scored; an older revision or score changes nothing."""
        await upsert(connection, posts, rows, newer="rank")

    async def bury(self, connection: Connection, deleted: Mapping[str, datetime]) -> None:
        """Remember that post ids or author subjects are erased; an author may ask for it more than once."""
        rows: list[dict[str, Any]] = [{"subject": name, "deleted_at": at} for name, at in sorted(deleted.items())]
        await insert_new(connection, tombstones, [row for row in rows if not is_author(row["subject"])])
        authors = [row for row in rows if is_author(row["subject"])]
        await upsert(connection, tombstones, authors, newer="deleted_at")

    async def posts_of(self, connection: Connection, authors: Collection[tuple[str, str]]) -> list[Row[Any]]:
        """Return post_id, platform and author of everything known of some (platform, pseudonym) pairs."""
        found: list[Row[Any]] = []
        question = select(posts.c.post_id, posts.c.platform, posts.c.author)
        for piece in chunks(sorted(set(authors)), 2):
            found += await connection.execute(question.where(tuple_(posts.c.platform, posts.c.author).in_(piece)))
        return found

    async def erase_posts(self, connection: Connection, post_ids: Collection[str], change: int) -> None:
        """Remove text and author of posts, and what people said of them."""
        for piece in chunks(sorted(post_ids)):
            gone = {"text": None, "author": None, "gone": True, "hidden": False, "sequence": change}
            await connection.execute(update(posts).where(posts.c.post_id.in_(piece)).values(**gone))
            await connection.execute(delete(ratings).where(ratings.c.post_id.in_(piece)))

    async def hide(
        self, connection: Connection, said: Mapping[tuple[str, str], Mapping[str, Any]], change: int
    ) -> None:
        """Note which authors are hidden or shown, unless something newer is known, and mark their posts so."""
        if not said:
            return
        await upsert(connection, hidings, list(said.values()), newer="at")
        _, hidden = await self.out_of_sight(connection, [row["subject"] for row in said.values()])
        where = (posts.c.platform == bindparam("f"), posts.c.author == bindparam("a"))
        marked = update(posts).where(*where, posts.c.hidden != bindparam("is_hidden"))
        changes = [
            {"f": platform, "a": who, "is_hidden": row["subject"] in hidden} for (platform, who), row in said.items()
        ]
        await connection.execute(marked.values(hidden=bindparam("is_hidden"), sequence=change), changes)

    async def hidings_behind(self, after: str, limit: int) -> Sequence[Row[Any]]:
        """Return what was said last of authors' being hidden, by subject from the one behind `after`."""
        question = select(hidings).where(hidings.c.subject > after).order_by(hidings.c.subject).limit(limit)
        async with self._database.read() as connection:
            return (await connection.execute(question)).all()

    async def put_ratings(self, connection: Connection, rows: Rows) -> None:
        """Keep ratings that were not heard before."""
        await insert_new(connection, ratings, rows)

    async def withdraw(self, connection: Connection, until: Mapping[tuple[str, str], datetime]) -> None:
        """Note until when people take back what they said, and forget it with every model that was made of it."""
        if not until:
            return
        rows = [{"rater": rater, "model": model, "withdrawn_at": at} for (rater, model), at in sorted(until.items())]
        await upsert(connection, withdrawals, rows, newer="withdrawn_at")
        for (rater, model), at in sorted(until.items()):
            every = model == EVERY
            said = ratings.c.rater == rater, ratings.c.said_at <= at, *(() if every else (ratings.c.model == model,))
            await connection.execute(delete(ratings).where(*said))
            for table in (models, model_versions):
                made = table.c.rater == rater, table.c.trained_at < at, *(() if every else (table.c.model == model,))
                await connection.execute(delete(table).where(*made))

    async def withdrawn(self, connection: Connection, raters: Collection[str]) -> dict[tuple[str, str], datetime]:
        """Return until when raters have taken their ratings back, by model; EVERY model is one of its own."""
        found: dict[tuple[str, str], datetime] = {}
        for piece in chunks(sorted(raters)):
            question = select(withdrawals).where(withdrawals.c.rater.in_(piece))
            found |= {(row.rater, row.model): row.withdrawn_at for row in await connection.execute(question)}
        return found

    async def put_models(self, connection: Connection, newest: Rows, versions: Rows) -> None:
        """Keep the newest version of people's models whole, and of every version what it was worth."""
        await upsert(connection, models, newest, newer="version")
        await insert_new(connection, model_versions, versions)

    async def put_groups(self, connection: Connection, rows: Rows) -> None:
        """Keep what was found of groups."""
        await upsert(connection, groups, rows, newer="trained_at")

    async def put_foundations(self, connection: Connection, rows: Rows) -> None:
        """Keep what personal models and topics stand on."""
        await insert_new(connection, foundations, rows)

    async def prune(self, horizon: int) -> None:
        """Let posts that no change has touched since `horizon` leave the corpus."""
        async with self._database.begin() as connection:
            await self.next_change(connection)
            await upsert(connection, counters, [{"name": HORIZON, "value": horizon}], newer="value")
            await connection.execute(delete(posts).where(posts.c.sequence <= horizon))

    # -- reading --------------------------------------------------------------------------------------------

    async def changed_posts(self, after: tuple[int, str], limit: int) -> tuple[list[Row[Any]], int]:
        """Return posts changed after a place (sequence, post id), in the order of changes, and the horizon."""
        at, name = posts.c.sequence, posts.c.post_id
        question = select(posts).where(or_(at > after[0], (at == after[0]) & (name > after[1])))
        horizon = select(counters.c.value).where(counters.c.name == HORIZON)
        async with self._database.read() as connection:
            rows = list(await connection.execute(question.order_by(at, name).limit(limit)))
            return rows, int(await connection.scalar(horizon) or 0)

    async def newest_foundations(self) -> dict[str, Row[Any]]:
        """Return the newest population and the newest topics, as far as there are any."""
        found: dict[str, Row[Any]] = {}
        order = foundations.c.trained_at, foundations.c.model_version
        async with self._database.read() as connection:
            for row in await connection.execute(select(foundations).order_by(*order)):
                found[row.foundation] = row
        return found

    async def page_of_texts(self, after: str, limit: int) -> list[Row[Any]]:
        """Return post_id and text of posts, in the database's order of ids, from one on."""
        question = select(posts.c.post_id, posts.c.text).where(posts.c.text.is_not(None), posts.c.post_id > after)
        async with self._database.read() as connection:
            return list(await connection.execute(question.order_by(posts.c.post_id).limit(limit)))

    async def texts_of(self, post_ids: Collection[str]) -> dict[str, str]:
        """Return the texts of posts that are neither erased nor hidden."""
        found: dict[str, str] = {}
        async with self._database.read() as connection:
            for piece in chunks(sorted(set(post_ids))):
                question = select(posts.c.post_id, posts.c.text).where(posts.c.post_id.in_(piece))
                rows = await connection.execute(question.where(posts.c.text.is_not(None), posts.c.hidden.is_(False)))
                found |= {row.post_id: row.text for row in rows}
        return found

    async def model_of(self, rater: str, model: str) -> Row[Any] | None:
        """Return the newest version of one person's model."""
        question = select(models).where(models.c.rater == rater, models.c.model == model)
        async with self._database.read() as connection:
            return (await connection.execute(question)).one_or_none()

    async def models_of(self, rater: str) -> list[Row[Any]]:
        """Return the newest version of each of one person's models."""
        question = select(models).where(models.c.rater == rater).order_by(models.c.model)
        async with self._database.read() as connection:
            return list(await connection.execute(question))

    async def versions_of(self, rater: str, model: str, limit: int) -> list[Row[Any]]:
        """Return what the newest versions of one person's model were worth, oldest of them first."""
        its = (model_versions.c.rater == rater, model_versions.c.model == model)
        question = select(model_versions).where(*its).order_by(model_versions.c.version.desc()).limit(limit)
        async with self._database.read() as connection:
            return list(await connection.execute(question))[::-1]

    async def ratings_of(self, rater: str, model: str) -> list[Row[Any]]:
        """Return all that one person said for one of their models, oldest first; the last word on a post counts."""
        order = ratings.c.rated_at, ratings.c.event_id
        question = select(ratings).where(ratings.c.rater == rater, ratings.c.model == model).order_by(*order)
        async with self._database.read() as connection:
            return list(await connection.execute(question))

    async def ratings_after(self, after: tuple[int, str], limit: int) -> list[Row[Any]]:
        """Return what everybody said of the model everybody has, after a place (sequence, event id), in its order."""
        at, name = ratings.c.sequence, ratings.c.event_id
        question = select(ratings).where(or_(at > after[0], (at == after[0]) & (name > after[1])))
        question = question.where(ratings.c.model == literal("")).order_by(at, name).limit(limit)
        async with self._database.read() as connection:
            return list(await connection.execute(question))

    async def group(self, group_id: str) -> Row[Any] | None:
        """Return what was found of a group."""
        async with self._database.read() as connection:
            return (await connection.execute(select(groups).where(groups.c.group_id == group_id))).one_or_none()

    async def figures_of_everybody(self) -> list[Row[Any]]:
        """Return of everybody's model, the one everybody has: rater, labels, status, errors and baselines, newest."""
        newest = (
            select(model_versions.c.rater, func.max(model_versions.c.version).label("version"))
            .where(model_versions.c.model == "")
            .group_by(model_versions.c.rater)
            .subquery()
        )
        same = (model_versions.c.rater == newest.c.rater) & (model_versions.c.version == newest.c.version)
        question = select(model_versions).join(newest, same).where(model_versions.c.model == "")
        async with self._database.read() as connection:
            return list(await connection.execute(question.order_by(model_versions.c.rater)))
