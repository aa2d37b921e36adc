"""The overview and its chart: the same numbers drawn, listed and downloaded, whatever is missing."""

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

from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.charts import Day, by_day, toxicity
from services.reporter.console.contexts.overview import agreement
from services.reporter.console.contexts.period import read_period
from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.support.ombud import ROOT

Client = Callable[[Role | None], httpx.AsyncClient]
GOLDEN = ROOT / "tests" / "golden" / "charts"
DAYS = [
    Day("2026-03-01", 0.31, 0.05, 0.8, 10, 3),
    Day("2026-03-02", None, None, None, 0, 0),
    Day("2026-03-03", 0.42, 0.1, 0.9, 4, 2),
]
TODAY = date(2026, 3, 31)


def row(day: str, score: int, posts: int = 1, flagged: bool = False) -> Any:
    return SimpleNamespace(day=day, score=float(score), mask=0, flagged=flagged, posts=posts)


@pytest.mark.check("CON-08")
def test_the_spec_is_the_golden_one_valid_and_equal_to_the_table() -> None:
    chart = toxicity(DAYS)
    assert orjson.loads(orjson.dumps(chart.spec)) == orjson.loads((GOLDEN / "toxicity.vl.json").read_bytes())
    altair.Chart.from_dict(dict(chart.spec))
    drawn = [(each["day"], each["mean"], each["low"], each["high"], each["flagged"]) for each in _values(chart.spec)]
    assert drawn == [(r[0], r[1], r[2], r[3], r[5]) for r in chart.rows]


def _values(spec: Any) -> list[dict[str, Any]]:
    return list(spec["data"]["values"])


def test_a_day_without_posts_is_a_gap_and_percentiles_are_those_of_posts() -> None:
    rows = [row("2026-03-01", 10, 9), row("2026-03-01", 90, 1, flagged=True), row("2026-03-03", 50)]
    first, second, third = by_day(rows, date(2026, 3, 1), date(2026, 3, 3))
    assert first == Day("2026-03-01", 0.18, 0.1, 0.1, 10, 1)
    assert (second.mean, second.posts, third.mean) == (None, 0, 0.5)


@pytest.mark.check("CON-12")
@pytest.mark.parametrize(
    ("asked", "query", "ignored"),
    [
        ({}, "", ()),
        ({"from": "2026-03-02", "to": "2026-03-31"}, "from=2026-03-02&to=2026-03-31", ()),
        ({"lang": "nl", "from": "soon"}, "lang=nl", ("from",)),
        ({"to": "2026-01-01", "from": "2026-02-01"}, "", ("from", "to")),
        ({"colour": "red", "lang": "<b>"}, "", ("colour", "lang")),
    ],
)
def test_the_valid_part_of_an_address_applies(asked: dict[str, str], query: str, ignored: tuple[str, ...]) -> None:
    period = read_period(asked, TODAY)
    assert (period.query, period.ignored) == (query, ignored)
    assert read_period(dict(each.split("=") for each in query.split("&") if each), TODAY).query == query


def test_agreement_is_of_the_latest_word_and_unsure_is_nobodys_side() -> None:
    said = [("a", "incorrect", 1), ("a", "correct", 2), ("b", "unsure", 1), ("c", "incorrect", 1)]
    reviews = [SimpleNamespace(post_id=p, verdict=v, corrected_at=n) for p, v, n in said]
    found = agreement(reviews)
    assert found is not None and (found.share, found.reviews) == (0.5, 2) and found.low < 0.5 < found.high
    assert agreement(reviews[2:3]) is None


@pytest.mark.check("CON-08")
async def test_the_chart_is_the_same_as_picture_spec_csv_and_table(http_as: Client) -> None:
    async with http_as(Role.VIEWER) as http:
        picture = await http.get("/charts/toxicity.svg")
        spec = (await http.get("/charts/toxicity.vl.json")).json()
        rows = list(csv.DictReader(io.StringIO((await http.get("/charts/toxicity.csv")).text)))
        page = (await http.get("/analysis")).text
    assert picture.headers["content-type"].startswith("image/svg+xml") and picture.text.startswith("<svg")
    assert " style=" not in picture.text and "http" not in picture.text
    assert [each["day"] for each in rows] == [each["day"] for each in _values(spec)]
    assert [each["flagged"] for each in rows] == [str(each["flagged"]) for each in _values(spec)]
    (scored,) = [each for each in rows if each["posts"] != "0"]
    assert f'<td class="n">{scored["flagged"]}</td>' in page
    assert re.search(r'<div class="chart" role="img"[^>]* aria-label="Mean score', page)


@pytest.mark.check("CON-46")
async def test_a_killed_worker_comes_back_and_without_vl_convert_there_are_tables() -> None:
    worker = ChartWorker()
    spec = toxicity(DAYS).spec
    try:
        assert (await worker.svg(spec, "en", 60) or "").startswith("<svg")
        await worker.stop()
        assert (await worker.svg(spec, "nl", 60) or "").startswith("<svg")
        assert await worker.svg({"mark": "nonsense"}, "en", 60) is None
        assert (await worker.svg(spec | {"description": "x"}, "en", 60) or "").startswith("<svg")
        library = await worker.library()
        assert library is not None and b"window.vegaEmbed" in gzip.decompress(library)
        assert 200_000 < len(library) < 400_000
        worker.there = False
        assert await worker.svg(spec, "en", 60) is None
    finally:
        await worker.stop()


async def test_a_warmed_worker_has_drawn_before_anybody_asks() -> None:
    worker = ChartWorker()
    try:
        worker.warm(0)
        worker.warm(0)  # once is enough
        assert worker._warming is not None and worker._process is None
        await worker._warming
        warmed = worker._process
        assert warmed is not None and warmed.returncode is None
        assert (await worker.svg(toxicity(DAYS).spec, "en", 60) or "").startswith("<svg")
        assert worker._process is warmed
        cold = ChartWorker()
        cold.there = False
        cold.warm(0)
        assert cold._warming is None
    finally:
        await worker.stop()


@pytest.mark.check("CON-12")
async def test_nonsense_in_the_address_is_named_and_the_rest_applies(http_as: Client) -> None:
    async with http_as(Role.VIEWER) as http:
        answer = await http.get("/analysis", params={"from": "soon", "colour": "red", "lang": "nl"})
    assert answer.status_code == 200
    assert "left out: colour, from." in answer.text
    assert '<option value="nl" selected' in answer.text or "All languages" in answer.text


@pytest.mark.check("CON-37")
async def test_the_chart_comes_into_the_page_without_breaking_the_policy(open_as: Open) -> None:
    async with open_as(Role.VIEWER) as window:
        page = await window.open("/analysis")
        await page.locator(".chart svg").first.wait_for(timeout=60_000)
        assert await page.locator(".chart svg [style]").count() == 0
        assert (await window.violations(), window.complaints, window.foreign) == ([], [], [])
