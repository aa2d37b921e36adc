"""Tables of posts: filtered before anything is cut off, in one order, whole over any pages."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auditor.audits.decisions import Errors, ErrorType, Source, side_of
from services.auditor.audits.table import Cursor, Filter, Table
from tests.support.audits import judge_of, made_corpus

CORPUS = made_corpus(900)
JUDGE = judge_of(CORPUS, labels=60)
TABLE = Table(CORPUS, JUDGE, side_of(CORPUS, JUDGE))
BARE = Table(CORPUS)


def walked(table: Table, rows: np.ndarray, size: int) -> list[str]:
    """Return the posts of all pages."""
    posts: list[str] = []
    after: Cursor | None = None
    while True:
        page = table.page(rows, size, after)
        posts += [row.post for row in page.rows]
        if page.following is None:
            return posts
        after = page.following


@settings(max_examples=20, deadline=None)
@given(errors=st.sampled_from(Errors), size=st.sampled_from([5, 10, 25, 100]), topic=st.integers(0, 6))
def test_pages_together_are_the_whole_set_in_order(errors: Errors, size: int, topic: int) -> None:
    rows, _ = TABLE.selected(CORPUS.by_topic.rows_of(topic), Filter(errors))
    side = TABLE.side
    assert side is not None
    expected = sorted(rows.tolist(), key=lambda row: (-side.p_disagree[row], -side.distance[row], row))
    assert walked(TABLE, rows, size) == [CORPUS.posts[row] for row in expected]


def test_without_a_model_the_mildest_come_first_and_the_person_is_unknown() -> None:
    rows, counts = BARE.selected(None, Filter(Errors.UNDER))
    assert len(rows) == 900 and counts.types == {}
    posts = walked(BARE, rows, 100)
    assert posts == [CORPUS.posts[row] for row in np.lexsort((np.arange(900), CORPUS.system))]
    first = BARE.page(rows, 5).rows[0]
    assert first.prediction is None and first.type is None and first.severity == "not at all"
    assert BARE.selected(None, Filter(labelled=True))[0].tolist() == []


def test_equal_values_are_told_apart_by_id_across_pages() -> None:
    flat = np.full(900, 1.0, np.float32)
    corpus = replace(CORPUS, system=flat)
    judge = replace(JUDGE, label=np.full(900, np.nan, np.float32), prediction=flat * 3, toxic=flat * 0.75)
    table = Table(corpus, judge, side_of(corpus, judge))
    assert walked(table, np.arange(900), 25) == list(corpus.posts)


def test_a_cursor_goes_on_where_its_post_was_though_the_post_is_gone() -> None:
    rows, _ = TABLE.selected(None, Filter(Errors.ALL))
    page = TABLE.page(rows, 10)
    assert page.following is not None
    gone = CORPUS.places[page.following.post]
    kept = np.delete(np.arange(900), gone)
    corpus, judge = CORPUS.at(kept), JUDGE.at(kept)
    table = Table(corpus, judge, side_of(corpus, judge))
    after = table.page(np.arange(899), 10, page.following)
    assert [row.post for row in after.rows] == walked(TABLE, rows, 10)[10:20]
    with pytest.raises(ValueError, match="another order"):
        BARE.page(rows, 10, page.following)


def test_filters_come_before_any_cap_and_counts_are_of_the_full_set() -> None:
    rows, counts = TABLE.selected(None, Filter(Errors.OVER, category="insult", labelled=False))
    side = TABLE.side
    assert side is not None
    assert counts.labelled == 0 and counts.n == sum(counts.types.values())
    assert len(rows) == counts.types[ErrorType.OVER] > 0
    shown = TABLE.rows(rows)
    assert {row.type for row in shown} == {ErrorType.OVER} and {row.source for row in shown} == {Source.PREDICTION}
    assert all("insult" in row.categories for row in shown)
    labelled, some = TABLE.selected(None, Filter(Errors.ALL, labelled=True))
    assert len(labelled) == some.n == some.labelled == 60
    assert all(row.source is Source.LABEL and row.label is not None for row in TABLE.rows(labelled))
    with pytest.raises(KeyError):
        TABLE.selected(None, Filter(category="profanity"))


def test_a_row_says_what_person_and_system_decide() -> None:
    rows, _ = TABLE.selected(None, Filter(Errors.UNDER))
    for row in TABLE.rows(rows):
        assert not row.system_toxic and row.user_toxic
        assert row.signed is not None and row.signed > 0 and row.distance == row.signed
        assert row.colour in (1, 2, 3, 4)
        assert row.system_version in CORPUS.version_names


def test_a_chart_shows_the_surest_of_what_passes_and_stacks_them_by_the_system() -> None:
    rows, counts = TABLE.selected(None, Filter(Errors.BOTH))
    marks = TABLE.marks(rows, most=50)
    assert len(marks) == 50 < counts.n
    shown = {mark.row.post for mark in marks}
    least = min(mark.row.p_disagree or 0 for mark in marks)
    hidden = [row for row in TABLE.rows(rows) if row.post not in shown]
    assert all((row.p_disagree or 0) <= least for row in hidden)
    for step in {mark.step for mark in marks}:
        stack = [mark for mark in marks if mark.step == step]
        assert [mark.rank for mark in stack] == list(range(len(stack)))
        assert [mark.row.system for mark in stack] == sorted(mark.row.system for mark in stack)
        for mark in stack:
            user = mark.row.label if mark.row.label is not None else mark.row.prediction
            assert user is not None and step - 1e-4 <= user < step + 0.1 + 1e-4
