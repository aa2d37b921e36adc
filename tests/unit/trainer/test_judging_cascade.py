"""Share sent against quality, by hand and by counting."""

import numpy as np
import pytest
from sklearn import metrics

from services.trainer.judging.cascade import METRICS, cascade, noisy, orders, qualities, smallest_share
from services.trainer.judging.cases import Case
from services.trainer.judging.judge import cascaded

TRUTH = np.array([True, True, False, False])
LOCAL = np.array([True, False, False, True])


def test_four_rows_by_hand() -> None:
    found = qualities(TRUTH, LOCAL, TRUTH, np.array([1, 3, 0, 2]))
    assert found["accuracy"].tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]
    assert found["balanced_accuracy"].tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]
    assert found["f1"].tolist() == pytest.approx([0.5, 0.8, 1.0, 1.0, 1.0])
    assert smallest_share(found["accuracy"], 0.75) == 0.25
    assert smallest_share(found["accuracy"], 1.0) == 0.5
    assert smallest_share(found["accuracy"], 0.1) == 0


def test_every_step_is_what_scikit_learn_counts() -> None:
    random = np.random.default_rng(1)
    truth, local, llm = (random.random(60) < share for share in (0.4, 0.5, 0.45))
    order = random.permutation(60)
    found = qualities(truth, local, llm, order)
    for sent in (0, 1, 17, 60):
        both = local.copy()
        both[order[:sent]] = llm[order[:sent]]
        assert found["accuracy"][sent] == pytest.approx(metrics.accuracy_score(truth, both))
        assert found["balanced_accuracy"][sent] == pytest.approx(metrics.balanced_accuracy_score(truth, both))
        assert found["f1"][sent] == pytest.approx(metrics.f1_score(truth, both))


def test_a_cascade_may_beat_the_llm_alone() -> None:
    truth = np.array([True] * 10 + [False] * 10)
    local, llm = truth.copy(), truth.copy()
    local[[0, 10]] = ~local[[0, 10]]
    llm[[5, 15]] = ~llm[[5, 15]]
    margin = np.ones(20)
    margin[[0, 10]] = 0.0
    found = cascade(truth, local, llm, orders({"band": margin}, 0))
    assert found["orders"]["band"]["shares"]["accuracy"]["1.00"] == 0
    assert found["orders"]["band"]["best"]["accuracy"] == {"value": 1.0, "share": 0.1}
    assert found["local"]["accuracy"] == found["llm"]["accuracy"] == 0.9


def test_the_nearest_go_first_and_chance_repeats_with_the_seed() -> None:
    margin = np.array([0.3, 0.1, 0.2])
    found = orders({"band": margin}, 4)
    assert found["band"].tolist() == [1, 2, 0]
    assert found["random"].tolist() == orders({"band": margin}, 4)["random"].tolist()


def test_noise_turns_a_share_of_the_truth_round() -> None:
    truth = np.zeros(10_000, bool)
    assert noisy(truth, 0.1, 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (noisy(truth, 0.0, 0) == truth).all()
    assert (noisy(truth, 1.0, 0) == ~truth).all()


def test_without_positives_only_accuracy_is_known() -> None:
    nobody = np.zeros(3, bool)
    found = cascade(nobody, nobody, nobody, orders({"band": np.arange(3.0)}, 0))
    shares = found["orders"]["band"]["shares"]
    assert shares["accuracy"] == {"0.90": 0, "0.95": 0, "0.99": 0, "1.00": 0}
    assert set(shares["balanced_accuracy"].values()) == {None}
    assert found["orders"]["band"]["best"]["f1"] is None


def test_curves_are_short() -> None:
    truth = np.arange(5000) % 2 == 0
    curve = cascade(truth, truth, truth, orders({"band": np.arange(5000.0)}, 0))["orders"]["band"]["curve"]
    assert len(curve["share"]) <= 101
    assert {len(values) for values in curve.values()} == {len(curve["share"])}
    assert set(curve) == {"share", *METRICS}


def test_cases_without_a_label_or_a_score_are_left_out() -> None:
    cases = [Case(at, "x", {} if at == 0 else {"toxic": at % 2}) for at in range(6)]
    scores = np.array([0.9, 0.9, 0.1, np.nan, 0.2, 0.8])
    llm = np.array([0.9, 0.9, 0.1, 0.9, np.nan, 0.8])
    margins = {"band": np.abs(scores - 0.5)}
    found = cascaded(cases, "toxic", scores, 0.5, margins, llm, 0.5, 0)
    assert (found["n"], found["positives"], found["left_out"]) == (3, 2, 3)
    simulated = cascaded(cases, "toxic", scores, 0.5, margins, 0.0, 0.5, 0)
    assert (simulated["n"], simulated["llm"]["accuracy"]) == (4, 1.0)
