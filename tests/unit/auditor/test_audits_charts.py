"""Charts are made of the rows of tables, hold to Vega-Lite's schema, and say in words what they show."""

import altair
import numpy as np
import pytest

from services.auditor.audits.charts import (
    FILLS,
    Chart,
    classes_chart,
    people_chart,
    post_chart,
    topic_chart,
    versions_chart,
)
from services.auditor.audits.columns import Basis
from services.auditor.audits.comparing import By, classes, place
from services.auditor.audits.decisions import Errors, side_of
from services.auditor.audits.searching import folded, holding, topics_found
from services.auditor.audits.table import Filter, Table
from services.auditor.audits.topics import topic_map
from tests.support.audits import BASIS, judge_of, made_corpus

CORPUS = made_corpus(800)
JUDGE = judge_of(CORPUS)
SIDE = side_of(CORPUS, JUDGE)
TABLE = Table(CORPUS, JUDGE, SIDE)


def charts() -> dict[str, Chart]:
    rows, counts = TABLE.selected(None, Filter(Errors.BOTH))
    bare = Table(CORPUS)
    known = place(0.4, np.linspace(0, 2, 30).tolist())
    assert known is not None
    return {
        "topics": topic_chart(topic_map(CORPUS, JUDGE, SIDE, errors=Errors.ALL), {1: "1_trolls_forum"}),
        "topics without a model": topic_chart(topic_map(CORPUS, None, None), {}),
        "posts": post_chart(TABLE.marks(rows, 100), sum(counts.types.values())),
        "posts without a model": post_chart(bare.marks(np.arange(800), 100), 800),
        "versions": versions_chart([BASIS, Basis("m1", 4, "too_few", 22, errors={"loo_mae": 0.5})]),
        "no versions": versions_chart([]),
        "people": people_chart(known),
        "classes": classes_chart(classes(SIDE, CORPUS, By.SEVERITY)),
    }


@pytest.mark.parametrize("name", list(charts()))
def test_a_chart_is_vega_lite_shows_its_rows_and_has_words(name: str) -> None:
    chart = charts()[name]
    altair.Chart.from_dict(dict(chart.specification))
    assert chart.specification["data"]["values"] == list(chart.rows)
    assert chart.alternative == chart.specification["description"] and chart.alternative.endswith(".")
    assert chart.rows or name == "no versions"


def test_a_map_has_one_mark_per_topic_and_never_colour_alone() -> None:
    found = topic_map(CORPUS, JUDGE, SIDE, errors=Errors.ALL)
    chart = topic_chart(found, {1: "1_trolls_forum"})
    assert [row["id"] for row in chart.rows] == [row.topic for row in found.large]
    assert chart.rows[1]["name"] == "1_trolls_forum"
    assert {row["step"] for row in chart.rows} <= set(FILLS)
    kinds = {(row["step"].split("-")[0], row["type"].split("_")[0]) for row in chart.rows}
    assert kinds <= {("agree", "agree"), ("under", "under"), ("over", "over")}
    encoding = chart.specification["layer"][0]["encoding"]
    assert {"shape", "fill"} <= set(encoding)
    assert "under-sensitive on" in chart.alternative


def test_no_chart_of_posts_holds_text() -> None:
    fields = {key for row in charts()["posts"].rows for key in row}
    assert fields == {"id", "x", "rank", "user", "system", "type", "step", "distance", "p_disagree", "source"}


def test_words_are_found_as_they_are_written_whatever_their_case_and_form() -> None:
    texts = [folded(text) for text in ("A Café (here)", "cafes", "cafe\u0301!", "Straße.*", "STRASSE", "")]
    assert holding(texts, "café").tolist() == [True, False, True, False, False, False]
    assert holding(texts, "cafe").tolist() == [False, True, False, False, False, False]
    assert holding(texts, "strasse").tolist() == [False, False, False, True, True, False]
    assert holding(texts, ".*").tolist() == [False, False, False, True, False, False]
    assert holding(["a category", "cat", "(cat)"], "CAT", whole_word=True).tolist() == [False, True, True]
    assert not holding(texts, " ").any()


def test_topics_are_found_by_number_or_by_words_tuned_ones_apart() -> None:
    words = {1: ("trolls", "forum"), 2: ("weather",), 12: ("forum", "rain")}
    found = topics_found("Forum", words, {12})
    assert (found.tuned, found.others) == ((12,), (1,))
    assert topics_found("2", words, ()).others == (2,)
    assert topics_found("forum rain", words, ()).others == (12,)
    assert topics_found("", words, ()).others == (1, 2, 12)
