"""The corpus in memory without a database: columns from pieces, words in texts, and everything a model says at once."""

import unicodedata
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auditor.corpus.ground import Ground, seen
from services.auditor.corpus.rows import Rows, no_rows, rows_of
from services.auditor.corpus.searching import folded, found
from shared.judgement import CUT
from shared.personal.posterior import Rating, deviations, outlook, posterior, predictions, toxic_probability
from tests.support.audit_corpus import population_of
from tests.support.raters import made

WORDS = st.text(st.sampled_from("aAbBéÉßsS iİ.-_1"), max_size=12)


@dataclass(frozen=True)
class Row:
    """A stored post."""

    post_id: str
    sequence: int
    text: str | None = "some words"
    overall: float = 0.4
    threshold: float = 0.5
    flagged: bool = False
    gone: bool = False
    hidden: bool = False
    model_version: str = "m-1"
    scores: dict[str, float] = field(default_factory=lambda: {"insult": 0.4})
    scored_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)


def assert_equal(one: Rows, other: Rows) -> None:
    for each in fields(Rows):
        np.testing.assert_array_equal(getattr(one, each.name), getattr(other, each.name), each.name)


changes = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["text one", "text two", None]), st.booleans()), max_size=25
)


@given(changes, st.integers(1, 6), st.integers(0, 10))
@settings(max_examples=60, deadline=None)
def test_pieces_make_the_same_columns_as_everything_at_once(told: Any, size: int, horizon: int) -> None:
    rows = [Row(name, n + 1, text, gone=text is None, hidden=hidden) for n, (name, text, hidden) in enumerate(told)]
    pieces = no_rows()
    for start in range(0, len(rows), size):
        last = {row.post_id: row for row in rows[start : start + size]}
        out = [row.post_id for row in last.values() if row.text is None or row.hidden]
        pieces = pieces.merged(rows_of(list(last.values()), None, None), out)
    pieces = pieces.merged(no_rows(), [], horizon)
    newest = {row.post_id: row for row in rows}
    whole = rows_of([row for row in newest.values() if row.sequence > horizon], None, None)
    assert_equal(pieces, whole)
    assert pieces.ids.tolist() == sorted(pieces.ids.tolist())


def test_a_post_is_toxic_to_the_system_exactly_where_the_system_flags_it() -> None:
    near = [(0.6999999, 0.7, False), (0.7, 0.7, True), (0.3, 0.2, True), (0.9, 0.95, False), (1.0, 1.0, True)]
    rows = [Row(f"p{n}", n, overall=o, threshold=t, flagged=f) for n, (o, t, f) in enumerate(near)]
    columns = seen(rows_of(rows, None, None), Ground()).columns
    assert (columns.system >= CUT).tolist() == [flagged for _, _, flagged in near]
    assert ((columns.system >= 0) & (columns.system <= 4)).all()
    assert np.isnan(columns.crowd).all(), "nobody has rated and nothing was read"


@given(st.lists(WORDS, max_size=8), WORDS)
@settings(max_examples=200, deadline=None)
def test_what_looks_the_same_is_found_and_nothing_else(texts: list[str], words: str) -> None:
    decomposed = [unicodedata.normalize("NFD", text) for text in texts]
    wanted = folded(words).strip()
    expected = [at for at, text in enumerate(texts) if wanted and wanted in folded(text)]
    assert found([folded(text) for text in decomposed], unicodedata.normalize("NFD", words)).tolist() == expected
    whole = found([folded(text) for text in texts], words, whole=True).tolist()
    assert set(whole) <= set(expected)
    for at in whole:
        text = folded(texts[at])
        places = [p for p in range(len(text)) if text.startswith(wanted, p)]
        assert any(_alone(text, p, p + len(wanted)) for p in places)


def _alone(text: str, begin: int, end: int) -> bool:
    around = text[begin - 1 : begin] + text[end : end + 1]
    return not any(each.isalnum() or each == "_" for each in around)


@pytest.mark.parametrize(
    ("words", "whole", "hits"),
    [("cat", False, [0, 1, 2]), ("cat", True, [0, 2]), ("CAT.", True, [2]), ("c.t", False, []), ("  ", False, [])],
)
def test_words_are_literal_and_may_have_to_be_whole(words: str, whole: bool, hits: list[int]) -> None:
    texts = ["a Cat sat", "concatenate", "the cat."]
    assert found([folded(text) for text in texts], words, whole=whole).tolist() == hits


def test_everything_at_once_is_to_the_bit_what_is_said_one_by_one() -> None:
    crowd = made(40_000, 200, 2, seed=4)
    population, topics = population_of(crowd, 4), crowd.crowd.topics.copy()
    topics[::7] = -1
    mine = [Rating(crowd.crowd.posts[at], float(at % 5), int(topics[at])) for at in range(0, 900, 30)]
    model = posterior(population, mine)
    assert model.offsets
    for given_topics in (topics, None):
        whole = outlook(population, model, topics=given_topics, cut=1.5)
        np.testing.assert_array_equal(whole.prediction, predictions(population, model, topics=given_topics))
        np.testing.assert_array_equal(whole.sd, deviations(population, model, topics=given_topics))
        one = deviations(population, model, topics=given_topics, one_rating=True)
        np.testing.assert_array_equal(whole.sd_of_one, one)
        toxic = toxic_probability(population, model, topics=given_topics, cut=1.5)
        np.testing.assert_array_equal(whole.toxic, toxic)
