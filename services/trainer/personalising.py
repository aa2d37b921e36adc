"""Keeps a model of every person who rates: a rating makes their next version, a deletion or a new population too.

Invariant: a version follows from the log and the population alone, and is said from its row, whoever says it.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from services.trainer.ratings import (
    TOP,
    Heard,
    Person,
    as_event,
    heard,
    person_of,
    standing,
    taken_back_until,
    withdrawals,
)
from services.trainer.store import Store
from services.trainer.store.ratings import Connection, Head, RatingStore, Version, said_in
from services.trainer.updates import Ground, Update, next_version
from shared.announcements import AT_ONCE, Announcer
from shared.artifacts import ArtifactStore, BadArtifact
from shared.bus.commit import Done, Outcome
from shared.clock import utcnow
from shared.errors import describe
from shared.events import Event, ModelTrained, PostRated
from shared.personal.artifact import load
from shared.personal.topic_offsets import NO_TOPIC

log = structlog.get_logger("ombud.trainer")

PAGE = 100
"""People whose models are made again in one transaction; a rating of one of them waits that long."""
IN_A_ROUND = 50
"""Pages of one round: a loop comes back to show that it lives."""


class Personalising:
    """Makes versions of personal models; the only one who does."""

    def __init__(self, store: RatingStore, posts: Store, artifacts: ArtifactStore, kept: int) -> None:
        self._store = store
        self._posts = posts
        self._artifacts = artifacts
        self._kept = kept
        self._ground = Ground()

    @property
    def ground(self) -> Ground:
        """Return what models stand on now."""
        return self._ground

    async def read(self, texts: Mapping[str, str]) -> None:
        """Read the texts of posts that are younger than the population, away from the event loop."""
        if texts:
            await asyncio.to_thread(self._ground.learn, texts)

    # -- ratings --------------------------------------------------------------------------------------------

    async def heard(self, events: Sequence[Event[PostRated]]) -> list[Outcome]:
        """Keep ratings, forget those that are taken back, and make the versions that follow."""
        # first what is taken back, on its own: whoever keeps a copy right now meets it afterwards
        back = withdrawals(events)
        if back:
            await self._store.withdraw(back)
            await self.take_back(back)
        said = [event for event in events if event.data.withdrawn is None]
        answers = iter(await self._rated(said) if said else [])
        return [Done() if event.data.withdrawn is not None else next(answers) for event in events]

    async def _rated(self, events: Sequence[Event[PostRated]]) -> list[Outcome]:
        """Keep ratings and make the next version of everybody who said something new: one, however much they said."""
        ground, about = self._ground, {event.data.post_id for event in events}
        raters = {event.data.rater for event in events}
        async with self._store.begin() as connection:
            # 1. nobody else makes a version of these people now
            heads = await self._store.hold(connection, {person_of(event.data) for event in events})
            before = await self._store.log_of(connection, heads)
            # 2. what is new, with what the system said of it
            erased = await self._posts.erased_among(connection, about)
            back = await self._store.withdrawn(connection, raters)
            fresh = await self._fresh(connection, events, before, erased)
            fresh = [each for each in fresh if not each.taken_back(taken_back_until(each.person, back))]
            # 3. who judges otherwise than before gets a version
            updates = changed(heads, before, fresh, {event.id: event.time or event.data.rated_at for event in events})
            made = await self._make(connection, ground, updates)
            numbers = {each.person: each.number for each in updates}
            await self._store.log(connection, with_versions(fresh, numbers))
            told = [Version(u.person, u.number, ground.artifact, model, u.at) for u, model in made]
            await self._store.keep(connection, told, self._kept)
            # 4. what was heard before is said again, from its row
            known = {each.event_id: (person, each.version) for person, rows in before.items() for each in rows}
            asked = {known[event.id] for event in events if event.id in known}
            again = await self._store.said_of(connection, {(who, v) for who, v in asked if v is not None})
        # 5. a deletion or withdrawal that came meanwhile counts too
        async with self._store.read() as connection:
            now = await self._posts.erased_among(connection, about)
            later = await self._store.withdrawn(connection, raters)
        await self.forget({post: at for post, at in now.items() if post not in erased})
        await self.take_back({who: at for who, at in later.items() if at != back.get(who)})
        told_by = {(u.person, u.number): model for u, model in made} | again
        nothing = {event.id: (person_of(event.data), None) for event in events}
        named = nothing | {each.event_id: (each.person, numbers.get(each.person)) for each in fresh} | known
        return outcomes(events, named, told_by)

    async def _fresh(
        self,
        connection: Connection,
        events: Sequence[Event[PostRated]],
        before: Mapping[Person, list[Heard]],
        erased: Collection[str],
    ) -> list[Heard]:
        """Return what was not heard before; fill in what the system has said of posts since they were rated."""
        known = {each.event_id for rows in before.values() for each in rows}
        new = {event.id: event for event in events if event.id not in known}
        speaking = {person_of(event.data) for event in new.values()}
        heard_of = (each for person in speaking for each in before[person])
        blank = [each for each in heard_of if each.system is None and not each.gone]
        wanted = {event.data.post_id for event in new.values()} | {each.post_id for each in blank}
        found = {post: TOP * value for post, value in (await self._store.systems_of(connection, wanted)).items()}
        await self._store.note_systems(
            connection, {each.event_id: found[each.post_id] for each in blank if each.post_id in found}
        )
        for rows in before.values():
            rows[:] = [each.seen_by_the_system(found) for each in rows]
        topics = await self._store.topics_of(connection, {event.data.post_id for event in new.values()})
        now = utcnow()
        return [
            heard(event, now, found.get(post), topics.get(post, NO_TOPIC), gone=post in erased)
            for event in new.values()
            for post in (event.data.post_id,)
        ]

    async def _make(
        self, connection: Connection, ground: Ground, updates: Sequence[Update]
    ) -> list[tuple[Update, ModelTrained]]:
        """Return what is said of people's next versions."""
        if not updates:
            return []
        posts = {label.post_id for update in updates for label in update.stands.labels}
        texts = await self._store.texts_of(connection, ground.unread(posts))
        return await asyncio.to_thread(_in_turn, updates, ground, texts)

    # -- deletions, withdrawals and new populations -----------------------------------------------------------

    async def take_back(self, until: Mapping[Person, datetime]) -> None:
        """Forget what people said until a moment, and every version made of it; the announcer says what is left."""
        people = await self._store.models_meant(until) if until else []
        for start in range(0, len(people), PAGE):
            async with self._store.begin() as connection:
                heads = await self._store.hold(connection, people[start : start + PAGE])
                before = await self._store.log_of(connection, heads)
                updates = [
                    update
                    for person, head in heads.items()
                    if (update := after_withdrawal(person, head, before[person], taken_back_until(person, until)))
                ]
                kept = {each.event_id for update in updates for each in update.log}
                gone = {u.person: [e.event_id for e in before[u.person] if e.event_id not in kept] for u in updates}
                await self._store.remove(connection, gone)
                await self._keep_unsaid(connection, self._ground, updates)

    async def forget(self, deleted: Mapping[str, datetime]) -> None:
        """Take deleted posts out of everybody's ratings; the announcer says the versions that follow."""
        people = sorted(await self._store.raters_of(deleted)) if deleted else []
        for start in range(0, len(people), PAGE):
            async with self._store.begin() as connection:
                heads = await self._store.hold(connection, people[start : start + PAGE])
                before = await self._store.log_of(connection, heads)
                await self._store.forget(connection, heads, deleted)
                updates = [
                    update
                    for person, head in heads.items()
                    if (update := without(person, head, before[person], deleted)) is not None
                ]
                await self._keep_unsaid(connection, self._ground, updates)

    async def __call__(self) -> None:
        """Take over a new population when there is one, and make outdated models again, page by page."""
        await self.refresh()
        for _ in range(IN_A_ROUND):
            if not await self.renew_page():
                return

    async def refresh(self) -> None:
        """Load the newest population, if it is another than the one in memory."""
        row = await self._store.newest_population()
        if row is None or row.artifact == self._ground.artifact:
            return
        try:
            population = await asyncio.to_thread(lambda: load(self._artifacts.get(row.artifact)))
        except (FileNotFoundError, BadArtifact) as error:
            log.error("the population cannot be read, the one before stays", error=describe(error))
            return
        self._ground = Ground(population, row.artifact, row.counted_at)
        log.info("a new population", posts=row.posts, raters=row.raters, ratings=row.ratings)

    async def renew_page(self) -> int:
        """Make the models of some people again that stand on another population; return of how many."""
        ground, at = self._ground, utcnow()
        async with self._store.begin() as connection:
            if await self._store.newest_artifact(connection) != ground.artifact:
                return 0  # who knows the newest population does it
            heads = await self._store.hold_outdated(connection, ground.artifact, PAGE)
            before = await self._store.log_of(connection, heads)
            updates = [
                Update(person, head.version + 1, at, before[person], standing(before[person]))
                for person, head in heads.items()
            ]
            await self._keep_unsaid(connection, ground, updates)
        return len(heads)

    async def _keep_unsaid(self, connection: Connection, ground: Ground, updates: Sequence[Update]) -> None:
        made = await self._make(connection, ground, updates)
        told = [Version(u.person, u.number, ground.artifact, model, None) for u, model in made]
        await self._store.keep(connection, told, self._kept)


def _in_turn(updates: Sequence[Update], ground: Ground, texts: Mapping[str, str]) -> list[tuple[Update, ModelTrained]]:
    ground.learn(texts)
    return [(update, next_version(update, ground)) for update in updates]


def changed(
    heads: Mapping[Person, Head],
    before: Mapping[Person, list[Heard]],
    fresh: Iterable[Heard],
    said_at: Mapping[str, datetime],
) -> list[Update]:
    """Return the next version of everybody whose standing ratings are others now."""
    new: dict[Person, list[Heard]] = {}
    for each in fresh:
        new.setdefault(each.person, []).append(each)
    updates = []
    for person, rows in sorted(new.items()):
        whole = [*before[person], *rows]
        was, now = standing(before[person]), standing(whole)
        if not now.says_the_same(was):
            at = max(said_at[each.event_id] for each in rows)
            updates.append(Update(person, heads[person].version + 1, at, whole, now))
    return updates


def without(person: Person, head: Head, log: Sequence[Heard], deleted: Mapping[str, datetime]) -> Update | None:
    """Return a person's next version without deleted posts, or None if that changes nothing."""
    was, left = standing(log), [each for each in log if each.post_id not in deleted]
    now = standing(left)
    if now.says_the_same(was):
        return None
    at = max(deleted[each.post_id] for each in log if each.post_id in deleted)
    return Update(person, head.version + 1, at, left, now)


def after_withdrawal(person: Person, head: Head, log: Sequence[Heard], until: datetime | None) -> Update | None:
    """Return a person's next version from what they said since they took the rest back; None if nothing goes."""
    left = [each for each in log if not each.taken_back(until)]
    if until is None or len(left) == len(log):
        return None
    return Update(person, head.version + 1, until, left, standing(left))


def with_versions(fresh: Iterable[Heard], numbers: Mapping[Person, int]) -> list[Heard]:
    """Return what was heard with the version that first held it, as far as there is a new one."""
    return [each.in_version(numbers.get(each.person)) for each in fresh]


def outcomes(
    events: Sequence[Event[Any]],
    named: Mapping[str, tuple[Person, int | None]],
    told: Mapping[tuple[Person, int], ModelTrained],
) -> list[Outcome]:
    """Return what follows from each event: a version is said once, by the last event that led to it."""
    last = {named[event.id]: place for place, event in enumerate(events)}
    found: list[Outcome] = []
    for place, event in enumerate(events):
        person, number = named[event.id]
        model = told.get((person, number)) if number is not None and last[person, number] == place else None
        say = partial(as_event, correlation_id=event.correlationid, traceparent=event.traceparent)
        found.append(Done() if model is None else Done(says=[say(model)]))
    return found


def events_of(row: Any) -> list[Event[Any]]:
    """Return what a version has to say that no rating led to."""
    return [as_event(said_in(row))]


class Announcing:
    """Says all versions that wait to be said; a new population makes thousands at once."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer

    async def __call__(self) -> None:
        """Say what waits, some thousands at most."""
        for _ in range(IN_A_ROUND):
            if await self._announcer() < AT_ONCE:
                return
