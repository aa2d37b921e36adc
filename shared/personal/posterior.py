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

from shared.judgement import CUT, HIGHEST, LOWEST
from shared.personal.accuracy import Accuracy, Status, accuracy, status_of
from shared.personal.population import MEAN, Population, Variant
from shared.personal.prior import Prior
from shared.personal.solving import applied, inverse, packed, triangle, unpacked
from shared.personal.topic_offsets import NO_TOPIC, Offset, Within, within

Floats = NDArray[np.float64]

BLOCK = 32_768
"""Posts at once: eleven features of theirs and what is made of them fit the cache."""


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
    at = np.array([population.places[each.post] for each in known], np.int64)
    features = population.features(at, variant, _numbers([each.counted for each in known]))
    topical = within(features, np.array([each.topic for each in known], np.int64), prior)
    said = _numbers([each.rating for each in known])
    missed = said - np.add.reduce(features.T * prior.weights[:, None], axis=0)
    moves, covariance = _moved(features, missed, topical, prior)
    offsets = (topical.total(missed) / prior.noise - np.add.reduce(topical.sums.T * moves[:, None], axis=0)) * (
        topical.variances
    )
    judged = None
    if known:
        left = _left_out(features, missed, topical, moves, offsets, covariance, prior.noise)
        left = np.clip(said - left, LOWEST, HIGHEST)
        judged = accuracy(said, left, features[:, MEAN], _numbers([each.system for each in known]), cut)
    spread = np.sqrt(topical.variances + _squares(topical.pulls, covariance))
    return Posterior(
        variant,
        population.data_hash,
        # from the prior's mean on: without ratings nothing moves, to the bit
        prior.weights + moves,
        packed(covariance),
        prior.noise,
        len(known),
        len(ratings) - len(sure),
        len(sure) - len(known),
        judged,
        status_of(judged),
        tuple(
            Offset(int(topic), int(count), float(mean), float(deviation))
            for topic, count, mean, deviation in zip(
                topical.topics, topical.counts, offsets[:-1], spread[:-1], strict=True
            )
        ),
    )


def _moved(features: Floats, missed: Floats, topical: Within, prior: Prior) -> tuple[Floats, Floats]:
    """Return how far a person's weights are from the mean of all, and their covariance, with topics' offsets open."""
    products = np.add.reduce(features[:, :, None] * features[:, None, :], axis=0) / prior.noise
    taken = np.add.reduce(topical.sums[:, :, None] * topical.pulls[:, None, :], axis=0)
    covariance = inverse(products + prior.precision - taken)
    right = np.add.reduce(features * missed[:, None], axis=0) / prior.noise
    right -= np.add.reduce(topical.pulls * topical.total(missed)[:, None], axis=0) / prior.noise
    return applied(covariance, right), covariance


def _squares(rows: Floats, covariance: Floats) -> Floats:
    """Return r'Cr of rows (n, d)."""
    moved = np.add.reduce(rows.T[:, :, None] * covariance[:, None, :], axis=0)
    found: Floats = np.add.reduce((moved * rows).T, axis=0)
    return found


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


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a model says of posts, each (posts,): predictions, both deviations, and the probability of toxic."""

    prediction: NDArray[np.float32]
    sd: NDArray[np.float32]
    sd_of_one: NDArray[np.float32]
    toxic: NDArray[np.float32]


def outlook(
    population: Population, model: Posterior, *, topics: NDArray[np.integer[Any]] | None = None, cut: float = CUT
) -> Outlook:
    """Return all that a model says of all posts, to the bit what the functions above say one by one.

    Post by post nothing depends on another, so it is done in blocks that stay in the processor's cache.
    """
    columns, factor = _columns(population, model, None), triangle(unpacked(model.covariance))
    n = columns.shape[1]
    extra, wider = _offsets(n, model, topics)
    found = Outlook(*(np.empty(n, np.float32) for _ in range(4)))
    for start in range(0, n, BLOCK):
        here = slice(start, start + BLOCK)
        block = columns[:, here]
        means = _raw(block, model.weights) + extra[here]
        spread = _squared(block, factor) + wider[here]
        np.clip(means, LOWEST, HIGHEST, out=found.prediction[here])
        np.sqrt(spread, out=found.sd[here])
        np.sqrt(spread + np.float32(model.noise), out=found.sd_of_one[here])
        ndtr((means - np.float32(cut)) / found.sd_of_one[here], out=found.toxic[here])
    return found


def _means(
    columns: NDArray[np.float32], model: Posterior, topics: NDArray[np.integer[Any]] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the model says of posts before it is clipped, and what the offsets add to its variance."""
    extra, wider = _offsets(columns.shape[1], model, topics)
    return _raw(columns, model.weights) + extra, wider


def _offsets(
    n: int, model: Posterior, topics: NDArray[np.integer[Any]] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the offsets add to the mean and to the variance of each of n posts; 0 where there is none."""
    if topics is None or not model.offsets or not n:
        return np.zeros(n, np.float32), np.zeros(n, np.float32)
    # one place per topic, the last for none: -1
    size = max(int(topics.max()), *(offset.topic for offset in model.offsets)) + 2
    means, spread = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for offset in model.offsets:
        means[offset.topic] = np.float32(offset.mean)
        spread[offset.topic] = np.float32(offset.deviation**2)
    return means[topics], spread[topics]


def _left_out(
    features: Floats,
    missed: Floats,
    topical: Within,
    moves: Floats,
    offsets: Floats,
    covariance: Floats,
    noise: float,
) -> Floats:
    """Return by how much each rating would be missed by a model that had not seen it: exact, without a refit."""
    own = features - topical.pulls[topical.of]
    leverage = (_squares(own, covariance) + topical.variances[topical.of]) / noise
    residual: Floats = missed - np.add.reduce(features.T * moves[:, None], axis=0) - offsets[topical.of]
    return residual / (1.0 - leverage)


def _columns(population: Population, model: Posterior, at: NDArray[np.int64] | None) -> NDArray[np.float32]:
    columns = population.columns[: len(model.weights)]
    return columns if at is None else columns[:, at]


def _raw(columns: NDArray[np.float32], weights: Floats) -> NDArray[np.float32]:
    """Return weighted sums of columns, added in their order: a matrix product's order depends on the processor."""
    total: NDArray[np.float32] = columns[0] * np.float32(weights[0])
    part = np.empty_like(total)
    for column, weight in zip(columns[1:], weights[1:], strict=True):
        np.multiply(column, np.float32(weight), out=part)
        total += part
    return total


def _variances(columns: NDArray[np.float32], model: Posterior) -> NDArray[np.float32]:
    """Return f'Cf of every post, as a sum of squares."""
    return _squared(columns, triangle(unpacked(model.covariance)))


def _squared(columns: NDArray[np.float32], factor: Floats) -> NDArray[np.float32]:
    """Return the squared length of each post's features (d, n) on a Cholesky factor (d, d)."""
    total = np.zeros(columns.shape[1], np.float32)
    for k in range(len(factor)):
        part = _raw(columns[k:], factor[k:, k])
        np.multiply(part, part, out=part)
        total += part
    return total


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
