"""What people are like before one of them has rated anything, learned from all who have (EM, audits.md section 3).

Invariant: each round of EM makes the ratings at least as likely as the round before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.personal.prior import FLOOR, Prior, assumed

Floats = NDArray[np.float64]

ROUNDS = 30
FEWEST_RATINGS = 10
"""Ratings a rater must have given to be learned from."""
FEWEST_RATERS = 30
"""With fewer raters a covariance of eleven features is noise: then the assumed prior stands (ours)."""
CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Statistics:
    """All that EM needs to know of each rater: sums over their ratings of ff', fy and yy, and how many there are."""

    squares: Floats
    products: Floats
    totals: Floats
    counts: Floats

    def first(self, size: int) -> "Statistics":
        """Return the statistics of the first features alone."""
        return Statistics(
            np.ascontiguousarray(self.squares[:, :size, :size]),
            np.ascontiguousarray(self.products[:, :size]),
            self.totals,
            self.counts,
        )


def statistics(features: Floats, ratings: Floats, starts: Sequence[int] | NDArray[np.int64]) -> Statistics:
    """Return the statistics of raters whose ratings lie one after the other, each rater's from `starts` on."""
    bounds = np.append(np.asarray(starts, np.int64), len(ratings))
    people, size = len(bounds) - 1, features.shape[1]
    squares, products, totals = np.zeros((people, size, size)), np.zeros((people, size)), np.zeros(people)
    first = 0
    while first < people:  # in pieces: a product per rating would not fit into memory
        last = max(int(np.searchsorted(bounds, bounds[first] + CHUNK, side="right")) - 1, first + 1)
        rows = slice(int(bounds[first]), int(bounds[last]))
        each, said = features[rows], ratings[rows]
        offsets = bounds[first:last] - bounds[first]
        squares[first:last] = np.add.reduceat(each[:, :, None] * each[:, None, :], offsets, axis=0)
        products[first:last] = np.add.reduceat(each * said[:, None], offsets, axis=0)
        totals[first:last] = np.add.reduceat(said * said, offsets)
        first = last
    return Statistics(squares, products, totals, np.diff(bounds).astype(np.float64))


@dataclass(frozen=True, eq=False)
class People:
    """What EM thinks of every rater under a prior: weights (n, d), covariances (n, d, d), and how likely all is."""

    weights: Floats
    covariances: Floats
    likelihood: float


def people(prior: Prior, seen: Statistics) -> People:
    """Return every rater's posterior, and the log likelihood of all their ratings."""
    precisions = seen.squares / prior.noise + prior.precision
    covariances = np.asarray(np.linalg.inv(precisions), np.float64)
    # how far the ratings are from what the mean person would say
    missing = seen.products - seen.squares @ prior.weights
    shifts = np.einsum("nij,nj->ni", covariances, missing) / prior.noise
    errors = seen.totals - 2.0 * seen.products @ prior.weights + (seen.squares @ prior.weights) @ prior.weights
    fits = errors / prior.noise - np.einsum("ni,ni->n", missing, shifts) / prior.noise
    _, prior_size = np.linalg.slogdet(prior.covariance)
    _, sizes = np.linalg.slogdet(precisions)
    each = fits + sizes + prior_size + seen.counts * np.log(2.0 * np.pi * prior.noise)
    return People(prior.weights + shifts, covariances, float(-0.5 * each.sum()))


def learned(seen: Statistics, rounds: int = ROUNDS) -> Prior:
    """Return the prior that EM finds for raters; the offset of topics is learned by `topic_offsets`."""
    size = seen.products.shape[1]
    prior = assumed(size)
    history = []
    for _ in range(rounds):
        found = people(prior, seen)
        history.append(found.likelihood)
        prior = _maximised(found, seen, prior)
    history.append(people(prior, seen).likelihood)
    return Prior(
        prior.weights,
        prior.covariance,
        prior.noise,
        prior.offset,
        raters=len(seen.counts),
        history=tuple(history),
    )


def _maximised(found: People, seen: Statistics, before: Prior) -> Prior:
    """Return the prior under which what EM thinks of people is most likely."""
    weights = found.weights.mean(axis=0)
    apart = found.weights - weights
    covariance = (found.covariances.sum(axis=0) + apart.T @ apart) / len(apart)
    covariance = (covariance + covariance.T) / 2.0 + FLOOR * np.eye(len(weights))
    left = (
        seen.totals
        - 2.0 * np.einsum("ni,ni->n", found.weights, seen.products)
        + np.einsum("ni,nij,nj->n", found.weights, seen.squares, found.weights)
        + np.einsum("nij,nij->n", found.covariances, seen.squares)
    )
    noise = max(float(left.sum() / seen.counts.sum()), FLOOR)
    return Prior(weights, covariance, noise, before.offset)
