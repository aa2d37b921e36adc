"""One decision for a person's rating, a prediction and a system's score, whatever threshold the system has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.judgement import CUT, DRAWN, is_toxic, severity, stratified, system_rating

SCORES = st.floats(0, 1)
THRESHOLDS = st.floats(0.01, 0.99)


@given(score=SCORES, threshold=THRESHOLDS)
def test_a_system_flags_what_its_rating_says_is_toxic(score: float, threshold: float) -> None:
    rating = float(system_rating(score, threshold))
    assert 0 <= rating <= 4
    # right at the threshold rounding may fall on either side
    if abs(score - threshold) > 1e-9:
        assert bool(is_toxic(rating)) == (score >= threshold)


@given(low=SCORES, high=SCORES, threshold=THRESHOLDS, cut=st.floats(0.5, 3.5))
def test_a_higher_score_is_never_a_lower_rating(low: float, high: float, threshold: float, cut: float) -> None:
    low, high = sorted((low, high))
    assert system_rating(low, threshold, cut) <= system_rating(high, threshold, cut)


def test_the_threshold_is_the_cut_and_by_default_a_score_is_four_times_itself() -> None:
    assert system_rating(np.array([0.0, 0.8, 1.0]), 0.8).tolist() == [0.0, CUT, 4.0]
    np.testing.assert_allclose(system_rating(np.array([0.1, 0.5, 0.9])), [0.4, 2.0, 3.6])
    assert is_toxic(np.array([1.9, 2.0, 4.0])).tolist() == [False, True, True]
    assert not is_toxic(2.0, 2.5)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 2.0])
def test_a_threshold_that_decides_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        system_rating(0.5, threshold)


def test_the_lower_bound_belongs_to_a_severity_and_the_ends_of_the_scale_are_in() -> None:
    edges = np.array([0.0, 0.49, 0.5, 1.49, 1.5, 2.5, 3.49, 3.5, 4.0])
    assert severity(edges).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4]


@given(ratings=st.lists(st.floats(0, 4), max_size=60), seed=st.integers(0, 99))
def test_a_draw_has_as_many_different_posts_as_there_are_up_to_twenty(ratings: list[float], seed: int) -> None:
    values = np.array(ratings, np.float64)
    drawn = stratified(values, np.random.default_rng(seed).permutation(len(values)))
    assert len(set(drawn)) == len(drawn) == min(20, len(values))
    have, got = np.bincount(severity(values), minlength=5), np.bincount(severity(values[drawn]), minlength=5)
    # a severity with enough posts gives what it is asked for, others give all they have
    assert (got >= np.minimum(have, DRAWN)).all()
