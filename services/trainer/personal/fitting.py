"""Makes a population of a crowd: reads the texts, counts the ratings, learns what people are like.

Invariant: equal crowds and seeds give equal populations.
Source: audits.md section 3.
"""

from collections.abc import Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.crowd_reading import overall, read_crowd
from services.trainer.personal.em import FEWEST_RATERS, FEWEST_RATINGS, learned, statistics
from services.trainer.personal.median import learned_cuts
from services.trainer.personal.offset_prior import learned_offset
from shared.personal.population import FORMAT, SIZES, Population, Variant
from shared.personal.prior import Prior, assumed
from shared.personal.topic_offsets import NO_TOPIC


def fit_population(crowd: Crowd, seed: int = 0) -> Population:
    """Return the population of a crowd. Deterministic; under a minute for 100,000 posts of five ratings each.

    Learned from are raters with ten ratings or more; with fewer than thirty of them the assumed prior stands.
    """
    with threadpool_limits(1):  # sums of two threads depend on who comes first
        return _fitted(crowd, seed)


def _fitted(crowd: Crowd, seed: int) -> Population:
    sums, counts = crowd.sums, crowd.counts
    reading = read_crowd(crowd, seed)
    blank = Population(
        crowd.posts,
        sums.astype(np.float32),
        counts.astype(np.int32),
        reading.scores,
        reading.about,
        {variant: assumed(size) for variant, size in SIZES.items()},
        reading.reader,
    )
    facts = {
        "format": FORMAT,
        "data_hash": crowd.data_hash,
        "seed": seed,
        "posts": len(crowd.posts),
        "ratings": len(crowd.rating),
        "raters": crowd.raters,
        "mean": overall(crowd),
    }
    return Population(
        blank.posts,
        blank.sums,
        blank.counts,
        blank.scores,
        blank.about,
        _priors(blank, crowd, seed),
        blank.reader,
        facts,
    )


def _priors(population: Population, crowd: Crowd, seed: int) -> Mapping[Variant, Prior]:
    """Return what EM finds of the raters with enough ratings, for both variants."""
    given = np.bincount(crowd.rater, minlength=crowd.raters)
    rows = np.flatnonzero(given[crowd.rater] >= FEWEST_RATINGS) if len(crowd.rater) else np.array([], np.int64)
    rater = crowd.rater[rows]
    starts = np.flatnonzero(np.diff(rater, prepend=-1))
    if len(starts) < FEWEST_RATERS:
        return population.priors
    posts, ratings = crowd.post[rows].astype(np.int64), crowd.rating[rows].astype(np.float64)
    features = population.features(posts, Variant.FULL, ratings)
    whole = statistics(features, ratings, starts)
    topics = crowd.topics[posts]
    made: dict[Variant, Prior] = {}
    for variant, size in SIZES.items():
        if variant is Variant.FULL and population.reader is None:
            made[variant] = population.priors[variant]
            continue
        prior = learned(whole.first(size))
        chosen = features[:, :size]
        if (topics != NO_TOPIC).any():
            prior = learned_offset(prior, chosen, ratings, starts, topics)
        made[variant] = learned_cuts(prior, chosen, ratings, starts, seed)
    return made
