"""Compares groups with the crowd and makes their models, one after the other, away from requests and the event loop.

Invariant: what is kept and said of a group are figures over at least the minimum of people; no trait is in an id, an
event, an artifact or a log.
"""

import asyncio
import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from services.trainer.personal.groups import (
    Contrast,
    Group,
    Spoken,
    TooFewPeople,
    deviations,
    group_of,
    noise,
    view,
)
from services.trainer.personal.membership import checked, members, own_axes, size_of
from services.trainer.personalising import Personalising
from services.trainer.ratings import Heard, Person, judgements, standing
from services.trainer.settings import TrainerSettings
from services.trainer.store.groups import DONE, REFUSED, GroupStore
from services.trainer.store.ratings import RatingStore
from services.trainer.updates import Ground, in_the_crowd
from services.trainer.views import group_version
from shared.artifacts import ArtifactStore
from shared.clock import utcnow
from shared.db import Stored
from shared.events import Event, ModelTrained, said
from shared.judgement import HIGHEST, LOWEST
from shared.personal.group_view import GroupView, dump
from shared.vocabulary import ModelKind


class Grouping:
    """Takes up the group that waits longest."""

    def __init__(
        self,
        store: GroupStore,
        ratings: RatingStore,
        personal: Personalising,
        settings: TrainerSettings,
        artifacts: ArtifactStore,
    ) -> None:
        self._store = store
        self._ratings = ratings
        self._personal = personal
        self._minimum = settings.group_minimum
        self._seed = settings.seed
        self._artifacts = artifacts

    async def __call__(self) -> None:
        """Compare one group, if one waits; it may have become too small since it was asked for."""
        row, ground = await self._store.queued(), self._personal.ground
        if row is None or ground.population is None:
            return
        traits = await self._store.everybodys_traits()
        chosen = checked(row.traits, own_axes())
        size = size_of(traits, chosen, self._minimum)
        if not size.allowed:
            await self._store.settle(row.group_id, REFUSED, utcnow(), reason=size.reason)
            return
        people = [Person(rater, "") for rater in sorted(members(traits, chosen))]
        async with self._ratings.begin() as connection:
            logs = await self._ratings.log_of(connection, people)
        try:
            made = await asyncio.to_thread(_compared, logs, ground, self._minimum, self._seed)
        except TooFewPeople as error:
            await self._store.settle(row.group_id, REFUSED, utcnow(), reason=str(error))
            return
        facts = {"population": ground.artifact, "result": made.result, "data_hash": made.data_hash}
        # the file is durable before a row names it
        artifact = await asyncio.to_thread(lambda: self._artifacts.put(dump(made)))
        await self._store.settle(row.group_id, DONE, utcnow(), artifact=artifact, **facts)


def _compared(logs: Mapping[Person, list[Heard]], ground: Ground, minimum: int, seed: int) -> GroupView:
    population = ground.population
    if population is None:
        raise TooFewPeople("there is no population yet")
    spoken = spoken_by(logs, ground)
    group = group_of(population, spoken, minimum=minimum, seed=seed)
    return GroupView(
        population.posts,
        view(population, group),
        deviations(group, len(population.posts)),
        np.clip(population.crowd, LOWEST, HIGHEST),
        ground.artifact,
        hash_of(spoken, ground.artifact),
        group.strength,
        group.shift,
        noise(group),
        result_of(group),
    )


def hash_of(ratings: Spoken, population: str) -> str:
    """Return the SHA-256 of everything a group's model follows from; who said what is not in it, only that some did."""
    whole = hashlib.sha256(population.encode())
    for column in (ratings.rater, ratings.post, ratings.rating, ratings.topic):
        whole.update(column.tobytes())
    return whole.hexdigest()


def spoken_by(logs: Mapping[Person, Collection[Heard]], ground: Ground) -> Spoken:
    """Return the ratings that stand of people, of the posts the population knows."""
    population = ground.population
    places = {} if population is None else population.places
    rows = []
    for number, (_, log) in enumerate(sorted(logs.items())):
        topics = {each.post_id: each.topic for each in log}
        counted = {} if population is None else in_the_crowd(list(log), population, ground.counted_at)
        for post, rating in judgements(standing(log).labels):
            if post in places:
                rows.append((number, places[post], rating, topics[post], counted.get(post, math.nan)))
    rater, post_at, rating_of, topic, counts = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Spoken(
        np.array(rater, np.int32),
        np.array(post_at, np.int64),
        np.array(rating_of, np.float64),
        np.array(topic, np.int32),
        np.array(counts, np.float64),
    )


def result_of(group: Group) -> dict[str, Any]:
    """Return a comparison as it is kept: differences group less crowd, overall and by topic, and what K was chosen."""
    return {
        "overall": contrast_of(group.overall),
        "topics": {str(topic): contrast_of(each) for topic, each in sorted(group.topics.items())},
        "strength": None if math.isinf(group.strength) else group.strength,
        "rmse": group.errors[group.strength],
        "crowd_rmse": group.crowd_error,
        "view": "group" if group.overall.detectable else "crowd",
    }


def contrast_of(found: Contrast) -> dict[str, Any]:
    """Return a difference with its interval, over how many people and ratings."""
    told = found.difference
    return {
        "ratings": found.ratings,
        "raters": found.raters,
        "value": told.value,
        "low": told.low,
        "high": told.high,
        "detectable": found.detectable,
    }


def events_of(row: Stored) -> list[Event[Any]]:
    """Return what is said about a group: that it has a model, and the figures; not who is in it."""
    overall = row.result["overall"]
    model = ModelTrained(
        run_id=row.group_id,
        kind=ModelKind.GROUP,
        model=row.group_id,
        model_version=group_version(row.group_id),
        artifact=row.artifact,
        data_hash=row.population,  # what it was made from beside that is in its file
        metrics={name: float(overall[name]) for name in ("value", "low", "high", "detectable", "raters")},
        examples=overall["ratings"],
        trained_at=row.finished_at,
    )
    return [said(model, by="trainer", cause=model.model_version, correlation_id=row.group_id)]
