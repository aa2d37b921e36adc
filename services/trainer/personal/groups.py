"""How a group of raters differs from the crowd, and whether that can be told at all.

Invariant: where the interval of the difference holds 0 there is no detectable difference, and the group's view is the
crowd's. Source: audits.md section 5, whose measurements expect just that for most groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.membership import MINIMUM
from shared.chance import discoveries
from shared.judgement import HIGHEST, LOWEST
from shared.personal.accuracy import Difference
from shared.personal.population import MEAN, Population, Variant
from shared.personal.topic_offsets import NO_TOPIC

Floats = NDArray[np.float64]

STRENGTHS = (2.0, 5.0, 10.0, 20.0, 50.0, np.inf)
"""Ratings the shifted crowd mean is worth beside the group's own; infinite: the group has no view of single posts."""
DRAWS = 2_000
NORMAL = 1.96
"""Standard deviations from the middle to the end of a 95 % interval."""
LEAST_NOISE = 1e-4
"""Ratings are whole points: people who all agree are not known better than that."""


class TooFewPeople(ValueError):
    """The group has fewer raters than the minimum: it gets no model and no figure."""


@dataclass(frozen=True)
class Contrast:
    """Group less crowd on `ratings` of `raters`, with the interval over raters, and whether that can be told from 0."""

    ratings: int
    raters: int
    difference: Difference
    detectable: bool


@dataclass(frozen=True, eq=False)
class Group:
    """A group's view. `strength` is the K that leaving ratings out chose, `errors` the RMSE of each.

    `shift` is the mean difference to the crowd; `topics` holds the topics with enough of the group's raters.
    """

    overall: Contrast
    topics: Mapping[int, Contrast]
    strength: float
    errors: Mapping[float, float]
    crowd_error: float
    shift: float
    sums: Floats
    counts: Floats


@dataclass(frozen=True, eq=False)
class Spoken:
    """The ratings of a group's members as parallel arrays: `rater` numbers them in the order of their names.

    `post` is the place in the population, `topic` -1 for none, `counted` the rating of that person that the
    population's crowd already holds, NaN for none.
    """

    rater: NDArray[np.int32]
    post: NDArray[np.int64]
    rating: Floats
    topic: NDArray[np.int32]
    counted: Floats


def spoken(crowd: Crowd, group: NDArray[np.int32]) -> Spoken:
    """Return the ratings of the raters numbered `group` in the crowd that a population was made of."""
    rows = np.flatnonzero(np.isin(crowd.rater, group))
    post, said = crowd.post[rows], crowd.rating[rows].astype(np.float64)
    return Spoken(crowd.rater[rows], post.astype(np.int64), said, crowd.topics[post], said)


def group_of(population: Population, ratings: Spoken, *, minimum: int = MINIMUM, seed: int = 0) -> Group:
    """Return the view of a group; rows in any order give the same one.

    Raises TooFewPeople if fewer than the minimum of its members have rated anything.
    """
    order = np.lexsort((ratings.post, ratings.rater))
    rater, post, said = ratings.rater[order], ratings.post[order], ratings.rating[order]
    if len(np.unique(rater)) < minimum:
        raise TooFewPeople(f"fewer than {minimum} people of the group have rated anything")
    means = population.features(post, Variant.SMALL, ratings.counted[order])[:, MEAN]
    apart = said - means
    sums = np.bincount(post, said, len(population.posts)).astype(np.float64)
    counts = np.bincount(post, minlength=len(population.posts)).astype(np.float64)
    errors = {strength: _error(strength, said, means, sums[post], counts[post]) for strength in STRENGTHS}
    draws = np.random.default_rng(seed)
    return Group(
        _contrast(rater, apart, draws),
        _by_topic(rater, apart, ratings.topic[order], minimum, draws),
        # of equal errors the strongest: the plainer view
        min(reversed(STRENGTHS), key=lambda strength: errors[strength]),
        errors,
        float(np.sqrt(np.mean(apart * apart))),
        float(apart.mean()),
        sums,
        counts,
    )


def view(population: Population, group: Group) -> NDArray[np.float32]:
    """Return the group's ratings of all posts: the crowd's, to the bit, where no difference can be told."""
    if not group.overall.detectable:
        return np.clip(population.crowd, LOWEST, HIGHEST)
    shifted = population.crowd.astype(np.float64) + group.shift
    found = _shrunk(group.strength, group.sums, group.counts, shifted)
    return np.clip(found, LOWEST, HIGHEST).astype(np.float32)


def deviations(group: Group, posts: int) -> NDArray[np.float32]:
    """Return how sure the group's mean is of each of so many posts (ours): sd, shape (posts,).

    What its own ratings leave open, with the variance of one rating as leaving it out found it, and what the shift
    adds. Where no difference can be told the shift is all there is: so far the group may be from the crowd.
    """
    told = group.overall.difference
    shift = (told.high - told.low) / 2.0 / NORMAL
    if not group.overall.detectable or np.isinf(group.strength):
        return np.full(posts, shift, np.float32)
    worth = group.counts + group.strength
    found = np.sqrt(noise(group) / worth + (group.strength / worth * shift) ** 2)
    return np.asarray(found, np.float32)


def noise(group: Group) -> float:
    """Return the variance of one member's rating about the group's view, each rating left out of it."""
    return max(group.errors[group.strength] ** 2, LEAST_NOISE)


def _shrunk(strength: float, sums: Floats, counts: Floats, towards: Floats) -> Floats:
    """Return the group's means of posts, drawn towards the shifted crowd."""
    if np.isinf(strength):
        return towards
    return np.asarray((sums + strength * towards) / (counts + strength), np.float64)


def _error(strength: float, said: Floats, means: Floats, sums: Floats, counts: Floats) -> float:
    """Return the RMSE of the group's view of each of its ratings without that rating; the shift leaves it out, too."""
    apart = said - means
    shift = (apart.sum() - apart) / (len(said) - 1)
    found = _shrunk(strength, sums - said, counts - 1.0, means + shift)
    return float(np.sqrt(np.mean((np.clip(found, LOWEST, HIGHEST) - said) ** 2)))


def _by_topic(
    rater: NDArray[np.int32], apart: Floats, topics: NDArray[np.int32], minimum: int, draws: np.random.Generator
) -> dict[int, Contrast]:
    """Return the contrasts of topics with enough raters, by topic; false discoveries are held down over all of them."""
    found: dict[int, tuple[Contrast, float]] = {}
    for topic in np.unique(topics[topics != NO_TOPIC]):
        rows = topics == topic
        if len(np.unique(rater[rows])) >= minimum:
            each = _contrast(rater[rows], apart[rows], draws)
            # the interval as a normal one: what the draws alone say ends at one in two thousand
            spread = max((each.difference.high - each.difference.low) / 2.0 / NORMAL, 1e-12)
            found[int(topic)] = each, float(2.0 * ndtr(-abs(each.difference.value) / spread))
    kept = discoveries(np.array([chance for _, chance in found.values()]))
    return {
        topic: Contrast(each.ratings, each.raters, each.difference, bool(each.detectable and kept[at]))
        for at, (topic, (each, _)) in enumerate(found.items())
    }


def _contrast(rater: NDArray[np.int32], apart: Floats, draws: np.random.Generator) -> Contrast:
    """Return the mean difference with the interval of 2,000 draws of as many raters, each with all their ratings."""
    _, whose = np.unique(rater, return_inverse=True)
    sums, counts = np.bincount(whose, apart), np.bincount(whose).astype(np.float64)
    people = len(counts)
    times = draws.multinomial(people, np.full(people, 1.0 / people), DRAWS).astype(np.float64)
    drawn = (times @ sums) / (times @ counts)
    low, high = np.quantile(drawn, (0.025, 0.975))
    value = Difference(float(apart.mean()), float(low), float(high))
    return Contrast(len(apart), people, value, not low <= 0.0 <= high)
