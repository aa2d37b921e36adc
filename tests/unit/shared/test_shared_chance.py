"""Bounds, odds and many findings at once, against scipy and against values from books."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution
from scipy.stats import binomtest

from shared.chance import beta, discoveries, odds, paired_odds, wilson

COUNTS = st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_wilsons_interval_is_scipys(count_of: tuple[int, int]) -> None:
    count, n = count_of
    if n == 0:
        assert wilson(count, n) == (0.0, 1.0)
        return
    known = binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count, n) == pytest.approx((known.low, known.high), abs=1e-12)


@given(COUNTS)
def test_jeffreys_interval_holds_the_share_and_is_the_betas_quantiles(count_of: tuple[int, int]) -> None:
    count, n = count_of
    low, high = beta(count, n)
    assert 0 <= low <= (count / n if n else 0.5) <= high <= 1
    if 0 < count < n:
        known = beta_distribution(count + 0.5, n - count + 0.5)
        assert (low, high) == pytest.approx((known.ppf(0.025), known.ppf(0.975)))


def test_a_paired_odds_ratio_stands_on_the_pairs_that_differ() -> None:
    found = paired_odds(12, 3)
    assert found.ratio == pytest.approx(12.5 / 3.5)
    assert found.p == pytest.approx(2 * sum(comb(15, k) for k in range(4)) / 2**15)
    assert found.low > 1.0
    assert paired_odds(0, 0).ratio == 1.0 and paired_odds(0, 0).p == 1.0
    assert paired_odds(3, 12).ratio == pytest.approx(1 / found.ratio)


def test_an_odds_ratio_exists_with_empty_cells_and_fishers_tea_has_its_p() -> None:
    tea = odds(3, 1, 1, 3)
    assert tea.p == pytest.approx(34 / 70)
    assert tea.low < 1.0 < tea.high
    empty = odds(0, 10, 5, 5)
    assert 0 < empty.low < empty.ratio < empty.high and empty.ratio == pytest.approx((0.5 / 10.5) / 1.0)
    assert odds(0, 0, 0, 0).p == 1.0


def test_false_discoveries_are_held_down() -> None:
    assert discoveries(np.array([0.001, 0.04, 0.03, 0.9])).tolist() == [True, False, False, False]
    assert discoveries(np.array([0.01, 0.02, 0.03, 0.04])).all()
    assert discoveries(np.array([])).tolist() == []
