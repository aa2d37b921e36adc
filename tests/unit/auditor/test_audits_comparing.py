"""A person beside others and the system: only ratings of people are tested, small numbers say nothing."""

from dataclasses import replace

import numpy as np
import pytest

from services.auditor.audits.columns import Basis
from services.auditor.audits.comparing import By, against_others, against_system, classes, own_calls, place
from services.auditor.audits.decisions import ErrorType, side_of
from services.auditor.audits.knowing import known
from services.auditor.audits.similar import clusters, nearest
from shared.chance import paired_odds
from shared.judgement import SEVERITIES
from tests.support.audits import BASIS, judge_of, made_corpus

CORPUS = made_corpus(2_000)
JUDGE = judge_of(CORPUS, labels=80, bias=0.6)
SIDE = side_of(CORPUS, JUDGE)


def test_a_place_among_people_needs_fifteen_of_them() -> None:
    assert place(0.5, [0.1] * 14) is None
    found = place(0.55, [0.1 * at for at in range(20)])
    assert found is not None
    assert found.below.value == pytest.approx(6 / 20) and found.below.low < 6 / 20 < found.below.high
    # ranks 6 and 15 of 20
    assert (found.median.low, found.median.value, found.median.high) == pytest.approx((0.5, 0.95, 1.4))
    assert sum(people for _, people in found.bars) == 20
    same = place(1.0, [1.0] * 15)
    assert same is not None and same.below.value == 0.5


@pytest.mark.parametrize("by", list(By))
def test_classes_hold_means_and_shares_of_both_in_their_intervals(by: By) -> None:
    found = classes(SIDE, CORPUS, by)
    assert found and (by is not By.SEVERITY or [each.name for each in found] == list(SEVERITIES))
    for each in found:
        for figure in (each.mean, each.toxic, each.others_mean, each.others_toxic):
            assert figure is not None and figure.low <= figure.value <= figure.high
    if by is By.TOPIC:
        member = CORPUS.topics == 2
        two = next(each for each in found if each.name == "2")
        crowd = CORPUS.crowd[member & ~np.isnan(CORPUS.crowd)]
        assert two.mean.value == pytest.approx(float(SIDE.user[member].mean()), abs=1e-5)
        assert two.others_mean is not None and two.others_mean.n == len(crowd)
        assert two.others_mean.value == pytest.approx(float(crowd.mean()), abs=1e-5)
        toxic = np.where(SIDE.system_toxic, 1 - SIDE.p_disagree, SIDE.p_disagree)[member]
        assert two.toxic.value == pytest.approx(float(toxic.mean()), abs=1e-5)


def test_the_system_is_tested_on_what_the_person_rated_alone() -> None:
    found = against_system(SIDE)
    types = SIDE.types[SIDE.labelled]
    assert found is not None and found.n == 80
    assert found.odds == paired_odds(int((types == 0).sum()), int((types == 1).sum()))
    assert found.odds.ratio > 1 and found.stands
    assert against_system(side_of(CORPUS, judge_of(CORPUS, labels=0))) is None


def test_topics_are_tested_against_other_people_with_false_discoveries_held_down() -> None:
    own = own_calls(SIDE, CORPUS)
    assert sum(map(sum, own.values())) == int((SIDE.labelled & (CORPUS.topics >= 0)).sum())
    found = against_others({0: (9, 1), 1: (5, 5), 2: (1, 1)}, {0: (10, 90), 1: (50, 50), 3: (1, 1)})
    assert sorted(found) == [0, 1]
    assert found[0].stands and not found[1].stands and found[0].n == 110
    assert against_others({}, {}) == {}


def test_near_posts_are_alike_by_words_and_an_unread_post_has_none() -> None:
    about = CORPUS.about.copy()
    about[5], about[9] = about[3] * 2.0, 0.0
    corpus = replace(CORPUS, about=about)
    found = nearest(corpus, 3)
    assert found[0] == (CORPUS.posts[5], pytest.approx(1.0, abs=1e-5))
    assert all(cosine >= 0.6 for _, cosine in found) and CORPUS.posts[3] not in dict(found)
    assert nearest(corpus, 9) == []


def test_clusters_are_of_one_direction_the_same_again_and_never_small() -> None:
    found = clusters(SIDE, CORPUS, seed=4)
    assert found == clusters(SIDE, CORPUS, seed=4)
    assert {each.direction for each in found} <= {ErrorType.UNDER, ErrorType.OVER} and found
    for each in found:
        assert each.n >= 20 and 0 < len(each.examples) <= 5
        code = 0 if each.direction is ErrorType.UNDER else 1
        assert {int(SIDE.types[CORPUS.places[post]]) for post in each.examples} == {code}
    few = CORPUS.at(np.arange(30))
    assert clusters(side_of(few, JUDGE.at(np.arange(30))), few, fewest=40) == []


def test_what_lies_apart_by_words_falls_into_clusters_of_its_own() -> None:
    under = np.flatnonzero(SIDE.types == 0)
    about = np.zeros_like(CORPUS.about)
    about[under, 0] = 1.0
    about[under[::2], 0], about[under[::2], 1] = 0.0, 1.0
    corpus = replace(CORPUS, about=about)
    found = [each for each in clusters(SIDE, corpus) if each.direction is ErrorType.UNDER]
    sides = [{bool(about[CORPUS.places[post], 0]) for post in each.examples} for each in found]
    assert len(found) >= 2 and all(len(each) == 1 for each in sides) and {True} in sides and {False} in sides


def test_accuracy_is_the_models_own_and_never_the_systems() -> None:
    found = known(BASIS)
    assert found.figures["model_mae"] == 0.6 and found.figures["crowd_mae"] == 0.7
    assert found.band == "good" and found.against_crowd is None
    assert not [name for name in found.figures if name.startswith("loo")]
    worse = known(Basis("m", 1, "not_better_than_crowd_yet", 12, errors={"loo_mae": 1.3}))
    assert worse.band == "needs more ratings" and "not better than the crowd yet" in worse.says
    sure = {"against_crowd": -0.2, "against_crowd_low": -0.3, "against_crowd_high": -0.1}
    better = known(Basis("m", 1, "better_than_crowd", 30, errors=sure)).against_crowd
    assert better is not None and (better.value, better.low, better.high, better.n) == (-0.2, -0.3, -0.1, 30)
    none = known(Basis("m", 1, "population_view", 0))
    assert none.band is None and "No ratings yet" in none.says
