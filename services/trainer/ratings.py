"""One person's ratings and what follows from them: which stand, whether there is news, what is said. Pure.

Invariant: of several ratings of one post the newest counts, whatever order they were heard in.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from shared.events import Event, ModelTrained, Posterior, PostRated, said
from shared.ids import stable_id
from shared.vocabulary import ModelKind

TOP = 4.0
"""The most a post can be rated; a score of 1.0 is as much."""

EVERY = "*"
"""Stands for all models of a person where they take back what they said; no model is called so."""


class Person(NamedTuple):
    """Whose judgement: a rater, and which of their models; empty is the one everybody has."""

    rater: str
    model: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One rating as the log keeps it; `rating` None is unsure, `system` what the system said of the post, 0-4.

    `topic` is the post's own, -1 for none; it is looked up and not kept.
    """

    event_id: str
    person: Person
    post_id: str
    rating: int | None
    rated_at: datetime
    heard_at: datetime
    system: float | None = None
    gone: bool = False
    version: int | None = None
    topic: int = -1
    said_at: datetime | None = None

    def taken_back(self, until: datetime | None) -> bool:
        """Return whether it was said before its author took back whatever they had said.

        It counts when it came in: what people say of when they judged may lie anywhere.
        """
        return until is not None and (self.said_at or min(self.rated_at, self.heard_at)) <= until

    def seen_by_the_system(self, found: Mapping[str, float]) -> "Heard":
        """Return the same with what the system says of the post, where the log did not know it."""
        if self.system is not None or self.post_id not in found:
            return self
        return replace(self, system=found[self.post_id])

    def in_version(self, number: int | None) -> "Heard":
        """Return the same with the version that first held it."""
        return replace(self, version=number)


@dataclass(frozen=True, slots=True)
class Standing:
    """The ratings of one person that count, by post id; `unsure` are posts they could not judge."""

    labels: tuple[Heard, ...]
    unsure: tuple[str, ...]

    def says_the_same(self, other: "Standing") -> bool:
        """Return whether two standings hold the same judgements."""
        return self.unsure == other.unsure and judgements(self.labels) == judgements(other.labels)


@dataclass(frozen=True, slots=True)
class PopulationJob:
    """What the worker of a population gets: a file of what was heard and of texts, which it removes once it is read."""

    material: str
    artifacts: str
    seed: int


@dataclass(frozen=True, slots=True)
class PopulationResult:
    """What it gives back: the artefact and what it was made from."""

    artifact: str
    data_hash: str
    posts: int
    raters: int
    ratings: int


def judgements(labels: Iterable[Heard]) -> list[tuple[str, int]]:
    """Return (post id, rating) of labels, in their order."""
    return [(label.post_id, label.rating) for label in labels if label.rating is not None]


def person_of(rated: PostRated) -> Person:
    """Return whose model a rating is for."""
    return Person(rated.rater, rated.model or "")


def heard(event: Event[PostRated], now: datetime, system: float | None, topic: int, *, gone: bool) -> Heard:
    """Return a rating as the log keeps it; of a deleted post only that there was one."""
    rated = event.data
    rating = None if gone else rated.rating
    about = event.id, person_of(rated), rated.post_id, rating, rated.rated_at, now, system, gone
    return Heard(*about, topic=topic, said_at=event.time or rated.rated_at)


def withdrawals(events: Iterable[Event[PostRated]]) -> dict[Person, datetime]:
    """Return until when people take back what they said, by person; EVERY model is one of its own."""
    found: dict[Person, datetime] = {}
    for event in events:
        if event.data.withdrawn is not None:
            whose = Person(event.data.rater, EVERY if event.data.withdrawn == "all" else event.data.model or "")
            until = event.time or event.data.rated_at
            found[whose] = max(until, found.get(whose, until))
    return found


def taken_back_until(person: Person, found: Mapping[Person, datetime]) -> datetime | None:
    """Return until when a person's ratings of one model are taken back, None if they are not."""
    given = [found[each] for each in (person, Person(person.rater, EVERY)) if each in found]
    return max(given, default=None)


def standing(log: Iterable[Heard]) -> Standing:
    """Return which of one person's ratings count: each post's newest, and none of a post that is gone.

    Of two of the same moment the one with the greater event id counts: any order gives the same.
    """
    newest: dict[str, Heard] = {}
    gone = set()
    for each in log:
        known = newest.get(each.post_id)
        if each.gone:
            gone.add(each.post_id)
        elif known is None or (known.rated_at, known.event_id) < (each.rated_at, each.event_id):
            newest[each.post_id] = each
    kept = [newest[post] for post in sorted(newest.keys() - gone)]
    labels = tuple(each for each in kept if each.rating is not None)
    return Standing(labels, tuple(each.post_id for each in kept if each.rating is None))


def counted(log: Iterable[Heard], until: datetime) -> dict[str, float]:
    """Return what a person had said of posts when a population was counted: their part of the crowd's sums."""
    then = standing(each for each in log if each.heard_at <= until)
    return {post: float(rating) for post, rating in judgements(then.labels)}


def model_id(person: Person) -> str:
    """Return the opaque id of a person's model."""
    return stable_id("personal model", *person)


def data_hash(stands: Standing, population: str) -> str:
    """Return the SHA-256 of everything a posterior follows from: ratings, posts, and the artefact they stand on."""
    whole = hashlib.sha256(population.encode())
    for post, rating in judgements(stands.labels):
        whole.update(f"|{len(post)}|{post}|{rating}".encode())
    return whole.hexdigest()


def trained(person: Person, posterior: Posterior, stands: Standing, at: datetime) -> ModelTrained:
    """Return what is said of a new version; `at` is when the newest word behind it was said."""
    name = model_id(person)
    return ModelTrained(
        run_id=name,
        kind=ModelKind.PERSONAL,
        model=name,
        model_version=f"{name}.{posterior.version}",
        data_hash=data_hash(stands, posterior.population or ""),
        examples=posterior.labels,
        trained_at=at,
        posterior=posterior,
    )


def as_event(model: ModelTrained, *, correlation_id: str | None = None, traceparent: str | None = None) -> Event[Any]:
    """Return a version as it is said: with the same id whoever says it, and however often."""
    return said(model, by="trainer", cause=model.model_version, correlation_id=correlation_id, traceparent=traceparent)
