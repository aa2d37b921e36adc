"""The charts of categories and scores on the overview: golden specs, equal tables, gaps, one page with all of them."""

import csv
import gzip
import io
import re
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import altair
import httpx
import orjson
import pytest

from services.reporter.console.category_charts import BINS, CODES, distribution, together, trend_days, trends
from services.reporter.console.charts import Chart
from services.reporter.console.contexts.period import read_period
from services.reporter.console.roles import Role
from services.reporter.readmodel import BITS
from shared.vocabulary import CATEGORIES
from tests.support.ombud import ROOT

Client = Callable[[Role | None], httpx.AsyncClient]
GOLDEN = ROOT / "tests" / "golden" / "charts"
BIT = dict(BITS)
OVERVIEW_BYTES = 10_000


def row(day: str, score: int, posts: int, *categories: str) -> Any:
    mask = sum(BIT[name] for name in categories)
    return SimpleNamespace(day=day, score=float(score), mask=mask, flagged=bool(categories), posts=posts)


ROWS = [
    row("2026-03-01", 10, 6),
    row("2026-03-01", 95, 2, "toxic", "insult"),
    row("2026-03-03", 100, 1, "threat"),
    row("2026-03-03", 64, 3),
]
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 3)


def made() -> dict[str, Chart]:
    return {each.key: each for each in (trends(trend_days(ROWS, FIRST, LAST)), distribution(ROWS), together(ROWS))}


def values(chart: Chart) -> list[dict[str, Any]]:
    return list(chart.spec["data"]["values"])


@pytest.mark.check("CON-08")
@pytest.mark.parametrize("key", ["trends", "distribution", "together"])
def test_each_spec_is_the_golden_one_and_valid(key: str) -> None:
    spec = dict(made()[key].spec)
    assert orjson.loads(orjson.dumps(spec)) == orjson.loads((GOLDEN / f"{key}.vl.json").read_bytes())
    altair.Chart.from_dict(spec)


@pytest.mark.check("CON-08")
def test_what_is_drawn_is_what_the_tables_say() -> None:
    charts = made()
    shares = {(each["day"], each["category"]): each["share"] for each in values(charts["trends"])}
    for day, _, *found in charts["trends"].rows:
        assert [shares[day, CODES[name]] for name in CATEGORIES] == found
    assert [tuple(each.values()) for each in values(charts["distribution"])] == list(charts["distribution"].rows)
    pairs = {(each["one"], each["other"]): each["posts"] for each in values(charts["together"])}
    for one, *counts in charts["together"].rows:
        assert [pairs[CODES[one], CODES[other]] for other in CATEGORIES] == counts


def test_a_day_without_posts_is_a_gap_in_every_panel() -> None:
    first, gap, last = trend_days(ROWS, FIRST, LAST)
    assert (first.posts, first.shares[CATEGORIES.index("toxic")], first.shares[CATEGORIES.index("threat")]) == (
        8,
        0.25,
        0,
    )
    assert gap.posts == 0 and set(gap.shares) == {None}
    assert last.shares[CATEGORIES.index("threat")] == 0.25


def test_every_post_is_in_one_bin_and_the_edges_belong_to_the_upper_one() -> None:
    rows = distribution([row("2026-03-01", score, 1) for score in range(101)]).rows
    assert [each[2] for each in rows] == [5] * (BINS - 1) + [6]


def test_a_version_of_the_model_stands_last_in_the_one_address() -> None:
    asked = {"model": "refit-2026-1", "lang": "nl"}
    assert read_period(asked, LAST, models=True).query == "lang=nl&model=refit-2026-1"
    assert read_period(asked, LAST).ignored == ("model",)
    assert read_period({"model": "<b>"}, LAST, models=True).ignored == ("model",)


@pytest.mark.check("CON-41")
async def test_the_overview_draws_links_and_lists_within_ten_kilobytes(http_as: Client) -> None:
    async with http_as(Role.REVIEWER) as http:
        for key in ("trends", "distribution", "together"):
            picture = await http.get(f"/charts/{key}.svg")
            assert picture.status_code == 200 and " style=" not in picture.text
        spec = (await http.get("/charts/distribution.vl.json")).json()
        rows = list(csv.DictReader(io.StringIO((await http.get("/charts/distribution.csv")).text)))
        whole = (await http.get("/analysis")).text
    assert [int(each["posts"]) for each in rows] == [each["posts"] for each in spec["data"]["values"]]
    without = re.sub(r'(<div class="chart[^>]*>)<svg.*?</svg></div>', r"\1</div>", whole, flags=re.DOTALL)
    assert len(gzip.compress(without.encode(), 6)) <= OVERVIEW_BYTES
    assert "/analysis/flagged?category=toxic&amp;from=" in whole
    assert whole.count('role="img"') >= 4
