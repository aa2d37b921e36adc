"""How far a system is from a person: the plain figures, each in its interval, which widens with what is not known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auditor.audits.decisions import ErrorType, Side, side_of
from services.auditor.audits.disagreement import (
    Disagreement,
    Figure,
    Set,
    by_category,
    by_topic,
    disagreement,
    of_own_labels,
)
from shared.chance import wilson
from shared.vocabulary import CATEGORIES
from tests.support.audits import judge_of, made_corpus

CORPUS = made_corpus(3_000)
SIDE = side_of(CORPUS, judge_of(CORPUS, labels=40))


def figures(found: Disagreement) -> list[Figure]:
    return [found.signed, found.mae, found.mse, found.rmse, found.under, found.over, found.agree]


def some(rows: np.ndarray | None, side: Side = SIDE) -> Disagreement:
    found = disagreement(side, rows)
    assert found is not None
    return found


def sure(side: Side) -> Side:
    """Return the side of somebody whose every judgement is known."""
    return replace(
        side,
        labelled=np.ones(len(side), np.bool_),
        spread=np.zeros(len(side), np.float32),
        p_disagree=(side.types <= 1).astype(np.float32),
    )


def test_figures_are_those_of_a_plain_loop() -> None:
    found = disagreement(SIDE)
    assert found is not None
    apart = [float(u) - float(s) for u, s in zip(SIDE.user, SIDE.system, strict=True)]
    assert found.signed.value == pytest.approx(sum(apart) / len(apart), abs=1e-5)
    assert found.mae.value == pytest.approx(sum(abs(each) for each in apart) / len(apart), abs=1e-5)
    assert found.mse.value == pytest.approx(sum(each**2 for each in apart) / len(apart), abs=1e-5)
    assert found.rmse.value == pytest.approx(found.mse.value**0.5)
    under = [float(p) for p, toxic in zip(SIDE.p_disagree, SIDE.system_toxic, strict=True) if not toxic]
    assert found.under.value == pytest.approx(sum(under) / len(SIDE), abs=1e-5)
    assert found.under.value + found.over.value + found.agree.value == pytest.approx(1.0)
    assert (found.n, found.labelled, found.of) == (3_000, 40, Set.ALL_POSTS)
    assert found.counts[ErrorType.UNDER] == int((SIDE.types == 0).sum())
    assert found.named()["system_avg_diff"] == found.signed.value > 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 500), size=st.integers(1, 60))
def test_every_interval_holds_its_figure_and_stays_on_its_scale(seed: int, size: int) -> None:
    rows = np.random.default_rng(seed).choice(len(CORPUS), size, replace=False)
    found = disagreement(SIDE, rows, Set.SEARCH)
    assert found is not None and found.n == size
    for each, (lowest, highest) in zip(
        figures(found), [(-4, 4), (0, 4), (0, 16), (0, 4), (0, 1), (0, 1), (0, 1)], strict=True
    ):
        assert lowest <= each.low <= each.value <= each.high <= highest
        assert each.n == size


def test_what_is_not_known_of_a_person_widens_every_interval() -> None:
    rows = np.flatnonzero(CORPUS.topics == 1)
    vague = replace(SIDE, spread=SIDE.spread * 3)
    for before, after in zip(
        figures(some(rows)),
        figures(some(rows, vague)),
        strict=True,
    ):
        assert after.high - after.low > before.high - before.low


def test_more_posts_narrow_an_interval_down_to_what_the_model_does_not_know() -> None:
    known = sure(SIDE)
    wide = some(np.arange(100), known)
    narrow = some(None, known)
    assert narrow.under.high - narrow.under.low < 0.5 * (wide.under.high - wide.under.low)
    still = some(None, replace(SIDE, labelled=np.zeros(len(SIDE), np.bool_)))
    assert still.under.high - still.under.low > 3 * (narrow.under.high - narrow.under.low)


def test_a_share_of_labels_has_wilsons_interval() -> None:
    found = some(np.arange(200), sure(SIDE))
    count = int((SIDE.types[:200] == 0).sum())
    low, high = wilson(count, 200)
    # by draws, not by formula
    assert found.under.low == pytest.approx(low, abs=0.01) and found.under.high == pytest.approx(high, abs=0.01)


def test_topics_categories_and_labels_are_subsets_by_the_same_rule() -> None:
    topics = by_topic(SIDE, CORPUS)
    assert sorted(topics) == [0, 1, 2, 3, 4, 5]
    alone = disagreement(SIDE, CORPUS.topics == 4, Set.TOPIC)
    assert topics[4] == alone
    categories = by_category(SIDE, CORPUS)
    assert tuple(categories) == CATEGORIES
    threat = categories["threat"]
    assert threat is not None and threat.n == int((CORPUS.scores[:, CATEGORIES.index("threat")] > 0.3).sum())
    own = of_own_labels(SIDE)
    assert own is not None and own.n == own.labelled == 40 and own.of is Set.OWN_LABELS


def test_no_posts_have_no_figures() -> None:
    assert disagreement(SIDE, np.array([], np.int64)) is None
    nothing = made_corpus(0)
    assert by_topic(side_of(nothing, judge_of(nothing)), nothing) == {}
    assert set(by_category(side_of(nothing, judge_of(nothing)), nothing).values()) == {None}


def test_the_same_columns_give_the_same_figures() -> None:
    again = side_of(made_corpus(3_000), judge_of(made_corpus(3_000), labels=40))
    assert by_topic(again, CORPUS) == by_topic(SIDE, CORPUS)
