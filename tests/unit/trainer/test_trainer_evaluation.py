"""Metrics with masks, and the gate."""

import numpy as np

from services.trainer.evaluation import CategoryMetrics, Metrics, decide, evaluate
from services.trainer.runs import flat
from shared.vocabulary import CATEGORIES

N = len(CATEGORIES)
TOXIC = 0


def judged(macro: float | None, **aucs: tuple[float, int]) -> Metrics:
    known = {name: CategoryMetrics(100, positives, auc) for name, (auc, positives) in aucs.items()}
    rows = {name: known.get(name, CategoryMetrics(0, 0)) for name in CATEGORIES}
    return Metrics(CategoryMetrics(100, 0, macro), rows)


def test_unknown_labels_are_in_no_figure() -> None:
    labels = np.full((5, N), np.nan)
    labels[:4, TOXIC] = [1, 1, 0, 0]
    scores = np.full((5, N), 0.99)
    scores[:4, TOXIC] = [0.9, 0.8, 0.2, 0.1]
    metrics = evaluate(scores, labels)
    assert metrics.categories["toxic"].n == 4
    assert metrics.categories["toxic"].auc == 1
    assert metrics.categories["toxic"].f1 == 1
    assert metrics.categories["threat"] == CategoryMetrics(0, 0)
    assert metrics.macro.auc == 1


def test_a_category_the_model_does_not_know_counts_as_a_guess() -> None:
    labels = np.full((4, N), np.nan)
    labels[:, TOXIC] = [1, 0, 1, 0]
    toxic = evaluate(np.full((4, N), np.nan), labels).categories["toxic"]
    assert (toxic.auc, toxic.average_precision, toxic.f1) == (0.5, 0.5, 0)


def test_one_class_alone_has_no_auc() -> None:
    metrics = evaluate(np.full((2, N), 0.5), np.ones((2, N)))
    assert metrics.macro.auc is None
    assert metrics.categories["toxic"].positives == 2


def test_without_a_champion_a_candidate_passes() -> None:
    decision = decide(judged(0.6), None, 0.01)
    assert decision.passed
    assert "0.6000" in decision.reasons[0]


def test_a_candidate_may_be_worse_by_the_tolerance_and_no_more() -> None:
    assert decide(judged(0.795), judged(0.80), 0.01).passed
    refused = decide(judged(0.785), judged(0.80), 0.01)
    assert not refused.passed
    assert refused.reasons[0] == "macro AUC 0.7850 is below the champion's 0.8000 less 0.01"


def test_one_category_that_falls_far_is_enough_to_refuse() -> None:
    refused = decide(judged(0.9, insult=(0.74, 10)), judged(0.8, insult=(0.80, 10)), 0.01)
    assert not refused.passed
    assert any("insult fell from 0.8000 to 0.7400" in reason for reason in refused.reasons)


def test_a_category_with_few_positives_refuses_nobody() -> None:
    assert decide(judged(0.9, insult=(0.4, 9)), judged(0.8, insult=(0.8, 9)), 0.01).passed


def test_where_nothing_can_be_compared_the_champion_stays() -> None:
    assert not decide(judged(None), judged(None), 0.01).passed


def test_an_event_carries_the_figures_that_exist() -> None:
    metrics = {"macro": {"auc": 0.5, "f1": None}, "categories": {"toxic": {"auc": 0.7}}}
    assert flat(metrics) == {"auc": 0.5, "auc.toxic": 0.7}
