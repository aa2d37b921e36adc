"""Personal models at the size of Kumar et al. 2021: how long a population takes, and one person's ratings after it.

Baselines: EM with one step per rater instead of all at once; scikit-learn's Ridge refitted on the same ratings, asked
about the same posts. Memory is warm and nothing is stored: events and tables are another case's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.crowd_reading import read_crowd
from services.trainer.personal.em import FEWEST_RATINGS, ROUNDS, learned, statistics
from services.trainer.personal.fitting import fit_population
from shared.personal.artifact import dump, load
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Rating, deviations, posterior, predictions, toxic_probability
from shared.personal.prior import Prior
from tests.support.raters import made

LABELS = 20
TIMES = 300
LOOPED = 1_000
"""Raters of the per-rater baseline; its time is taken as proportional."""


@dataclass(frozen=True)
class Took:
    """What something took: seconds on the clock and seconds of processor time of this process."""

    wall: float
    cpu: float


def timed(what: Callable[[], object]) -> Took:
    """Return what one call took."""
    wall, cpu = time.perf_counter(), time.process_time()
    what()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def quantiles(what: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the 95th percentile of many calls, in milliseconds."""
    times = sorted(timed(what).wall * 1e3 for _ in range(TIMES))
    return times[TIMES // 2], times[int(TIMES * 0.95)]


def measure(console: Console) -> None:
    """Print times of the population and of one person's model, each beside its baseline."""
    crowd = made().crowd
    console.print(
        f"{len(crowd.posts):,} posts, {len(crowd.rating):,} ratings, {crowd.raters:,} raters; texts of "
        f"{np.mean([len(str(text)) for text in crowd.texts]):.0f} characters; one thread"
    )
    with threadpool_limits(1):
        _population(crowd, console)
        _person(crowd, fit_population(crowd), console)


def _population(crowd: Crowd, console: Console) -> None:
    read_crowd(made(200, 30).crowd, 0)  # compiles
    found: list[Population] = []
    whole = timed(lambda: found.append(fit_population(crowd)))
    population = found[0]
    reading = timed(lambda: read_crowd(crowd, 0))
    table = Table("population artefact", "wall s", "processor s", "baseline, processor s", "ratio")
    table.add_row("whole (wanted: < 60)", f"{whole.wall:.1f}", f"{whole.cpu:.1f}", "", "")
    table.add_row("  TF-IDF, five ridges, components", f"{reading.wall:.1f}", f"{reading.cpu:.1f}", "", "")
    rows = np.flatnonzero(np.bincount(crowd.rater)[crowd.rater] >= FEWEST_RATINGS)
    ratings = crowd.rating[rows].astype(np.float64)
    starts = np.flatnonzero(np.diff(crowd.rater[rows], prepend=-1))
    for variant, size in SIZES.items():
        features = population.features(crowd.post[rows].astype(np.int64), variant, ratings)
        seen = statistics(features, ratings, starts)
        took = timed(lambda seen=seen: learned(seen))  # type: ignore[misc]
        prior = population.priors[variant]
        loop = timed(lambda f=features, p=prior: _looped(f, ratings, starts[: LOOPED + 1], p))  # type: ignore[misc]
        slow = loop.cpu * ROUNDS * len(starts) / LOOPED
        table.add_row(
            f"  EM, d = {size}, {ROUNDS} rounds",
            f"{took.wall:.1f}",
            f"{took.cpu:.1f}",
            f"{slow:.1f}",
            f"{slow / took.cpu:.1f}",
        )
    data = dump(population)
    packing, unpacking = timed(lambda: dump(population)), timed(lambda: load(data))
    table.add_row(f"  file of {len(data) / 1e6:.1f} MB written", f"{packing.wall:.1f}", f"{packing.cpu:.1f}", "", "")
    table.add_row("  and read", f"{unpacking.wall:.1f}", f"{unpacking.cpu:.1f}", "", "")
    console.print(table)


def _looped(features: np.ndarray, ratings: np.ndarray, starts: np.ndarray, prior: Prior) -> None:
    """One round of EM's first step, rater by rater."""
    for begin, end in pairwise(starts.tolist()):
        each, said = features[begin:end], ratings[begin:end]
        covariance = np.linalg.inv(each.T @ each / prior.noise + prior.precision)
        weights = covariance @ (each.T @ said / prior.noise + prior.precision @ prior.weights)
        apart = weights - prior.weights
        covariance + np.outer(apart, apart)
        ((said - each @ weights) ** 2).sum() + np.trace(each @ covariance @ each.T)


def _person(crowd: Crowd, population: Population, console: Console) -> None:
    rows = np.flatnonzero(crowd.rater == 1)[:LABELS]
    at = crowd.post[rows].astype(np.int64)
    said = crowd.rating[rows].astype(np.float64)
    ratings = [
        Rating(crowd.posts[post], float(rating), counted=float(rating), system=2.0)
        for post, rating in zip(at, said, strict=True)
    ]
    table = Table(f"one person, {LABELS} ratings", "p50 ms", "p95 ms", "Ridge, p50 ms", "ratio")
    population.features(at, Variant.FULL)
    for variant, size in SIZES.items():
        model = posterior(population, ratings, variant=variant)
        everything = np.ascontiguousarray(population.columns[1:size].T)
        seen = population.features(at, variant)[:, 1:]

        def ridge(seen: np.ndarray = seen, everything: np.ndarray = everything) -> None:
            np.clip(Ridge(1.0).fit(seen, said).predict(everything), 0, 4)

        theirs, _ = quantiles(ridge)
        for name, what in (
            ("rating -> model, with errors and status", lambda v=variant: posterior(population, ratings, variant=v)),
            ("all posts predicted (wanted: < 5)", lambda m=model: predictions(population, m)),
            (
                "both",
                lambda v=variant: predictions(population, posterior(population, ratings, variant=v)),
            ),
        ):
            middle, late = quantiles(what)
            ratio = (f"{theirs:.2f}", f"{theirs / middle:.1f}") if name == "both" else ("", "")
            table.add_row(f"d = {size}: {name}", f"{middle:.2f}", f"{late:.2f}", *ratio)
        for name, what in (
            ("all posterior sds", lambda m=model: deviations(population, m)),
            ("all probabilities of toxic", lambda m=model: toxic_probability(population, m)),
        ):
            middle, late = quantiles(what)
            table.add_row(f"d = {size}: {name}", f"{middle:.2f}", f"{late:.2f}", "", "")
    console.print(table)
