"""Probabilities, thresholds and what is wrong with them."""

import numpy as np
import pytest

from services.trainer.calibration import calibration_error, platt, rare, threshold


def drawn(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and labels of which a fifth is positive; the true probability of a logit z is 1/(1+e^(1-2z))."""
    random = np.random.default_rng(1)
    logits = random.normal(-0.7, 1.0, n)
    return logits, (random.random(n) < 1 / (1 + np.exp(-(2 * logits - 1)))).astype(float)


def test_platt_finds_slope_and_offset_where_the_base_rate_is_that_of_the_rows() -> None:
    logits, labels = drawn()
    slope, offset = platt(logits, labels, float(labels.mean()))
    assert slope == pytest.approx(2.0, abs=0.1)
    assert offset == pytest.approx(-1.0, abs=0.1)


def test_another_base_rate_moves_the_offset_by_the_difference_of_log_odds() -> None:
    logits, labels = drawn()
    rate = float(labels.mean())
    _, here = platt(logits, labels, rate)
    _, balanced = platt(logits, labels, 0.5)
    assert balanced - here == pytest.approx(-np.log(rate / (1 - rate)), abs=0.1)


def test_a_threshold_counts_both_classes_alike_however_many_there_are_of_each() -> None:
    negatives, positives = np.linspace(0.0, 0.5, 900), np.linspace(0.4, 1.0, 10)
    scores = np.concatenate([negatives, positives])
    labels = np.concatenate([np.zeros(900), np.ones(10)])
    found = threshold(scores, labels)
    balanced = [((positives >= t).mean() + (negatives < t).mean()) / 2 for t in np.arange(0.05, 0.96, 0.01)]
    assert ((positives >= found).mean() + (negatives < found).mean()) / 2 == pytest.approx(max(balanced), abs=0.005)


@pytest.mark.parametrize(("scores", "expected"), [(np.zeros(100), 0.05), (np.ones(100), 0.95)])
def test_thresholds_stay_between_their_limits(scores: np.ndarray, expected: float) -> None:
    assert rare(scores, 0.05) == expected
    assert 0.05 <= threshold(scores, np.tile([0.0, 1.0], 50)) <= 0.95


def test_a_rare_category_flags_no_more_clean_posts_than_it_may() -> None:
    scores = np.random.default_rng(0).random(10_000)
    limit = rare(scores, 0.2)
    assert (scores >= limit).mean() <= 0.2
    assert (scores >= limit - 0.02).mean() > 0.2


def test_calibration_error_is_the_distance_between_what_is_said_and_what_is() -> None:
    said = np.full(1000, 0.7)
    assert calibration_error(said, np.tile([1.0] * 7 + [0.0] * 3, 100)) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(said, np.tile([1.0, 0.0], 500)) == pytest.approx(0.2)
    weights = np.tile([7.0, 3.0], 500)
    assert calibration_error(said, np.tile([1.0, 0.0], 500), weights) == pytest.approx(0.0, abs=1e-9)
