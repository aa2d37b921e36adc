"""What a person and a system decide of a post: one rule, labels first, signs kept, nothing lost at the ends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auditor.audits.decisions import TYPES, Errors, ErrorType, counted, passing, side_of, steps
from shared.judgement import is_toxic
from tests.support.audits import judge_of, made_corpus

CORPUS = made_corpus(400)
JUDGE = judge_of(CORPUS)
SIDE = side_of(CORPUS, JUDGE)


def test_a_label_wins_over_a_prediction_and_leaves_nothing_open() -> None:
    rated = ~np.isnan(JUDGE.label)
    assert rated.sum() == 20
    assert SIDE.user[rated].tolist() == JUDGE.label[rated].tolist()
    assert SIDE.user[~rated].tolist() == JUDGE.prediction[~rated].tolist()
    assert set(SIDE.p_disagree[rated].tolist()) <= {0.0, 1.0}
    assert (SIDE.p_disagree[rated] == (SIDE.types[rated] <= 1)).all()
    assert (SIDE.spread[rated] == 0).all()


@pytest.mark.parametrize(
    ("user", "system", "expected", "signed"),
    [
        (3.0, 1.0, ErrorType.UNDER, 2.0),
        (1.0, 3.5, ErrorType.OVER, -2.5),
        (2.0, 4.0, ErrorType.AGREE_TOXIC, 0.0),
        (0.0, 1.9, ErrorType.AGREE_NOT_TOXIC, 0.0),
        (2.0, 1.99, ErrorType.UNDER, 0.01),
    ],
)
def test_the_four_types_and_how_far_apart_they_are(
    user: float, system: float, expected: ErrorType, signed: float
) -> None:
    corpus = replace(CORPUS.at(np.array([0])), system=np.array([system], np.float32))
    judge = replace(JUDGE.at(np.array([0])), label=np.array([user], np.float32))
    side = side_of(corpus, judge)
    assert TYPES[side.types[0]] is expected
    assert side.signed[0] == pytest.approx(signed, abs=1e-5)
    assert side.distance[0] == pytest.approx(abs(signed), abs=1e-5)


@given(cut=st.sampled_from([1.0, 2.0, 2.5]))
def test_what_is_probably_decided_differently_is_what_the_prediction_decides_differently(cut: float) -> None:
    judge = judge_of(CORPUS, labels=0, cut=cut)
    side = side_of(CORPUS, judge, cut)
    clear = np.abs(side.p_disagree - 0.5) > 1e-5
    assert ((side.p_disagree > 0.5) == (side.types <= 1))[clear].all()
    assert (side.user_toxic == is_toxic(judge.prediction, cut)).all()


def test_filters_are_parts_of_the_whole_and_both_errors_are_under_and_over() -> None:
    parts = {errors: int(passing(SIDE.types, errors).sum()) for errors in Errors}
    assert parts[Errors.ALL] == len(CORPUS)
    assert parts[Errors.BOTH] == parts[Errors.UNDER] + parts[Errors.OVER]
    counts = counted(SIDE.types)
    assert sum(counts.values()) == len(CORPUS) and counts[ErrorType.UNDER] == parts[Errors.UNDER] > 0


def test_colour_steps_end_where_their_bounds_are() -> None:
    distances = np.array([0.0, 0.01, 0.5, 0.51, 1.0, 1.01, 1.5, 1.51, 4.0])
    assert steps(distances).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_judgement_of_other_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="other rows"):
        side_of(CORPUS, JUDGE.at(np.arange(10)))
