"""From what a person said to their next version: features of the rated posts, posterior, what is said of it. Pure.

Invariant: a post gets the same features whoever rated it, and a person's own rating is never part of the crowd they are
compared with.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.trainer.ratings import Heard, Person, Standing, counted, trained
from shared.events import ModelTrained, Offset, Posterior
from shared.personal.accuracy import Accuracy, Figures
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Posterior as Fitted
from shared.personal.posterior import Rating, posterior
from shared.personal.prior import assumed
from shared.personal.reading import KEPT

BEFORE_ANY = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Ground:
    """What personal models stand on: a population, the name of its artefact, and when its ratings were counted.

    Before there is one the system's own word stands in for the crowd. `read` keeps what was read in the texts of posts
    that are younger than the population: text score and components.
    """

    population: Population | None = None
    artifact: str = ""
    counted_at: datetime = BEFORE_ANY
    read: dict[str, tuple[np.float32, NDArray[np.float32]]] = field(default_factory=dict, compare=False)

    def unread(self, posts: Collection[str]) -> list[str]:
        """Return the posts whose texts would tell their features."""
        if self.population is None or self.population.reader is None:
            return []
        return sorted(post for post in set(posts) - self.read.keys() if post not in self.population.places)

    def learn(self, texts: Mapping[str, str]) -> None:
        """Read the texts of posts that are younger than the population."""
        if texts and self.population is not None and self.population.reader is not None:
            names = sorted(texts)
            scores, about = self.population.reader.read([texts[name] for name in names])
            self.read.update(zip(names, zip(scores, about, strict=True), strict=True))


@dataclass(frozen=True)
class Update:
    """One person's next version: everything they said before and now, and what was known of the posts."""

    person: Person
    number: int
    at: datetime
    log: Sequence[Heard]
    stands: Standing


def part(ground: Ground, posts: Collection[str], systems: Mapping[str, float]) -> Population:
    """Return a population that knows some posts: as they are counted, else as they read, else as the system sees them.

    `systems` are the system's ratings, 0-4. A post of which nothing is known is left out.
    """
    whole = ground.population
    if whole is not None and all(post in whole.places for post in posts):
        return whole
    names = sorted(posts)
    at = [-1 if whole is None else whole.places.get(name, -1) for name in names]
    scores, about = np.full(len(names), np.nan, np.float32), np.zeros((len(names), KEPT), np.float32)
    sums, counts = np.zeros(len(names), np.float32), np.zeros(len(names), np.int32)
    for row, name in enumerate(names):
        if whole is not None and at[row] >= 0:
            scores[row], about[row] = whole.scores[at[row]], whole.about[at[row]]
            sums[row], counts[row] = whole.sums[at[row]], whole.counts[at[row]]
        elif name in ground.read:
            scores[row], about[row] = ground.read[name]
        elif name in systems:
            scores[row] = systems[name]
    known = ~np.isnan(scores)
    return Population(
        tuple(name for name, there in zip(names, known, strict=True) if there),
        sums[known],
        counts[known],
        scores[known],
        about[known],
        {variant: assumed(size) for variant, size in SIZES.items()} if whole is None else whole.priors,
        None if whole is None else whole.reader,
        {"data_hash": ""} if whole is None else whole.facts,
    )


def systems_of(log: Sequence[Heard]) -> dict[str, float]:
    """Return what the system said of rated posts, 0-4, where it is known."""
    return {each.post_id: each.system for each in log if each.system is not None}


def ratings_of(update: Update, ground: Ground) -> list[Rating]:
    """Return a person's ratings as the mathematics wants them."""
    systems = systems_of(update.log)
    earlier = {} if ground.population is None else in_the_crowd(update.log, ground.population, ground.counted_at)
    sure = [
        Rating(
            each.post_id,
            each.rating,
            each.topic,
            earlier.get(each.post_id),
            systems.get(each.post_id),
        )
        for each in update.stands.labels
    ]
    return [*sure, *(Rating(post, None) for post in update.stands.unsure)]


def in_the_crowd(log: Sequence[Heard], population: Population, until: datetime) -> dict[str, float]:
    """Return which of a person's ratings the crowd's sums hold, by post."""
    then = counted(log, until)
    places = population.places
    return {post: said for post, said in then.items() if post in places and population.counts[places[post]] > 0}


def fit(update: Update, ground: Ground) -> Fitted:
    """Return a person's posterior."""
    ratings = ratings_of(update, ground)
    population = part(ground, [each.post for each in ratings if each.rating is not None], systems_of(update.log))
    return posterior(population, ratings, variant=variant_of(ground))


def variant_of(ground: Ground) -> Variant:
    """Return which features a posterior on this ground uses."""
    return Variant.SMALL if ground.population is None else ground.population.variant


def next_version(update: Update, ground: Ground) -> ModelTrained:
    """Return what is said of a person's next version."""
    fitted = fit(update, ground)
    return trained(update.person, said_of(update, fitted, ground), update.stands, update.at)


def said_of(update: Update, fitted: Fitted, ground: Ground) -> Posterior:
    """Return a posterior as the event carries it."""
    return Posterior(
        rater=update.person.rater,
        model=update.person.model or None,
        version=update.number,
        basis="system" if ground.population is None else "population",
        population=ground.artifact or None,
        weights=tuple(fitted.weights.tolist()),
        covariance=tuple(fitted.covariance.tolist()),
        noise=fitted.noise,
        labels=fitted.ratings,
        unsure=fitted.unsure,
        unknown=fitted.unknown,
        status=fitted.status.value,
        errors={} if fitted.accuracy is None else errors(fitted.accuracy),
        baselines={} if fitted.accuracy is None else baselines(fitted.accuracy),
        offsets=tuple(
            Offset(topic=each.topic, labels=each.ratings, mean=each.mean, sd=each.deviation) for each in fitted.offsets
        ),
    )


def errors(found: Accuracy) -> dict[str, float]:
    """Return a model's own figures by prefixed name; `against_crowd` is squared error less the crowd's."""
    told = _named("loo", found.model)
    against = found.against_crowd
    if against is None:
        return told
    return told | {f"against_crowd{end}": getattr(against, name) for end, name in ENDS}


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def baselines(found: Accuracy) -> dict[str, float]:
    """Return what needs no model, on the same ratings, by prefixed name."""
    rows = {"crowd": found.crowd, "zero": found.zero, "own_mean": found.own_mean, "system": found.system}
    return {name: value for prefix, row in rows.items() if row for name, value in _named(prefix, row).items()}


def _named(prefix: str, row: Figures) -> dict[str, float]:
    names = ("n", "mae", "mse", "rmse", "avg_diff", "balanced_accuracy")
    return {f"{prefix}_{name}": float(value) for name in names if (value := getattr(row, name)) is not None}
