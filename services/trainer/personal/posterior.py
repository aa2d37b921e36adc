"""One person's model: what the population says, moved by the person's own ratings, in closed form.

Invariant: the same ratings in any order, the same population and the same version of this code give the same bytes.
Source: audits.md section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.trainer.personal.accuracy import Accuracy, Status, accuracy, status_of
from services.trainer.personal.crowd import NO_TOPIC
from services.trainer.personal.population import MEAN, Population, Variant
from services.trainer.personal.solving import applied, inverse, packed, triangle, unpacked
from services.trainer.personal.topic_offsets import Offset, precision_of, widened
from shared.judgement import CUT, HIGHEST, LOWEST

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """A person's latest word on a post: 0 to 4, or None for unsure.

    `counted` is the rating of theirs that the population's crowd already holds (left out of the crowd's mean), `system`
    the system's rating of the post on the same scale.
    """

    post: str
    rating: float | None
    topic: int = NO_TOPIC
    counted: float | None = None
    system: float | None = None


@dataclass(frozen=True, eq=False)
class Posterior:
    """A person's model, as small as it is: weights (d,), covariance packed as a lower triangle (d(d+1)/2,).

    `noise` is the variance of one rating. `ratings` taught it, `unsure` and `unknown` (posts the population does not
    know) did not. `offsets` are those of the topics with ratings. `data_hash` names the population.
    """

    variant: Variant
    data_hash: str
    weights: Floats
    covariance: Floats
    noise: float
    ratings: int
    unsure: int
    unknown: int
    accuracy: Accuracy | None
    status: Status
    offsets: tuple[Offset, ...] = ()

    def __bytes__(self) -> bytes:
        """Return all its numbers as bytes: equal for equal models."""
        tuned = [number for each in self.offsets for number in (each.topic, each.mean, each.deviation)]
        return np.concatenate([self.weights, self.covariance, [self.noise], tuned]).astype("<f8").tobytes()


def posterior(
    population: Population, ratings: Sequence[Rating], *, variant: Variant | None = None, cut: float = CUT
) -> Posterior:
    """Return the model of the person who gave `ratings`, at most one per post.

    Ratings of posts with a topic teach the person's model and the topic's offset. Leave-one-out errors are those of
    both together. Raises ValueError for two ratings of one post.
    """
    if len({each.post for each in ratings}) < len(ratings):
        raise ValueError("two ratings of one post: the last one counts, and only the caller knows it")
    variant = variant or population.variant
    sure = sorted((each for each in ratings if each.rating is not None), key=lambda each: each.post)
    known = [each for each in sure if each.post in population.places]
    prior = population.priors[variant]
    size = len(prior.weights)
    at = np.array([population.places[each.post] for each in known], np.int64)
    plain = population.features(at, variant, _numbers([each.counted for each in known]))
    features, topics = widened(plain, np.array([each.topic for each in known], np.int64))
    said = _numbers([each.rating for each in known])
    covariance = inverse(
        np.add.reduce(features[:, :, None] * features[:, None, :], axis=0) / prior.noise
        + precision_of(prior, len(topics))
    )
    missed = said - np.add.reduce(plain.T * prior.weights[:, None], axis=0)
    # from the prior's mean on: without ratings nothing moves, to the bit
    moves = applied(covariance, np.add.reduce(features * missed[:, None], axis=0) / prior.noise)
    judged = None
    if known:
        left = _left_out(features, said, missed, moves, covariance, prior.noise)
        judged = accuracy(said, left, plain[:, MEAN], _numbers([each.system for each in known]), cut)
    return Posterior(
        variant,
        population.data_hash,
        prior.weights + moves[:size],
        packed(covariance[:size, :size]),
        prior.noise,
        len(known),
        len(ratings) - len(sure),
        len(sure) - len(known),
        judged,
        status_of(judged),
        tuple(
            Offset(
                int(topic),
                sum(each.topic == topic for each in known),
                float(moves[size + k]),
                float(np.sqrt(covariance[size + k, size + k])),
            )
            for k, topic in enumerate(topics)
        ),
    )


def predictions(
    population: Population,
    model: Posterior,
    at: NDArray[np.int64] | None = None,
    *,
    topics: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.float32]:
    """Return the person's ratings of all posts, or of those at places `at`: 0 to 4, shape (posts,).

    With the posts' `topics` (posts,) the offsets are added; without, they are switched off.
    """
    said: NDArray[np.float32] = np.clip(_means(_columns(population, model, at), model, topics)[0], LOWEST, HIGHEST)
    return said


def deviations(
    population: Population,
    model: Posterior,
    at: NDArray[np.int64] | None = None,
    *,
    topics: NDArray[np.integer[Any]] | None = None,
    one_rating: bool = False,
) -> NDArray[np.float32]:
    """Return the posterior sd of the person's mean rating of posts; with `one_rating` of a single rating.

    Where an offset is added its variance is, too, as if both were learned apart: they are not, so it is a little less.
    """
    columns = _columns(population, model, at)
    spread = _variances(columns, model) + _means(columns, model, topics)[1]
    found: NDArray[np.float32] = np.sqrt(spread + np.float32(model.noise if one_rating else 0.0))
    return found


def toxic_probability(
    population: Population,
    model: Posterior,
    at: NDArray[np.int64] | None = None,
    *,
    topics: NDArray[np.integer[Any]] | None = None,
    cut: float = CUT,
) -> NDArray[np.float32]:
    """Return the probability that the person would rate posts toxic, shape (posts,)."""
    columns = _columns(population, model, at)
    means, tuned = _means(columns, model, topics)
    spread = np.sqrt(_variances(columns, model) + tuned + np.float32(model.noise))
    found: NDArray[np.float32] = ndtr((means - np.float32(cut)) / spread)
    return found


def _means(
    columns: NDArray[np.float32], model: Posterior, topics: NDArray[np.integer[Any]] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the model says of posts before it is clipped, and what the offsets add to its variance."""
    means, spread = _raw(columns, model.weights), np.zeros(columns.shape[1], np.float32)
    if topics is not None:
        for offset in model.offsets:
            member = topics == offset.topic
            means[member] += np.float32(offset.mean)
            spread[member] = np.float32(offset.deviation**2)
    return means, spread


def _left_out(
    features: Floats, said: Floats, missed: Floats, moves: Floats, covariance: Floats, noise: float
) -> Floats:
    """Return what the model says of each rating without having seen it: exact, without a refit; clipped."""
    moved = np.add.reduce(features.T[:, :, None] * covariance[:, None, :], axis=0)
    leverage = np.add.reduce((moved * features).T, axis=0) / noise
    residual = (missed - np.add.reduce(features.T * moves[:, None], axis=0)) / (1.0 - leverage)
    left: Floats = np.clip(said - residual, LOWEST, HIGHEST)
    return left


def _columns(population: Population, model: Posterior, at: NDArray[np.int64] | None) -> NDArray[np.float32]:
    columns = population.columns[: len(model.weights)]
    return columns if at is None else columns[:, at]


def _raw(columns: NDArray[np.float32], weights: Floats) -> NDArray[np.float32]:
    """Return weighted sums of columns, added in their order: a matrix product's order depends on the processor."""
    total: NDArray[np.float32] = columns[0] * np.float32(weights[0])
    for column, weight in zip(columns[1:], weights[1:], strict=True):
        total += column * np.float32(weight)
    return total


def _variances(columns: NDArray[np.float32], model: Posterior) -> NDArray[np.float32]:
    """Return f'Cf of every post, as a sum of squares."""
    factor = triangle(unpacked(model.covariance))
    total = np.zeros(columns.shape[1], np.float32)
    for k in range(len(factor)):
        part = _raw(columns[k:], factor[k:, k])
        total += part * part
    return total


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
