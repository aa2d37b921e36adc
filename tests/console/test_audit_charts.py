"""The charts of audits as values: specs equal golden files and tables, one cut decides, marks have names."""

from typing import Any

import altair
import numpy as np
import orjson
import pytest

from services.auditor.audits.columns import Corpus
from services.auditor.audits.decisions import Side, types_of
from services.auditor.audits.gaps import gaps
from services.auditor.audits.placing import placed
from services.auditor.audits.projecting import projected
from services.reporter.api.shapes import MeasurementIn
from services.reporter.console.audit_charts import HOST, Mark, gap_histogram, people, plane, rating_map, versions
from services.reporter.console.charts import Chart
from services.reporter.console.contexts.audits import Version, step_of
from services.reporter.console.contexts.drawing import post_marks
from services.reporter.console.contexts.measuring import measurements_of
from services.reporter.console.marking import called, cleaned
from shared.judgement import is_toxic
from tests.support.ombud import ROOT

GOLDEN = ROOT / "tests" / "golden" / "charts"
AUDIT = "/audits/00000000-0000-4000-8000-000000000000/topics/"


def mark(topic: int, user: float, system: float, step: str, *, rank: int = 0, n: int = 9) -> Mark:
    at = (round(topic / 10, 2), round(-topic / 20, 2))
    column = round(int(user * 10 + 1e-6) / 10, 1)
    kind = {"keep": "agree_not_toxic", "remove": "agree_toxic"}.get(step, step.partition("-")[0])
    return Mark(str(topic), f"topic {topic}", column, rank, user, system, kind, step, n, f"{AUDIT}{topic}", at)


MARKS = (
    mark(1, 0.4, 0.2, "keep"),
    mark(2, 1.25, 2.9, "over-4", n=12),
    mark(3, 2.0, 1.4, "under-2", n=40),
    mark(4, 2.05, 3.0, "remove", rank=1),
)
BARS = [
    {"low": -1.0, "high": -0.75, "under": 0, "over": 7, "agree": 4},
    {"low": 0.0, "high": 0.25, "under": 1, "over": 0, "agree": 40},
    {"low": 1.0, "high": 1.25, "under": 6, "over": 0, "agree": 0},
]
CHARTS = {
    "topics": rating_map("topics", MARKS, 2.0),
    "plane": plane(MARKS),
    "gaps": gap_histogram(BARS),
    "versions": versions([Version(1, 4, 1.2, 1.1), Version(2, 9, 0.9, None)]),
    "others": people([{"from": 0.3, "to": 0.4, "people": 3}, {"from": 0.4, "to": 0.5, "people": 12}], 0.44),
}
each_chart = pytest.mark.parametrize("key", CHARTS)


def values(chart: Chart) -> list[dict[str, Any]]:
    return list(chart.spec["data"]["values"])


@pytest.mark.check("CON-08")
@each_chart
def test_a_spec_is_the_golden_one_valid_without_words_and_equal_to_its_table(key: str) -> None:
    chart = CHARTS[key]
    assert orjson.loads(orjson.dumps(chart.spec)) == orjson.loads((GOLDEN / f"{key}.vl.json").read_bytes())
    altair.Chart.from_dict(orjson.loads(orjson.dumps(chart.spec)))
    assert [tuple(each[name] for name in chart.columns) for each in values(chart)] == list(chart.rows)
    assert chart.rows and not any(mark.name in str(chart.spec) for mark in MARKS)
    hosts = {each["href"].removeprefix(HOST)[:1] for each in values(chart) if "href" in each}
    assert hosts == ({"/"} if chart.links else set())


@pytest.mark.check("CON-34")
@pytest.mark.parametrize("cut", [2.0, 1.5, 2.25, 0.3, 3.9])
def test_a_rating_of_exactly_the_cut_is_removed_in_every_chart_and_the_next_lower_one_is_kept(cut: float) -> None:
    for user, removed in ((cut, True), (round(cut - 0.01, 2), False)):
        assert bool(is_toxic(user, cut)) is removed
        columns, ranks = placed(np.array([user], np.float32), np.array([1.0], np.float32), np.array([1]))
        for system in (cut, cut - 0.01):
            (code,) = types_of(np.array([removed]), np.array([bool(is_toxic(system, cut))])).tolist()
            kind = ("under", "over", "agree_toxic", "agree_not_toxic")[code]
            step = step_of(kind, 1, bool(is_toxic(system, cut)))
            made = Mark("1", "", float(columns[0]), int(ranks[0]), user, system, kind, step, 1, "/x")
            (drawn,) = values(rating_map("posts", [made], cut))
            assert (drawn["x"] > cut) is removed and (drawn["kind"] in ("remove", "under")) is removed


def side(user: list[float], system: list[float], cut: float = 2.0) -> Side:
    u, s = np.array(user, np.float32), np.array(system, np.float32)
    none = np.zeros(len(u), np.float32)
    mine, theirs = is_toxic(u, cut), is_toxic(s, cut)
    return Side(u, s, mine, mine, theirs, types_of(mine, theirs), none, none, none + 1, cut)


def test_what_the_system_misses_stands_right_of_zero_and_what_it_flags_left_however_near() -> None:
    found = gaps(side([2.0, 1.99999, 0.0, 4.0, 1.0, 0.0], [1.99999, 2.0, 4.0, 0.0, 1.0, 1.0]))
    assert [(each.low, each.under, each.over, each.agree) for each in found if each.under + each.over + each.agree] == [
        (-4.0, 0, 1, 0),
        (-1.0, 0, 0, 1),
        (-0.25, 0, 1, 0),
        (0.0, 1, 0, 1),
        (3.75, 1, 0, 0),
    ]
    assert (found[0].low, found[-1].high, len(found)) == (-4.0, 4.0, 32)
    assert sum(each.under + each.over + each.agree for each in found) == 6


def test_topics_about_alike_things_stand_near_each_other_and_unknown_ones_nowhere() -> None:
    about = np.zeros((8, 8), np.float32)
    about[:2, 0], about[2:4, :2], about[4:6, 3] = 1.0, (1.0, 0.1), 1.0
    topics = np.array([0, 0, 1, 1, 2, 2, 3, -1], np.int32)
    posts, column = tuple("abcdefgh"), np.full(8, np.nan, np.float32)
    scores, scored_by = np.full((8, 12), np.nan, np.float32), np.zeros(8, np.int16)
    corpus = Corpus(posts, np.ones(8, np.float32), scores, topics, column, about, scored_by, ("m",))
    found = projected(corpus)
    assert set(found) == {0, 1, 2}

    def apart(one: int, other: int) -> float:
        return float(np.hypot(*np.subtract(found[one], found[other])))

    assert apart(0, 1) < 0.2 * apart(0, 2)
    assert projected(corpus) == found
    assert max(abs(each) for place in found.values() for each in place) == 1.0


def test_a_mark_of_a_post_leads_to_the_page_of_the_table_that_begins_with_it() -> None:
    found = {
        "fields": ["id", "x", "rank", "user", "system", "type", "step"],
        "values": [
            ["p1", 2.0, 0, 2.0, 1.0, "under", "under-2"],
            ["p2", 1.0, 0, None, 1.0, "agree_not_toxic", "agree-keep"],
        ],
    }
    first, second = post_marks(found, "/audits/a/topics/7?error=all")
    assert (first.href, first.step, first.gap) == ("/audits/a/topics/7?error=all&at=p1#p-p1", "under-2", 1.0)
    assert (second.step, second.gap) == ("keep", None)
    assert post_marks(found, "/audits/a/search")[0].href == "/audits/a/search?at=p1#p-p1"


@pytest.mark.check("CON-37")
def test_a_drawing_holds_no_style_no_host_and_marks_that_are_called_something() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" style="x:y"><a xlink:href="https://console.invalid/a?b=1&amp;c=2">'
        '<path role="img" aria-label="x"/></a><a xlink:href="https://elsewhere.example/">z</a></svg>'
    )
    clean = cleaned(drawn)
    assert clean == '<svg><a href="/a?b=1&amp;c=2" tabindex="-1"><path/></a><a>z</a></svg>'
    named = called(clean, {"/a?b=1&c=2": "tram &lt;b&gt;"})
    assert '<a href="/a?b=1&amp;c=2" tabindex="-1" aria-label="tram &lt;b&gt;"><title>tram &lt;b&gt;</title>' in named


def test_a_report_takes_the_tests_of_its_audit_that_have_a_finite_interval() -> None:
    one = {"topic": None, "name": None, "n": 19, "ratio": 2.5, "low": 1.1, "high": 6.0, "p": 0.04, "stands": True}
    endless = one | {"topic": 7, "name": "7_tram_line", "high": None}
    found = measurements_of({"against_system": one, "against_others": [endless, one | {"topic": 8, "name": "8_soup"}]})
    assert [(each["test"], [row["feature"] for row in each["rows"]]) for each in found] == [
        ("Exact McNemar test", ["all rated posts"]),
        ("Fisher's exact test", ["soup"]),
    ]
    assert [MeasurementIn.model_validate(each).rows[0].pvalue for each in found] == [0.04, 0.04]
    assert measurements_of({"against_system": None, "against_others": [endless]}) == []
