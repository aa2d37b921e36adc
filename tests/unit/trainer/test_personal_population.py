"""What personal models stand on: EM that climbs, text scores that never saw their post, a file that is checked."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import orjson
import pytest

from services.trainer.personal.crowd import Crowd, crowd_of
from services.trainer.personal.crowd_reading import read_crowd
from services.trainer.personal.em import learned, people, statistics
from services.trainer.personal.fitting import fit_population
from services.trainer.personal.median import medians
from services.trainer.personal.offset_prior import learned_offset
from shared.artifacts import BadArtifact
from shared.personal.artifact import dump, load
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Rating, posterior
from shared.personal.prior import assumed
from tests.support.raters import made, without_texts

MADE = made(2400, 240, topical=0.5)
CROWD = MADE.crowd


@pytest.fixture(scope="module")
def population() -> Population:
    return fit_population(CROWD)


def test_each_round_of_em_makes_the_ratings_likelier(population: Population) -> None:
    for variant in Variant:
        history = np.array(population.priors[variant].history)
        assert len(history) == 31
        assert (np.diff(history) > -1e-6 * np.abs(history[:-1])).all()
        assert history[-1] > history[0]


def test_the_likelihood_is_that_of_the_dense_normal_distribution() -> None:
    draw = np.random.default_rng(1)
    features = np.column_stack([np.ones(12), draw.normal(size=12)])
    ratings, prior = draw.normal(size=12), assumed(2)
    found = people(prior, statistics(features, ratings, [0, 5]))
    expected = 0.0
    for rows in (slice(0, 5), slice(5, 12)):
        spread = features[rows] @ prior.covariance @ features[rows].T + prior.noise * np.eye(rows.stop - rows.start)
        missed = ratings[rows] - features[rows] @ prior.weights
        _, size = np.linalg.slogdet(2 * np.pi * spread)
        expected -= 0.5 * (size + missed @ np.linalg.solve(spread, missed))
    assert found.likelihood == pytest.approx(expected)


def test_em_finds_the_people_that_were_made() -> None:
    draw = np.random.default_rng(2)
    raters, each = 600, 25
    weights = draw.multivariate_normal([0.3, 0.9], [[0.4, 0.1], [0.1, 0.2]], raters)
    features = np.column_stack([np.ones(raters * each), draw.uniform(0, 4, raters * each)])
    ratings = (features * np.repeat(weights, each, axis=0)).sum(axis=1) + draw.normal(0, 0.7, raters * each)
    prior = learned(statistics(features, ratings, np.arange(0, raters * each, each)))
    np.testing.assert_allclose(prior.weights, [0.3, 0.9], atol=0.06)
    np.testing.assert_allclose(prior.covariance, [[0.4, 0.1], [0.1, 0.2]], atol=0.06)
    assert prior.noise == pytest.approx(0.49, abs=0.02)


def test_the_variance_of_offsets_is_found_and_is_nothing_where_topics_mean_nothing() -> None:
    draw = np.random.default_rng(3)
    raters, each, topics = 500, 24, 6
    rater, topic = np.repeat(np.arange(raters), each), draw.integers(0, topics, raters * each).astype(np.int32)
    features = np.column_stack([np.ones(raters * each), draw.uniform(0, 4, raters * each)])
    base = features @ np.array([0.0, 1.0]) + np.repeat(draw.normal(0, 0.5, raters), each)
    starts, noise = np.arange(0, raters * each, each), draw.normal(0, 0.5, raters * each)
    for sd in (0.6, 0.0):
        ratings = base + draw.normal(0, sd, (raters, topics))[rater, topic] + noise
        prior = learned(statistics(features, ratings, starts))
        found = learned_offset(prior, features, ratings, starts, topic).offset
        assert found == pytest.approx(sd**2, abs=0.05)
    some = topic.copy()
    some[:] = -1
    assert learned_offset(prior, features, ratings, starts, some).offset == prior.offset


def test_a_text_score_never_saw_the_ratings_of_its_post() -> None:
    ratings = CROWD.rating.copy()
    turned = 17
    ratings[CROWD.post == turned] = 4 - ratings[CROWD.post == turned]
    before, after = read_crowd(CROWD, 0), read_crowd(replace(CROWD, rating=ratings), 0)
    assert before.scores[turned] == after.scores[turned]
    assert (before.scores != after.scores).sum() > 1000
    assert np.corrcoef(before.scores, MADE.severity)[0, 1] > 0.8


def test_a_population_is_the_same_whatever_order_its_ratings_came_in() -> None:
    rows = [
        (f"rater {rater}", CROWD.posts[post], float(rating))
        for rater, post, rating in zip(CROWD.rater, CROWD.post, CROWD.rating, strict=True)
    ]
    texts = dict(zip(CROWD.posts, CROWD.texts, strict=True))
    topics = {post: int(topic) for post, topic in zip(CROWD.posts, CROWD.topics, strict=True)}
    some = crowd_of(rows, texts, topics)
    order = np.random.default_rng(4).permutation(len(rows))
    other = crowd_of([rows[at] for at in order], dict(reversed(texts.items())), topics)
    assert some.data_hash == other.data_hash
    assert dump(fit_population(some)) == dump(fit_population(other))
    changed = crowd_of([*rows, (rows[0][0], rows[0][1], 0.0 if rows[0][2] else 4.0)], texts, topics)
    assert len(changed.rating) == len(some.rating)
    assert changed.data_hash != some.data_hash


def test_new_posts_are_read_by_what_the_words_of_others_taught(population: Population) -> None:
    assert population.reader is not None
    scores, about = population.reader.read([str(CROWD.texts[3]), "", "nothing of this was ever seen"])
    # the ridge of all posts, not of four fifths of them
    assert scores[0] == pytest.approx(population.scores[3], abs=0.5)
    np.testing.assert_allclose(about[0], population.about[3], atol=1e-4)
    assert np.isfinite(about).all()
    assert (scores >= 0).all() and (scores <= 4).all()


def test_an_installation_without_ratings_has_the_systems_view() -> None:
    young = fit_population(crowd_of([], {"a": "a text", "b": None}, system={"a": 3.0}))
    assert young.variant is Variant.SMALL
    assert young.scores.tolist() == [3.0, 1.0]
    assert young.priors[Variant.SMALL].history == ()
    crowdless = fit_population(crowd_of([("x", "c", 4.0)], {}))
    assert crowdless.scores.tolist() == [4.0]


def test_without_texts_the_small_variant_is_learned_alone() -> None:
    blind = fit_population(without_texts(CROWD))
    assert (blind.variant, blind.reader) == (Variant.SMALL, None)
    assert blind.priors[Variant.SMALL].raters == 240
    assert blind.priors[Variant.FULL].raters == 0
    assert posterior(blind, [Rating(CROWD.posts[1], 2)]).weights.shape == (SIZES[Variant.SMALL],)


def test_the_median_map_is_monotone_and_lowers_the_mean_absolute_error(population: Population) -> None:
    prior = population.priors[Variant.SMALL]
    assert list(prior.cuts) == sorted(prior.cuts)
    assert medians(prior, np.linspace(0, 4, 50)).tolist() == sorted(medians(prior, np.linspace(0, 4, 50)).tolist())
    assert set(medians(prior, np.linspace(0, 4, 50))) <= {0.0, 1.0, 2.0, 3.0, 4.0}


def test_a_population_survives_its_file_to_the_last_bit(population: Population) -> None:
    data = dump(population)
    again = load(data)
    assert dump(again) == data
    assert again.posts == population.posts
    assert again.columns.tobytes() == population.columns.tobytes()
    ratings = [Rating(CROWD.posts[at], at % 5, topic=at % 3) for at in range(20)]
    assert bytes(posterior(again, ratings)) == bytes(posterior(population, ratings))
    assert again.reader is not None and population.reader is not None
    read, reread = (each.read([str(CROWD.texts[3])]) for each in (population.reader, again.reader))
    assert [each.tobytes() for each in read] == [each.tobytes() for each in reread]
    blind = fit_population(without_texts(made(200, 30).crowd))
    assert dump(load(dump(blind))) == dump(blind)


def rewritten(data: bytes, **changes: bytes | None) -> bytes:
    """An artifact with parts replaced, added or (None) left out."""
    made_of = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(made_of, "w") as changed:
        parts: dict[str, bytes | None] = {name: packed.read(name) for name in packed.namelist()}
        for name, part in (parts | {name.replace("_", "."): part for name, part in changes.items()}).items():
            if part is not None:
                changed.writestr(name, part)
    return made_of.getvalue()


def refused(data: bytes) -> bool:
    """Whether bytes are refused as they should be."""
    try:
        load(data)
    except BadArtifact:
        return True
    return False


def array(values: np.ndarray) -> bytes:
    saved = io.BytesIO()
    np.save(saved, values, allow_pickle=values.dtype == object)
    return saved.getvalue()


def said(population: Population, **changes: object) -> bytes:
    """The JSON part of an artifact with fields of the small prior replaced."""
    with zipfile.ZipFile(io.BytesIO(dump(population))) as packed:
        document = orjson.loads(packed.read("facts.json"))
    document["priors"]["small"] |= changes
    return orjson.dumps(document)


def test_what_is_no_population_is_refused(population: Population) -> None:
    data, posts = dump(population), len(population.posts)
    bad = {
        "nothing": b"",
        "half": data[: len(data) // 2],
        "a part missing": rewritten(data, sums_npy=None),
        "a part more": rewritten(data, more_npy=array(np.zeros(1))),
        "no number": rewritten(data, scores_npy=array(np.full(posts, np.nan, np.float32))),
        "objects": rewritten(data, scores_npy=array(np.array([None] * posts))),
        "another length": rewritten(data, counts_npy=array(np.zeros(posts - 1, np.int32))),
        "less than nothing": rewritten(data, counts_npy=array(np.full(posts, -1, np.int32))),
        "one post twice": rewritten(data, posts_json=orjson.dumps(["same"] * posts)),
        "a negative variance": rewritten(data, facts_json=said(population, noise=-1.0)),
        "no covariance": rewritten(data, facts_json=said(population, covariance=[[1.0, 2.0], [2.0, 1.0]])),
        "another size": rewritten(data, facts_json=said(population, weights=[1.0])),
    }
    assert [what for what, each in bad.items() if not refused(each)] == []


def test_no_rater_and_no_text_is_in_the_file() -> None:
    named = [("somebody@example.org", post, 3.0) for post in CROWD.posts[:60]]
    data = dump(fit_population(crowd_of(named, dict(zip(CROWD.posts, CROWD.texts, strict=True)))))
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        whole = b"".join(packed.read(name) for name in packed.namelist())
    assert b"somebody" not in whole
    assert str(CROWD.texts[0]).encode() not in whole


def test_a_crowd_of_nobody_is_no_error() -> None:
    empty: Crowd = crowd_of([], {})
    found = fit_population(empty)
    assert (found.posts, empty.raters) == ((), 0)
    assert dump(load(dump(found))) == dump(found)
