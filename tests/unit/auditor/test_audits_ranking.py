"""What an audit suggests to look at first: topics that surely differ, and scaffolds that fit the topics of today."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from services.auditor.audits.decisions import ErrorType, side_of
from services.auditor.audits.ranking import Order, ranked
from services.auditor.audits.scaffolds import Kind, matched, own_scaffolds, read_scaffolds, resolved
from services.auditor.audits.topics import Statistic, topic_rows
from tests.support.audits import judge_of, made_corpus

PLAIN = made_corpus(4_000, topics=30)
# one topic of a single post, which is missed for sure
TOPICS = np.where(np.arange(4_000) == 7, 99, PLAIN.topics).astype(np.int32)
CORPUS = replace(PLAIN, topics=TOPICS)
JUDGE = judge_of(CORPUS)
ROWS = topic_rows(CORPUS, JUDGE, side_of(CORPUS, JUDGE))
WORDS = {0: ("trolls", "forum"), 1: ("Jewish", "rabbi"), 2: ("weather",), 3: ("troll", "trolls", "trolling")}


def test_the_first_are_those_whose_share_is_highest_at_least() -> None:
    found = ranked(ROWS)
    under = [each for each in found if each.direction is ErrorType.UNDER]
    assert 0 < len(under) <= 5 and len(found) <= 10 and found[: len(under)] == under
    by_bound = sorted(
        (row for row in ROWS if row.n >= 20 and row.disagreement),
        key=lambda row: (-(row.disagreement.under.low if row.disagreement else 0), row.topic),
    )
    assert [each.topic for each in under] == [row.topic for row in by_bound[:5]]
    assert all(0 < each.figure.low <= each.figure.value for each in found)


def test_a_topic_of_few_posts_never_ranks_whatever_its_share() -> None:
    assert 99 in {row.topic for row in ROWS}
    for order in Order:
        assert 99 not in {each.topic for each in ranked(ROWS, order)}


def test_topics_left_out_and_those_no_group_differs_on_do_not_rank() -> None:
    first = ranked(ROWS)[0].topic
    assert first not in {each.topic for each in ranked(ROWS, excluded=[first])}
    assert {each.topic for each in ranked(ROWS, detectable=[3, 4])} <= {3, 4}
    assert ranked(ROWS, detectable=[]) == []


def test_where_all_agree_there_is_nothing_to_look_at() -> None:
    same = replace(
        JUDGE,
        prediction=CORPUS.system,
        toxic=(CORPUS.system >= 2).astype(np.float32),
        label=np.full(4_000, np.nan, np.float32),
        sd=np.zeros(4_000, np.float32),
        sd_of_one=np.full(4_000, 1e-4, np.float32),
    )
    assert ranked(topic_rows(CORPUS, same, side_of(CORPUS, same))) == []


@pytest.mark.parametrize("order", [each for each in Order if each is not Order.FP_FN])
def test_other_orders_take_the_ten_largest(order: Order) -> None:
    statistic = Statistic.MEAN if order is Order.MEAN else Statistic.MEDIAN
    rows = topic_rows(CORPUS, JUDGE, side_of(CORPUS, JUDGE), statistic=statistic)
    found = ranked(rows, order)
    assert len(found) == 10
    values = [abs(each.figure.value) for each in found]
    assert values == sorted(values, reverse=True)


def test_every_scaffold_comes_with_ombud_in_two_languages() -> None:
    found = own_scaffolds()
    assert set(found.by_name) == {"empty", "tutorial", "fixed", "personal", "personal_group", "prompts"}
    for each in found.by_name.values():
        assert set(each.title) == {"en", "nl"}
        for item in each.items:
            assert item.text is None or set(item.text) == {"en", "nl"}
    assert len(found.by_name["prompts"].items) == 5 == len(found.by_name["fixed"].items)


def test_topic_queries_find_the_topics_of_today_and_say_what_is_missing() -> None:
    items = resolved(own_scaffolds().by_name["fixed"], WORDS)
    assert [(item.topic, item.missing) for item in items] == [
        (1, False),
        (3, False),
        (None, True),
        (None, True),
        (None, True),
    ]
    assert [item.direction for item in items] == ["under", "over", "under", "over", "under"]
    assert items[2].words[0] == "mexicans"
    assert matched(["forum", "trolls"], {1: ("forum",), 2: ("trolls",)}, {1: 3, 2: 9}) == 2
    assert matched(["forum"], {}) is None


def test_the_other_scaffolds_need_no_topics_or_follow_the_person() -> None:
    own = own_scaffolds()
    assert len(resolved(own.by_name["empty"], {})) == 1
    assert {item.key for item in resolved(own.by_name["prompts"], {})} >= {"own_words", "parity"}
    personal = resolved(own.by_name["personal"], WORDS, ROWS)
    assert [item.ranked for item in personal] == ranked(ROWS)
    assert resolved(own.by_name["personal_group"], WORDS, ROWS) == []
    group = resolved(own.by_name["personal_group"], WORDS, ROWS, detectable=[3])
    assert {item.topic for item in group} == {3}
    left_out = resolved(own.by_name["personal"], {3: ("name",)}, ROWS, excluded=[("name",)])
    assert 3 not in {item.topic for item in left_out}


@pytest.mark.parametrize(
    "text", [b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "scaffolds": [{"name": "x"}], "excluded": []}', b"no"]
)
def test_what_is_no_file_of_scaffolds_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_scaffolds(text)


def test_two_scaffolds_of_one_name_are_refused() -> None:
    one = {"name": "a", "kind": Kind.EMPTY, "title": {"en": "a"}}
    with pytest.raises(ValueError, match="one name"):
        read_scaffolds(orjson.dumps({"version": 1, "scaffolds": [one, one], "excluded": []}))
