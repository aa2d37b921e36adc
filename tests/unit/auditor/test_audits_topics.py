"""Topics as rows and as a map: their middle, their type, their place; small ones are listed and not drawn."""

from dataclasses import replace

import numpy as np
import pytest

from services.auditor.audits.decisions import TYPES, Errors, ErrorType, side_of
from services.auditor.audits.placing import placed
from services.auditor.audits.topics import Statistic, topic_map, topic_rows
from tests.support.audits import judge_of, made_corpus

PLAIN = made_corpus(1_200, topics=12)
TOPICS = np.where(np.arange(1_200) < 4, 77, PLAIN.topics).astype(np.int32)
CORPUS = replace(PLAIN, topics=TOPICS)
JUDGE = judge_of(CORPUS)
SIDE = side_of(CORPUS, JUDGE)


def test_a_topic_has_the_middle_of_its_posts_and_the_type_of_both_middles() -> None:
    for row in topic_rows(CORPUS, JUDGE, SIDE):
        member = CORPUS.topics == row.topic
        assert row.n == int(member.sum())
        assert row.user == pytest.approx(float(np.median(SIDE.user[member])))
        assert row.system == pytest.approx(float(np.median(CORPUS.system[member])))
        wanted = {(True, True): "agree_toxic", (True, False): "under", (False, True): "over"}
        assert row.type == wanted.get((row.user >= 2, row.system >= 2), "agree_not_toxic")
        assert row.tuned == (row.topic == 2)
    means = topic_rows(CORPUS, JUDGE, SIDE, statistic=Statistic.MEAN)
    assert means[0].user == pytest.approx(float(SIDE.user[CORPUS.topics == 0].mean()), abs=1e-5)


def test_small_topics_are_listed_and_never_drawn() -> None:
    found = topic_map(CORPUS, JUDGE, SIDE, errors=Errors.ALL)
    assert [row.topic for row in found.small] == [77]
    assert found.small[0].step is None and found.small[0].error is not None
    assert [row.topic for row in found.large] == list(range(12))
    assert sum(found.counts.values()) == 12


def test_marks_stand_in_their_step_by_the_systems_rating() -> None:
    found = topic_map(CORPUS, JUDGE, SIDE, errors=Errors.ALL, step=1.0)
    places = {(row.step, row.rank) for row in found.large}
    assert len(places) == len(found.large)
    for step in {row.step for row in found.large}:
        stack = sorted((row for row in found.large if row.step == step), key=lambda row: row.rank or 0)
        assert [row.rank for row in stack] == list(range(len(stack)))
        assert [row.system for row in stack] == sorted(row.system for row in stack)


def test_a_filter_keeps_types_and_counts_stay_those_of_all() -> None:
    for errors, types in ((Errors.UNDER, {ErrorType.UNDER}), (Errors.OVER, {ErrorType.OVER}), (Errors.ALL, set(TYPES))):
        found = topic_map(CORPUS, JUDGE, SIDE, errors=errors)
        assert {row.type for row in found.large} <= types
        assert sum(found.counts.values()) == 12
        assert len(found.large) == sum(count for each, count in found.counts.items() if each in types)


def test_the_lower_bound_of_errors_is_below_their_share() -> None:
    for row in topic_rows(CORPUS, JUDGE, SIDE):
        assert row.error is not None
        assert 0 <= row.error.low <= row.error.value <= row.error.high <= 1


def test_without_a_model_topics_stand_by_the_system() -> None:
    found = topic_map(CORPUS, None, None)
    assert len(found.large) == 12
    for row in found.large:
        assert row.user is None and row.type is None
        assert row.step is not None and row.step - 1e-4 <= row.system < row.step + 0.1


def test_a_rating_on_a_bound_belongs_to_the_step_that_begins_there() -> None:
    ratings = np.array([0.3, 0.30000001, 0.7, 0.29, 4.0], np.float32)
    at, ranks = placed(ratings, np.zeros(5, np.float32), np.arange(5))
    assert at.tolist() == [0.3, 0.3, 0.7, 0.2, 4.0]
    assert ranks.tolist() == [0, 1, 0, 0, 0]


def test_no_posts_make_an_empty_map() -> None:
    nothing = made_corpus(0)
    judge = judge_of(nothing)
    found = topic_map(nothing, judge, side_of(nothing, judge))
    assert found.large == found.small == ()
