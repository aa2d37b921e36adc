"""Every question about ratings, the personal models they make, and the population those stand on.

Invariant: who makes a person's next version holds that person's row until the commit, and rows are taken in one order;
so many processes work beside each other, and no version is made twice.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, and_, bindparam, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.trainer.ratings import EVERY, Heard, Person
from services.trainer.tables import (
    personal_models,
    personal_versions,
    populations,
    post_topics,
    posts,
    rating_log,
    ratings,
    withdrawals,
)
from shared.db import Database, append, chunks, insert_new, upsert
from shared.events import ModelTrained

Connection = AsyncConnection
"""A transaction, for those who hold one without asking SQL themselves."""
AT_ONCE = 10_000
"""Rows of one read when all of a table is wanted: other work waits no longer than that takes."""


class Head(NamedTuple):
    """A person's newest version, and the population artefact behind it; empty: none."""

    version: int
    population: str


class Version(NamedTuple):
    """A version to keep: its number, the artefact behind it, what is said of it and when it was, if it was."""

    person: Person
    number: int
    population: str
    said: ModelTrained
    announced_at: datetime | None


class RatingStore:
    """The trainer's tables of ratings and personal models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return one transaction."""
        return self._database.begin()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a connection for reading only."""
        return self._database.read()

    # -- making versions ------------------------------------------------------------------------------------

    async def hold(self, connection: AsyncConnection, people: Iterable[Person]) -> dict[Person, Head]:
        """Hold people's rows until the transaction ends, always in the same order; who is new gets one."""
        wanted = sorted(set(people))
        found = await self._held(connection, wanted)
        if new := [each for each in wanted if each not in found]:
            rows = [{**each._asdict(), "version": 0, "population": ""} for each in new]
            await insert_new(connection, personal_models, rows)
            found |= await self._held(connection, new)
        return {each: found[each] for each in wanted}

    async def _held(self, connection: AsyncConnection, people: Sequence[Person]) -> dict[Person, Head]:
        found: dict[Person, Head] = {}
        for piece in chunks(sorted({each.rater for each in people})):
            question = select(personal_models).where(personal_models.c.rater.in_(piece))
            ordered = question.order_by(personal_models.c.rater, personal_models.c.model).with_for_update()
            found |= {_person(row): Head(row.version, row.population) for row in await connection.execute(ordered)}
        return found

    async def hold_outdated(self, connection: AsyncConnection, population: str, limit: int) -> dict[Person, Head]:
        """Hold the rows of some people whose newest version stands on another artefact and whom nobody else holds."""
        model = personal_models.c
        stale = select(personal_models).where(or_(model.population < population, model.population > population))
        ordered = stale.order_by(model.rater, model.model).limit(limit).with_for_update(skip_locked=True)
        return {_person(row): Head(row.version, row.population) for row in await connection.execute(ordered)}

    async def log_of(self, connection: AsyncConnection, people: Collection[Person]) -> dict[Person, list[Heard]]:
        """Return everything that was heard of people."""
        found: dict[Person, list[Heard]] = {person: [] for person in people}
        same_post = post_topics.c.post_id == rating_log.c.post_id
        for piece in chunks(sorted({each.rater for each in people})):
            question = select(rating_log, post_topics.c.topic).outerjoin(post_topics, same_post)
            for row in await connection.execute(question.where(rating_log.c.rater.in_(piece))):
                each = _heard(row, -1 if row.topic is None else row.topic)
                if each.person in found:
                    found[each.person].append(each)
        return found

    async def systems_of(self, connection: AsyncConnection, names: Iterable[str]) -> dict[str, float]:
        """Return what the system says of posts, 0-1, where it has said something."""
        found: dict[str, float] = {}
        for piece in chunks(sorted(set(names))):
            question = select(posts.c.post_id, posts.c.overall).where(posts.c.post_id.in_(piece))
            found |= {row.post_id: row.overall for row in await connection.execute(question)}
        return found

    async def texts_of(self, connection: AsyncConnection, names: Iterable[str]) -> dict[str, str]:
        """Return the texts of posts that are known and not erased."""
        found: dict[str, str] = {}
        for piece in chunks(sorted(set(names))):
            question = select(posts.c.post_id, posts.c.text).where(posts.c.post_id.in_(piece))
            rows = await connection.execute(question.where(posts.c.text.is_not(None)))
            found |= {row.post_id: row.text for row in rows}
        return found

    async def topics_of(self, connection: AsyncConnection, names: Iterable[str]) -> dict[str, int]:
        """Return the topics of those posts that have one."""
        found: dict[str, int] = {}
        for piece in chunks(sorted(set(names))):
            question = select(post_topics).where(post_topics.c.post_id.in_(piece), post_topics.c.topic >= 0)
            found |= {row.post_id: row.topic for row in await connection.execute(question)}
        return found

    async def all_topics(self) -> dict[str, int]:
        """Return the topics of all posts that have one."""
        question = select(post_topics).where(post_topics.c.topic >= 0)
        return {row.post_id: row.topic async for row in self._pages(question, post_topics.c.post_id)}

    async def log(self, connection: AsyncConnection, heard: Iterable[Heard]) -> None:
        """Keep what was heard; an event that is there already stays as it is."""
        rows = [
            {
                **each.person._asdict(),
                "event_id": each.event_id,
                "post_id": each.post_id,
                "rating": each.rating,
                "rated_at": each.rated_at,
                "heard_at": each.heard_at,
                "system": each.system,
                "gone": each.gone,
                "version": each.version,
                "said_at": each.said_at,
            }
            for each in heard
        ]
        await insert_new(connection, rating_log, rows)

    async def note_systems(self, connection: AsyncConnection, found: Mapping[str, float]) -> None:
        """Keep by event id what the system said of a post that had no score when it was rated."""
        if found:
            noted = update(rating_log).where(rating_log.c.event_id == bindparam("event"))
            rows = [{"event": event, "value": value} for event, value in sorted(found.items())]
            await connection.execute(noted.values(system=bindparam("value")), rows)

    async def keep(self, connection: AsyncConnection, versions: Sequence[Version], kept: int) -> None:
        """Keep new versions, one per person at most; of each person only the last `kept` stay."""
        if not versions:
            return
        rows = [
            {
                **each.person._asdict(),
                "version": each.number,
                "said": each.said.model_dump_json(exclude_none=True),
                "announced_at": each.announced_at,
            }
            for each in versions
        ]
        await append(connection, personal_versions, rows)
        theirs = personal_models.c.rater == bindparam("who"), personal_models.c.model == bindparam("which")
        newest = update(personal_models).where(*theirs).values(version=bindparam("v"), population=bindparam("p"))
        heads = [{"who": e.person.rater, "which": e.person.model, "v": e.number, "p": e.population} for e in versions]
        await connection.execute(newest, heads)
        old, key = (
            personal_versions,
            (personal_versions.c.rater, personal_versions.c.model, personal_versions.c.version),
        )
        outlived = [(*each.person, each.number - kept) for each in versions if each.number > kept]
        for piece in chunks(outlived, 3):
            await connection.execute(old.delete().where(tuple_(*key).in_(piece), old.c.announced_at.is_not(None)))

    async def said_of(
        self, connection: AsyncConnection, versions: Iterable[tuple[Person, int]]
    ) -> dict[tuple[Person, int], ModelTrained]:
        """Return what was said of versions that are still kept."""
        found: dict[tuple[Person, int], ModelTrained] = {}
        table = personal_versions
        for piece in chunks(sorted({(*person, number) for person, number in versions}), 3):
            question = select(table).where(tuple_(table.c.rater, table.c.model, table.c.version).in_(piece))
            for row in await connection.execute(question):
                found[_person(row), row.version] = said_in(row)
        return found

    # -- deleted posts --------------------------------------------------------------------------------------

    async def raters_of(self, names: Iterable[str]) -> set[Person]:
        """Return who rated posts that are gone now, as far as their ratings still count."""
        found: set[Person] = set()
        question = select(rating_log.c.rater, rating_log.c.model).distinct().where(rating_log.c.gone.is_(False))
        async with self._database.read() as connection:
            for piece in chunks(sorted(set(names))):
                rows = await connection.execute(question.where(rating_log.c.post_id.in_(piece)))
                found |= {_person(row) for row in rows}
        return found

    async def forget(self, connection: AsyncConnection, people: Collection[Person], names: Iterable[str]) -> None:
        """Take posts out of the ratings of people whose rows are held."""
        raters = sorted({each.rater for each in people})
        for some in chunks(sorted(set(names)), 2):
            for piece in chunks(raters, 2):
                theirs = rating_log.c.post_id.in_(some), rating_log.c.rater.in_(piece)
                await connection.execute(update(rating_log).where(*theirs).values(gone=True, rating=None))

    # -- ratings that are taken back --------------------------------------------------------------------------

    async def withdraw(self, until: Mapping[Person, datetime]) -> None:
        """Keep until when people take their ratings back, before anything is removed: late copies find it."""
        rows = [{**person._asdict(), "withdrawn_at": at} for person, at in sorted(until.items())]
        async with self._database.begin() as connection:
            await upsert(connection, withdrawals, rows, newer="withdrawn_at")

    async def withdrawn(self, connection: AsyncConnection, raters: Iterable[str]) -> dict[Person, datetime]:
        """Return until when raters have taken their ratings back, by model; EVERY model is one of its own."""
        found: dict[Person, datetime] = {}
        for piece in chunks(sorted(set(raters))):
            question = select(withdrawals).where(withdrawals.c.rater.in_(piece))
            found |= {_person(row): row.withdrawn_at for row in await connection.execute(question)}
        return found

    async def withdrawn_since(self, moment: datetime) -> bool:
        """Return whether somebody has taken ratings back since a moment."""
        question = select(withdrawals.c.rater).where(withdrawals.c.withdrawn_at > moment).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(question)).first() is not None

    async def models_meant(self, named: Iterable[Person]) -> list[Person]:
        """Return the models of which something was heard, among those named; EVERY stands for all of a rater."""
        wanted, found = set(named), set()
        async with self._database.read() as connection:
            for piece in chunks(sorted({each.rater for each in wanted})):
                question = select(rating_log.c.rater, rating_log.c.model).distinct()
                found |= {
                    _person(row) for row in await connection.execute(question.where(rating_log.c.rater.in_(piece)))
                }
        return sorted(each for each in found if wanted & {each, Person(each.rater, EVERY)})

    async def remove(self, connection: AsyncConnection, taken: Mapping[Person, Collection[str]]) -> None:
        """Remove ratings, by event id, of people whose rows are held, and every version that was made of them."""
        for person, names in sorted(taken.items()):
            whose = rating_log.c.rater == person.rater, rating_log.c.model == person.model
            for piece in chunks(sorted(names)):
                await connection.execute(rating_log.delete().where(*whose, rating_log.c.event_id.in_(piece)))
            made = personal_versions.c.rater == person.rater, personal_versions.c.model == person.model
            await connection.execute(personal_versions.delete().where(*made))
            if not person.model:
                await connection.execute(ratings.delete().where(ratings.c.rater == person.rater))

    # -- the population -------------------------------------------------------------------------------------

    async def newest_population(self) -> Row[Any] | None:
        """Return the population that counts now."""
        question = select(populations).order_by(populations.c.sequence.desc()).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(question)).first()

    async def newest_artifact(self, connection: AsyncConnection) -> str:
        """Return the name of the artefact that counts now, empty before there is one."""
        question = select(populations.c.artifact).order_by(populations.c.sequence.desc()).limit(1)
        return await connection.scalar(question) or ""

    async def add_population(self, connection: AsyncConnection, made: Mapping[str, Any]) -> int:
        """Keep a population and return its number; a run makes one at most."""
        known = await connection.scalar(select(populations.c.sequence).where(populations.c.run_id == made["run_id"]))
        if known is not None:
            return int(known)
        number = (await connection.scalar(select(func.max(populations.c.sequence))) or 0) + 1
        await append(connection, populations, [{**made, "sequence": number, "announced_at": None}])
        return number

    async def heard_since(self, moment: datetime | None) -> int:
        """Return how many ratings were heard after a moment, or ever."""
        question = select(func.count()).select_from(rating_log)
        if moment is not None:
            question = question.where(rating_log.c.heard_at > moment)
        async with self._database.read() as connection:
            return await connection.scalar(question) or 0

    async def everybody(self, until: datetime) -> AsyncIterator[Heard]:
        """Yield what was heard until a moment, of the models everybody has."""
        question = select(rating_log).where(rating_log.c.model == "", rating_log.c.heard_at <= until)
        async for row in self._pages(question, rating_log.c.event_id):
            yield _heard(row)

    async def every_text(self) -> AsyncIterator[tuple[str, str, float]]:
        """Yield id, text and score of every post that has a text."""
        question = select(posts.c.post_id, posts.c.text, posts.c.overall).where(posts.c.text.is_not(None))
        async for row in self._pages(question, posts.c.post_id):
            yield row.post_id, row.text, row.overall

    async def _pages(self, question: Select[Any], key: Any) -> AsyncIterator[Row[Any]]:
        after = None
        while True:
            page = question if after is None else question.where(key > after)
            async with self._database.read() as connection:
                rows = (await connection.execute(page.order_by(key).limit(AT_ONCE))).all()
            for row in rows:
                yield row
            if len(rows) < AT_ONCE:
                return
            after = rows[-1]._mapping[key.name]

    # -- for people to read ---------------------------------------------------------------------------------

    async def models_of(self, rater: str) -> list[Person]:
        """Return the models of a rater that have a version."""
        model = personal_models.c
        question = select(personal_models).where(model.rater == rater, model.version > 0).order_by(model.model)
        async with self._database.read() as connection:
            return [_person(row) for row in await connection.execute(question)]

    async def versions(self, person: Person, before: int | None, limit: int) -> list[ModelTrained]:
        """Return a person's versions, newest first."""
        of = personal_versions.c
        question = select(of.said).where(and_(of.rater == person.rater, of.model == person.model))
        if before is not None:
            question = question.where(of.version < before)
        async with self._database.read() as connection:
            rows = await connection.execute(question.order_by(of.version.desc()).limit(limit))
            return [said_in(row) for row in rows]

    async def newest_version(self, person: Person) -> ModelTrained | None:
        """Return a person's newest version, None before there is one."""
        return next(iter(await self.versions(person, None, 1)), None)

    async def everything_of(self, person: Person) -> list[Heard]:
        """Return all that was heard of a person."""
        async with self._database.read() as connection:
            return (await self.log_of(connection, [person]))[person]

    async def look_up(self, names: Collection[str]) -> tuple[dict[str, float], dict[str, str], dict[str, int]]:
        """Return what the system says of posts, 0-1, their texts and their topics, as far as there are any."""
        async with self._database.read() as connection:
            systems = await self.systems_of(connection, names)
            return systems, await self.texts_of(connection, names), await self.topics_of(connection, names)

    async def page_of_posts(self, after: str, limit: int) -> list[str]:
        """Return the ids of posts that are not erased, in their order, from one on."""
        question = select(posts.c.post_id).where(posts.c.post_id > after, posts.c.deleted_at.is_(None))
        async with self._database.read() as connection:
            return list(await connection.scalars(question.order_by(posts.c.post_id).limit(limit)))


def said_in(row: Any) -> ModelTrained:
    """Return what is said of a stored version."""
    return ModelTrained.model_validate_json(row.said)


def _person(row: Any) -> Person:
    return Person(row.rater, row.model)


def _heard(row: Any, topic: int = -1) -> Heard:
    return Heard(
        row.event_id,
        Person(row.rater, row.model),
        row.post_id,
        row.rating,
        row.rated_at,
        row.heard_at,
        row.system,
        row.gone,
        row.version,
        topic,
        row.said_at,
    )
