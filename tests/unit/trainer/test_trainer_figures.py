"""Figures of scores against labels: by hand, against scikit-learn, and unknown where nothing is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from services.trainer.figures import ENOUGH, gap, judged, sliced, worst

NAN = float("nan")


def rows(n: int = 400, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.4).astype(float)
    return np.clip(0.3 * labels + random.random(n) * 0.7, 0, 1).round(2), labels


def test_four_rows_by_hand() -> None:
    found = judged(np.array([0.9, 0.6, 0.7, 0.1]), np.array([1.0, 1.0, 0.0, 0.0]), 0.65)
    assert (found.n, found.positives, found.auc) == (4, 2, 0.75)
    assert (found.shipped.accuracy, found.shipped.recall, found.shipped.specificity) == (0.5, 0.5, 0.5)
    assert (found.shipped.flagged, found.shipped.precision, found.shipped.f1) == (2, 0.5, 0.5)
    assert (found.half.accuracy, found.half.recall, found.half.specificity) == (0.75, 1.0, 0.5)
    assert found.half.f1 == pytest.approx(0.8)
    assert found.ece == pytest.approx((0.1 + 0.4 + 0.7 + 0.1) / 4)


def test_every_figure_is_scikit_learns() -> None:
    scores, labels = rows()
    found, said = judged(scores, labels, 0.4), scores >= 0.4
    assert found.auc == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert found.average_precision == pytest.approx(metrics.average_precision_score(labels, scores))
    assert found.shipped.accuracy == pytest.approx(metrics.accuracy_score(labels, said))
    assert found.shipped.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, said))
    assert found.shipped.f1 == pytest.approx(metrics.f1_score(labels, said))
    assert found.shipped.precision == pytest.approx(metrics.precision_score(labels, said))
    assert found.shipped.recall == pytest.approx(metrics.recall_score(labels, said))
    assert found.shipped.specificity == pytest.approx(metrics.recall_score(1 - labels, ~said))


def test_rows_without_label_or_score_are_counted_and_in_no_figure() -> None:
    scores, labels = rows(50)
    more = judged(np.append(scores, [0.9, NAN, NAN]), np.append(labels, [NAN, 1.0, NAN]), 0.5, resamples=0)
    less = judged(scores, labels, 0.5, resamples=0)
    assert (more.unlabelled, more.unscored) == (2, 1)
    assert (more.n, more.auc, more.ece, more.shipped) == (less.n, less.auc, less.ece, less.shipped)


def test_what_rows_cannot_tell_is_none() -> None:
    one_class = judged(np.array([0.2, 0.8]), np.array([0.0, 0.0]), 0.5)
    assert (one_class.auc, one_class.average_precision, one_class.ece, one_class.auc_interval) == (None,) * 4
    assert (one_class.half.recall, one_class.half.balanced_accuracy, one_class.half.f1) == (None, None, None)
    assert (one_class.half.accuracy, one_class.half.specificity) == (0.5, 0.5)
    nothing = judged(np.array([NAN]), np.array([1.0]), 0.5)
    assert (nothing.n, nothing.unscored, nothing.ece, nothing.shipped.accuracy) == (0, 1, None, None)


def test_a_threshold_may_differ_by_row() -> None:
    found = judged(np.array([0.6, 0.6]), np.array([1.0, 0.0]), np.array([0.5, 0.7]))
    assert (found.shipped.threshold, found.shipped.accuracy, found.half.accuracy) == (None, 1.0, 0.5)


def test_intervals_hold_the_figure_and_repeat_with_the_seed() -> None:
    scores, labels = rows()
    found = judged(scores, labels, 0.4)
    assert found.auc_interval is not None and found.balanced_accuracy_interval is not None
    assert found.auc is not None and found.shipped.balanced_accuracy is not None
    assert found.auc_interval[0] < found.auc < found.auc_interval[1]
    assert found.balanced_accuracy_interval[0] < found.shipped.balanced_accuracy < found.balanced_accuracy_interval[1]
    assert found == judged(scores, labels, 0.4)
    assert found.auc_interval != judged(scores, labels, 0.4, seed=1).auc_interval


def test_an_interval_is_that_of_a_plain_bootstrap() -> None:
    scores, labels = rows(200)
    random, areas = np.random.default_rng(0), []
    for _ in range(200):
        drawn = random.integers(0, len(labels), len(labels))
        areas.append(metrics.roc_auc_score(labels[drawn], scores[drawn]))
    found = judged(scores, labels, 0.5, resamples=200).auc_interval
    assert found == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])))


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 1.0, NAN])), max_size=30))
def test_any_rows_have_figures_between_0_and_1(drawn: list[tuple[float, float]]) -> None:
    scores, labels = np.array([s for s, _ in drawn]), np.array([y for _, y in drawn])
    found = judged(scores, labels, 0.5, resamples=5)
    told = [found.auc, found.average_precision, found.ece, found.half.accuracy, found.half.f1, found.half.recall]
    assert all(value is None or 0 <= value <= 1 for value in told)
    assert found.n + found.unlabelled + found.unscored == len(drawn)
    assert found.shipped == found.half


def test_slices_have_their_own_figures() -> None:
    scores, labels = np.array([0.9, 0.2, 0.8, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    found = sliced(scores, labels, 0.5, [["said"], ["implied"], ["quoted", "rude"], ["quoted"]])
    assert list(found) == ["implied", "quoted", "rude", "said"]
    assert [each.shipped.accuracy for each in found.values()] == [0.0, 0.5, 0.0, 1.0]
    assert found["quoted"].n == 2
    assert worst(found) is None


def test_the_worst_slice_is_one_that_has_enough_rows() -> None:
    names = [["right"]] * ENOUGH + [["half"]] * ENOUGH + [["few"]] * (ENOUGH - 1)
    scores = np.array([0.9] * ENOUGH + [0.9, 0.1] * (ENOUGH // 2) + [0.1] * (ENOUGH - 1))
    assert worst(sliced(scores, np.ones(len(scores)), 0.5, names)) == ("half", 0.5)
    assert worst(sliced(scores, np.ones(len(scores)), 0.95, names), half=True) == ("half", 0.5)


def test_the_gap_is_between_groups_that_are_large_enough() -> None:
    groups = [["a"]] * ENOUGH + [["b"]] * ENOUGH + [["c"]] * (ENOUGH - 1) + [[]]
    scores = np.array([0.9] * 4 + [0.1] * (ENOUGH - 4) + [0.9] + [0.1] * (ENOUGH - 1) + [0.9] * (ENOUGH - 1) + [0.9])
    found = gap(scores, np.zeros(len(scores)), 0.5, groups)
    assert found.difference == pytest.approx(0.3)
    assert (found.largest, found.smallest) == ("a", "b")
    assert found.rates["c"] == (1.0, ENOUGH - 1)


def test_one_group_has_no_gap_and_positive_rows_are_in_none() -> None:
    found = gap(np.full(2 * ENOUGH, 0.9), np.array([0.0] * ENOUGH + [1.0] * ENOUGH), 0.5, [["a"]] * 2 * ENOUGH)
    assert (found.difference, found.rates) == (None, {"a": (1.0, ENOUGH)})


def test_arrays_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        judged(np.zeros(2), np.zeros(3), 0.5)
