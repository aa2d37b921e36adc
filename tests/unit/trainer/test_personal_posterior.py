"""A person's model: exact against dense algebra, the same bytes in any order, and honest about what it is worth."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.personal.crowd import Crowd
from services.trainer.personal.fitting import fit_population
from shared.personal.accuracy import Status
from shared.personal.artifact import dump
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Posterior, Rating, deviations, posterior, predictions, toxic_probability
from shared.personal.solving import inverse, packed, triangle, unpacked
from shared.personal.topic_offsets import NO_TOPIC
from tests.support.ombud import ROOT
from tests.support.raters import made

POSTS, RATERS = 1200, 120
CROWD = made(POSTS, RATERS).crowd


SHARED = fit_population(CROWD)


@pytest.fixture(scope="module")
def population() -> Population:
    return SHARED


def ratings_of(rater: int, count: int = 20, topics: bool = False) -> list[Rating]:
    """The first ratings of one of the made raters, as if the crowd held them."""
    rows = np.flatnonzero(CROWD.rater == rater)[:count]
    return [
        Rating(
            CROWD.posts[CROWD.post[row]],
            int(CROWD.rating[row]),
            int(CROWD.topics[CROWD.post[row]] % 4) if topics else NO_TOPIC,
            counted=float(CROWD.rating[row]),
        )
        for row in rows
    ]


def dense(population: Population, ratings: list[Rating], variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """Weights and covariance, topics' offsets behind, by the formulas of the specification and numpy's own solver."""
    prior, size = population.priors[variant], SIZES[variant]
    topics = sorted({each.topic for each in ratings if each.topic >= 0})
    rows, said = [], []
    for each in ratings:
        at = population.places[each.post]
        sums, count, text = (
            float(population.sums[at]),
            float(population.counts[at]),
            float(population.scores[at]),
        )
        crowd = (
            (sums - each.counted + 2 * text) / (count - 1 + 2)
            if each.counted is not None
            else (sums + 2 * text) / (count + 2)
        )
        rows.append([1, crowd, text, *population.about[at]][:size] + [each.topic == topic for topic in topics])
        said.append(each.rating)
    wide = size + len(topics)
    before = np.zeros((wide, wide))
    before[:size, :size] = np.linalg.inv(prior.covariance)
    before[range(size, wide), range(size, wide)] = 1 / prior.offset
    features, mean = np.array(rows, float).reshape(len(rows), wide), np.append(prior.weights, np.zeros(len(topics)))
    covariance = np.linalg.inv(features.T @ features / prior.noise + before)
    return covariance @ (features.T @ np.array(said, float) / prior.noise + before @ mean), covariance


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("topics", [False, True])
def test_the_closed_form_is_what_dense_algebra_says(population: Population, variant: Variant, topics: bool) -> None:
    ratings = ratings_of(3, topics=topics)
    found = posterior(population, ratings, variant=variant)
    weights, covariance = dense(population, ratings, variant)
    size = SIZES[variant]
    np.testing.assert_allclose(found.weights, weights[:size], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.covariance, packed(covariance[:size, :size]), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose([each.mean for each in found.offsets], weights[size:], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose([each.deviation**2 for each in found.offsets], np.diag(covariance)[size:], rtol=1e-4)
    assert len(found.offsets) == (len({each.topic for each in ratings}) if topics else 0)


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("topics", [False, True])
def test_leaving_a_rating_out_is_what_a_model_without_it_says(
    population: Population, variant: Variant, topics: bool
) -> None:
    ratings = ratings_of(5, topics=topics)
    errors = []
    for at, left in enumerate(ratings):
        others = posterior(population, ratings[:at] + ratings[at + 1 :], variant=variant)
        place = np.array([population.places[left.post]])
        features = population.features(place, variant, np.array([left.counted], float))
        offset = sum(each.mean for each in others.offsets if each.topic == left.topic)
        errors.append(float(np.clip(features[0] @ others.weights + offset, 0, 4)) - float(left.rating or 0))
    found = posterior(population, ratings, variant=variant).accuracy
    assert found is not None
    assert found.model.mae == pytest.approx(np.mean(np.abs(errors)), rel=1e-9)
    assert found.model.mse == pytest.approx(np.mean(np.square(errors)), rel=1e-9)
    assert found.model.avg_diff == pytest.approx(np.mean(errors), rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(20)))
def test_ratings_in_any_order_give_the_same_bytes(order: list[int]) -> None:
    population, ratings = SHARED, ratings_of(7, topics=True)
    shuffled = posterior(population, [ratings[at] for at in order])
    straight = posterior(population, ratings)
    assert bytes(shuffled) == bytes(straight)
    assert shuffled.accuracy == straight.accuracy
    assert predictions(population, shuffled).tobytes() == predictions(population, straight).tobytes()


OTHER_PROCESS = """
import pathlib, sys
from shared.personal.artifact import load
from services.trainer.personal.fitting import fit_population
from tests.unit.trainer.test_personal_posterior import CROWD, posterior, predictions, ratings_of
given = pathlib.Path(sys.argv[1]).read_bytes()
population = load(given) if sys.argv[2] == "load" else fit_population(CROWD)
found = posterior(population, ratings_of(7, topics=True)[::-1])
sys.stdout.buffer.write(bytes(found) + predictions(population, found).tobytes())
"""


@pytest.mark.parametrize(
    ("population", "processor"),
    [
        ("fit", {}),
        # as an old processor without vectors of its own would do it: on a population made elsewhere
        ("load", {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4", "OPENBLAS_CORETYPE": "Prescott"}),
    ],
)
def test_another_process_gives_the_same_bytes(population: str, processor: dict[str, str], tmp_path: Path) -> None:
    found = posterior(SHARED, ratings_of(7, topics=True))
    (tmp_path / "population").write_bytes(dump(SHARED))
    there = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OTHER_PROCESS, tmp_path / "population", population],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **processor},
        capture_output=True,
        check=True,
    )
    assert there.stdout == bytes(found) + predictions(SHARED, found).tobytes()


def test_without_ratings_it_is_the_population_view(population: Population) -> None:
    found = posterior(population, [Rating(CROWD.posts[0], None)])
    prior = population.priors[Variant.FULL]
    assert (found.status, found.accuracy, found.ratings, found.unsure) == (Status.POPULATION_VIEW, None, 0, 1)
    assert found.weights.tobytes() == prior.weights.tobytes()
    np.testing.assert_allclose(unpacked(found.covariance), prior.covariance, rtol=1e-9, atol=1e-12)


def test_a_rating_that_was_changed_leaves_no_trace(population: Population) -> None:
    ratings = ratings_of(9)
    strict = [replace(each, rating=4) for each in ratings]
    posterior(population, [replace(each, rating=0) for each in ratings])
    assert bytes(posterior(population, strict)) == bytes(posterior(fit_population(CROWD), strict))


def test_two_ratings_of_one_post_are_refused(population: Population) -> None:
    with pytest.raises(ValueError, match="two ratings"):
        posterior(population, [Rating("post-0000001", 0), Rating("post-0000001", 4)])


def test_a_post_the_population_does_not_know_is_counted_and_teaches_nothing(population: Population) -> None:
    ratings = ratings_of(2)
    found = posterior(population, [*ratings, Rating("somewhere else", 4)])
    assert bytes(found) == bytes(posterior(population, ratings))
    assert (found.unknown, found.ratings) == (1, 20)


def test_an_offset_moves_its_topic_and_no_other(population: Population) -> None:
    ratings = [replace(each, topic=1 if at < 8 else 2, counted=None) for at, each in enumerate(ratings_of(4))]
    strict = [replace(each, rating=4 if each.topic == 1 else each.rating) for each in ratings]
    found = posterior(population, strict)
    topics = np.arange(POSTS) % 3
    plain, tuned = predictions(population, found), predictions(population, found, topics=topics)
    assert [each.ratings for each in found.offsets] == [8, 12]
    assert found.offsets[0].mean > 0
    assert (tuned[topics == 0] == plain[topics == 0]).all()
    assert (tuned[topics == 1] >= plain[topics == 1]).all()
    assert tuned[topics == 1].mean() > plain[topics == 1].mean()
    apart = deviations(population, found, topics=topics) - deviations(population, found)
    assert (apart[topics == 0] == 0).all()
    assert (apart[topics != 0] > 0).all()


def test_what_is_said_of_a_person_is_sane(population: Population) -> None:
    strict = posterior(population, [replace(each, rating=4) for each in ratings_of(6)])
    mild = posterior(population, [replace(each, rating=0) for each in ratings_of(6)])
    for found in (strict, mild):
        said = predictions(population, found)
        assert said.dtype == np.float32
        assert said.min() >= 0 and said.max() <= 4
        sure, one = deviations(population, found), deviations(population, found, one_rating=True)
        assert (sure > 0).all() and (one > sure).all()
    toxic = toxic_probability(population, strict)
    assert toxic.min() >= 0 and toxic.max() <= 1
    assert (toxic > toxic_probability(population, mild)).all()
    few = np.array([5, 17])
    assert predictions(population, strict, few).tolist() == predictions(population, strict)[few].tolist()
    # a quarter of its own ratings says nothing about a model: fewer than ten have no status
    assert posterior(population, ratings_of(6, 9)).status is Status.TOO_FEW


def test_a_status_needs_an_interval_that_excludes_zero(population: Population) -> None:
    found = [posterior(population, ratings_of(rater, 40)) for rater in range(60)]
    for each in found:
        against = each.accuracy.against_crowd if each.accuracy else None
        assert against is not None and against.low < against.value < against.high
        expected = (
            Status.BETTER_THAN_CROWD
            if against.high < 0
            else Status.WORSE_THAN_CROWD
            if against.low > 0
            else Status.NOT_BETTER_THAN_CROWD_YET
        )
        assert each.status is expected
    assert {each.status for each in found} >= {Status.BETTER_THAN_CROWD, Status.NOT_BETTER_THAN_CROWD_YET}


def gain(population: Population, model: Posterior, crowd: Crowd, rows: np.ndarray) -> tuple[float, float]:
    """Mean absolute errors of a model and of the crowd on ratings the model has not seen."""
    at = crowd.post[rows].astype(np.int64)
    said = crowd.rating[rows].astype(float)
    features = population.features(at, Variant.SMALL, said)
    return float(np.abs(predictions(population, model, at) - said).mean()), float(np.abs(features[:, 1] - said).mean())


@pytest.mark.parametrize("variant", Variant)
def test_the_crowd_is_beaten_by_what_was_put_into_the_made_raters(variant: Variant) -> None:
    crowd = made(2400, 240, apart=0.9, topical=0.0).crowd
    apart = []
    population = fit_population(crowd)
    for rater in range(0, 240, 4):
        rows = np.flatnonzero(crowd.rater == rater)
        rows = np.random.default_rng(rater).permutation(rows)
        ratings = [
            Rating(crowd.posts[crowd.post[row]], int(crowd.rating[row]), counted=float(crowd.rating[row]))
            for row in rows[:20]
        ]
        apart.append(gain(population, posterior(population, ratings, variant=variant), crowd, rows[20:]))
    mine, crowds = np.mean(apart, axis=0)
    assert mine < 0.8 * crowds


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 14))
def test_small_systems_are_solved_as_numpy_solves_them(seed: int, size: int) -> None:
    some = np.random.default_rng(seed).normal(size=(size + 3, size))
    matrix = some.T @ some + 0.1 * np.eye(size)
    factor = triangle(matrix)
    np.testing.assert_allclose(factor @ factor.T, matrix, rtol=1e-9, atol=1e-9)
    found = inverse(matrix)
    np.testing.assert_allclose(found, np.linalg.inv(matrix), rtol=1e-6, atol=1e-8)
    assert (found == found.T).all()
    assert (unpacked(packed(found)) == found).all()


def test_what_is_no_system_is_refused() -> None:
    with pytest.raises(ValueError, match="positive definite"):
        inverse(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(ValueError, match="triangle"):
        unpacked(np.zeros(4))
