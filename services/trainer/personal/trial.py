"""How well personal models know people they have not met: the protocol of audits.md section 16, on any file of ratings.

Users are put into folds; for each of them the population comes from the other folds only, a few of their ratings teach
and all the rest judge. Invariant: nothing that judges a model was seen when it, its population or its text scores were
made, and all methods see the same ratings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.em import FEWEST_RATINGS
from services.trainer.personal.fitting import fit_population
from services.trainer.personal.median import medians
from services.trainer.personal.rated_files import FORMATS, NotRatings, Table, layout_of, table_of
from shared.judgement import CUT, HIGHEST, LOWEST, stratified
from shared.personal.accuracy import balanced_accuracy
from shared.personal.population import Population, Variant, left_out
from shared.personal.posterior import Rating, posterior, predictions

__all__ = ["DRAWS", "FORMATS", "METHODS", "NotRatings", "Protocol", "layout_of", "report", "table_of"]

Floats = NDArray[np.float64]

METHODS = {
    "full": "ours, d=11",
    "small": "ours, d=2",
    "offset": "crowd + offset",
    "crowd": "crowd mean",
    "own_mean": "own mean",
    "zero": "constant 0",
    "median": "median of d=11",
}
DRAWS = ("random", "binned")
"""How the ratings that teach are chosen: any, or by severity of the text score as a person would be asked."""
MEASURES = ("mae", "rmse", "balanced_accuracy")
RESAMPLED = 2_000
ANCHORS = (("random", "mae", 0.66), ("random", "rmse", 0.87), ("binned", "mae", 0.60), ("binned", "rmse", 0.80))
"""What the full variant has to reach on POPQUORN."""


@dataclass(frozen=True)
class Protocol:
    """How people are tried: folds, ratings that teach, draws of them, and the fewest ratings a person must have."""

    folds: int = 10
    labels: int = 20
    draws: int = 3
    fewest: int = 50
    seed: int = 0


@dataclass(frozen=True)
class _Shrunk:
    """A person as the crowd and a constant: the mean of all people, and how much one's own mean counts."""

    mean: float
    ratio: float

    def offset(self, apart: Floats) -> float:
        """Return a person's constant from what their ratings are above the crowd."""
        return self.mean + float((apart - self.mean).sum()) / (len(apart) + self.ratio)


def report(table: Table, protocol: Protocol, told: Callable[[int, int], None]) -> dict[str, Any]:
    """Return the document of a trial; `told` hears (folds done, folds). Raises NotRatings if nobody can be tried."""
    crowd = table.crowd
    given = np.bincount(crowd.rater, minlength=len(table.raters))
    tried = given >= max(protocol.fewest, protocol.labels + 1)
    if tried.sum() < 2:
        raise NotRatings(
            f"fewer than two raters have {max(protocol.fewest, protocol.labels + 1)} ratings (see --fewest)"
        )
    folds = _folds(table, protocol)
    errors: dict[str, list[Floats]] = {draw: [] for draw in DRAWS}
    names = np.unique(folds)
    if len(names) < 2:
        raise NotRatings("there is one fold: nobody is left to make a population of")
    learned_from = []
    for done, fold in enumerate(names):
        population, shrunk = _population(crowd, np.flatnonzero(folds != fold), protocol.seed)
        learned_from.append(population.priors[population.variant].raters)
        for rater in np.flatnonzero((folds == fold) & tried):
            for draw in DRAWS:
                errors[draw].append(_person(population, shrunk, crowd, int(rater), draw, protocol))
        told(done + 1, len(names))
    left = dict(table.left_out)
    if few := int((~tried).sum()):
        left["of raters with too few ratings: in populations, not tried"] = int(given[~tried].sum())
    return {
        "raters": len(table.raters),
        "posts": len(crowd.posts),
        "ratings": len(crowd.rating),
        "with_text": sum(text is not None for text in crowd.texts),
        "tried": int(tried.sum()),
        "not_tried": few,
        "left_out": left,
        "data_hash": crowd.data_hash,
        "protocol": {
            "folds": len(names),
            "labels": protocol.labels,
            "draws": protocol.draws,
            "fewest": protocol.fewest,
            "seed": protocol.seed,
            "cut": CUT,
        },
        "learned_from": {"fewest": min(learned_from), "most": max(learned_from)},
        "results": {draw: _summary(np.stack(each), protocol.seed) for draw, each in errors.items()},
    }


def anchors(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the full variant has to reach on POPQUORN, and whether it did."""
    found = []
    for draw, measure, wanted in ANCHORS:
        value = results[draw]["full"][measure]["value"]
        found.append({"draw": draw, "measure": measure, "wanted": wanted, "found": value, "met": value <= wanted})
    return found


def _folds(table: Table, protocol: Protocol) -> NDArray[np.int64]:
    """Return the fold of every rater: the file's, or drawn."""
    if table.folds is not None:
        return np.unique(table.folds, return_inverse=True)[1].astype(np.int64)
    count = len(table.raters)
    return np.random.default_rng(protocol.seed).permutation(count) % min(protocol.folds, count)


def _population(crowd: Crowd, others: NDArray[np.int64], seed: int) -> tuple[Population, _Shrunk]:
    """Return what is learned of these raters alone; all posts are in it, as all are on a platform."""
    rows = np.flatnonzero(np.isin(crowd.rater, others))
    rest = replace(crowd, rater=crowd.rater[rows], post=crowd.post[rows], rating=crowd.rating[rows])
    population = fit_population(rest, seed)
    post, said = rest.post, rest.rating.astype(np.float64)
    apart = said - left_out(population.sums[post], population.counts[post], population.scores[post], said)
    counts = np.bincount(rest.rater, minlength=crowd.raters).astype(np.float64)
    enough = counts >= FEWEST_RATINGS
    if enough.sum() < 2:
        return population, _Shrunk(0.0, float(FEWEST_RATINGS))
    means = np.bincount(rest.rater, apart, crowd.raters)[enough] / counts[enough]
    squares = np.bincount(rest.rater, apart * apart, crowd.raters)[enough] / counts[enough]
    within = float(np.sum((squares - means**2) * counts[enough]) / np.sum(counts[enough] - 1.0))
    between = float(np.mean((means - means.mean()) ** 2 - within / counts[enough]))
    return population, _Shrunk(float(means.mean()), within / max(between, 1e-3))


def _person(population: Population, shrunk: _Shrunk, crowd: Crowd, rater: int, draw: str, protocol: Protocol) -> Floats:
    """Return a person's errors (methods, measures), the mean of all draws; NaN where a measure has no meaning."""
    rows = np.flatnonzero(crowd.rater == rater)
    posts, said = crowd.post[rows].astype(np.int64), crowd.rating[rows].astype(np.float64)
    found = []
    for number in range(protocol.draws):
        order = np.random.default_rng([protocol.seed, rater, number]).permutation(len(rows))
        if draw == "binned":
            severities = population.scores[posts].astype(np.float64)
            chosen = np.array(stratified(severities, order, _counts(protocol.labels)), np.int64)
        else:
            chosen = order[: protocol.labels]
        rest = np.setdiff1d(order, chosen)
        guesses = _guesses(population, shrunk, posts, said, chosen, rest)
        found.append([_measured(said[rest], guesses[method]) for method in METHODS])
    return np.asarray(np.mean(found, axis=0), np.float64)


def _counts(labels: int) -> tuple[int, ...]:
    """Return how many ratings of each severity teach: 2, 4, 8, 4, 2 of twenty, the rest in the middle."""
    outer, inner = labels // 10, labels // 5
    return (outer, inner, labels - 2 * outer - 2 * inner, inner, outer)


def _guesses(
    population: Population,
    shrunk: _Shrunk,
    posts: NDArray[np.int64],
    said: Floats,
    chosen: NDArray[np.int64],
    rest: NDArray[np.int64],
) -> dict[str, Floats]:
    """Return what every method says of the ratings that judge."""
    # a rating need not be whole here: files may hold means of several answers
    ratings = [Rating(population.posts[posts[at]], float(said[at])) for at in chosen]
    crowd = population.crowd.astype(np.float64)
    variants = {
        each: predictions(population, posterior(population, ratings, variant=each), posts[rest]).astype(np.float64)
        for each in Variant
    }
    best = population.variant
    return {
        "full": variants[best] if best is Variant.FULL else np.full(len(rest), np.nan),
        "small": variants[Variant.SMALL],
        "offset": np.clip(crowd[posts[rest]] + shrunk.offset(said[chosen] - crowd[posts[chosen]]), LOWEST, HIGHEST),
        "crowd": crowd[posts[rest]],
        "own_mean": np.full(len(rest), said[chosen].mean()),
        "zero": np.zeros(len(rest)),
        "median": medians(population.priors[best], variants[best]),
    }


def _measured(said: Floats, guessed: Floats) -> list[float]:
    if np.isnan(guessed).any():
        return [np.nan] * len(MEASURES)
    apart = guessed - said
    balanced = balanced_accuracy(said, guessed, CUT)
    return [
        float(np.abs(apart).mean()),
        float(np.sqrt(np.mean(apart * apart))),
        np.nan if balanced is None else balanced,
    ]


def _summary(errors: Floats, seed: int) -> dict[str, Any]:
    """Return per method the mean over users of every measure with its interval, and the difference to the crowd.

    `errors` has shape (users, methods, measures). Intervals: 95 % of 2,000 draws of as many users.
    """
    users = len(errors)
    times = np.random.default_rng(seed).multinomial(users, np.full(users, 1.0 / users), RESAMPLED).astype(np.float64)
    base = errors[:, list(METHODS).index("crowd")]
    found: dict[str, Any] = {}
    for at, method in enumerate(METHODS):
        found[method] = {
            measure: {
                **_interval(errors[:, at, k], times),
                "against_crowd": None if method == "crowd" else _interval(errors[:, at, k] - base[:, k], times),
            }
            for k, measure in enumerate(MEASURES)
        }
    return found


def _interval(values: Floats, times: Floats) -> dict[str, float | int | None]:
    """Return mean, 95 % interval and number of users for whom the value has a meaning; None where there are none."""
    known = ~np.isnan(values)
    if not known.any():
        return {"value": None, "low": None, "high": None, "users": 0}
    weights = times[:, known]
    drawn = (weights @ values[known]) / np.maximum(weights.sum(axis=1), 1.0)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": float(values[known].mean()), "low": float(low), "high": float(high), "users": int(known.sum())}
