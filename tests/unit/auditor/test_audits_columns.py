"""Posts and a judgement as columns: in order, of one length, and decided as the system decides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auditor.audits.columns import system_column
from shared.judgement import is_toxic
from tests.support.audits import judge_of, made_corpus


def test_rows_are_found_by_id_and_sliced_in_order() -> None:
    corpus = made_corpus(30)
    some = corpus.at(np.array([7, 3, 20]))
    assert some.posts == (corpus.posts[3], corpus.posts[7], corpus.posts[20])
    assert some.system.tolist() == corpus.system[[3, 7, 20]].tolist()
    assert some.places[corpus.posts[7]] == 1
    assert corpus.rows([corpus.posts[9], "unknown", corpus.posts[2]]).tolist() == [2, 9]
    mask = np.zeros(30, np.bool_)
    mask[[3, 7, 20]] = True
    assert (
        judge_of(corpus).at(mask).prediction.tolist() == judge_of(corpus).at(np.array([20, 3, 7])).prediction.tolist()
    )


def test_columns_of_another_shape_and_ids_out_of_order_are_refused() -> None:
    corpus = made_corpus(5)
    with pytest.raises(ValueError, match="ascending"):
        replace(corpus, posts=tuple(reversed(corpus.posts)))
    with pytest.raises(ValueError, match="scores has the shape"):
        replace(corpus, scores=corpus.scores[:, :3])
    judge = judge_of(corpus)
    with pytest.raises(ValueError, match="different lengths"):
        replace(judge, sd=judge.sd[:2])


@given(
    scores=st.lists(st.floats(0, 1), max_size=20),
    threshold=st.floats(0.01, 0.99),
    cut=st.sampled_from([1.5, 2.0, 2.1, 3.0]),
)
def test_the_column_is_toxic_exactly_where_the_system_flags(scores: list[float], threshold: float, cut: float) -> None:
    overall = np.array([*scores, threshold, np.nextafter(threshold, 0), np.nextafter(threshold, 1)])
    found = system_column(overall, threshold, cut)
    assert is_toxic(found, cut).tolist() == (overall >= threshold).tolist()
    assert ((found >= 0) & (found <= 4)).all()
