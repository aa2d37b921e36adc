"""Every chart of every page: words for who does not see it, one stop of the Tab key, a table with what is drawn."""

import csv
import io
from typing import Any

import httpx
import pytest
from playwright.async_api import Locator, expect

from services.reporter.console.roles import Role
from tests.console.auditing import PATIENT
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.browser import COOKIE
from tests.support.ombud import ROOT

GOLDEN = {each.name.partition(".")[0] for each in (ROOT / "tests" / "golden" / "charts").glob("*.vl.json")}
SAME_AS = {"posts": "topics"}
"""Charts that one function makes, which stands in one golden file."""


async def stops(chart: Locator) -> int:
    """Return how many stops of the Tab key a chart has, itself among them."""
    found: int = await chart.evaluate(
        "(chart) => [chart, ...chart.querySelectorAll('*')].filter((each) => each.tabIndex >= 0).length"
    )
    return found


@pytest.mark.check("CON-08")
async def test_each_chart_of_each_page_has_words_one_stop_a_golden_spec_and_a_table_of_what_is_drawn(
    open_as: Open, installation: Installation
) -> None:
    pages = (
        "/analysis",
        "/analysis/runs",
        "/quality",
        f"/accounts/{installation.account}",
        f"/audits/{installation.audit}?error=all",
    )
    seen: dict[str, int] = {}
    session = installation.sessions[Role.ADMIN]
    async with (
        open_as(Role.ADMIN) as window,
        httpx.AsyncClient(base_url=installation.url, cookies={COOKIE: session}, timeout=60) as http,
    ):
        for path in pages:
            page = await window.open(path)
            for chart in await page.locator(".chart").all():
                await expect(chart.locator("svg").first).to_be_visible(timeout=3 * PATIENT)
                assert (await chart.get_attribute("aria-label") or "").strip(), path
                linked = "linked" in (await chart.get_attribute("class") or "").split()
                assert await stops(chart) <= 1, path  # one that is wider than a phone is a stop, too: it scrolls
                assert await stops(chart) == 1 or not linked, path
            shown = await page.locator("a[href*='.csv'][download]").evaluate_all(
                "all => all.map((each) => each.getAttribute('href')).filter((each) => each.includes('chart'))"
            )
            for address in dict.fromkeys(shown):
                key = address.partition("?")[0].rpartition("/")[2].removesuffix(".csv")
                if not address.startswith("/charts/"):
                    continue
                spec = (await http.get(address.replace(".csv", ".vl.json", 1))).json()
                rows = list(csv.DictReader(io.StringIO((await http.get(address)).text)))
                shared = [name for name in rows[0] if drawn(spec, name)]
                for name in shared:
                    assert {each[name].removeprefix("'") for each in rows} == drawn(spec, name), (key, name)
                if not shared:  # a table as wide as it is long: its cells are what is drawn
                    cells = {cell for each in rows for cell in list(each.values())[1:]}
                    assert cells == drawn(spec, "posts"), key
                seen[key] = len(rows)
    assert {SAME_AS.get(key, key) for key in seen} <= GOLDEN
    assert {"toxicity", "trends", "distribution", "together"} <= set(seen)  # maps of an audit: test_audits


def drawn(spec: dict[str, Any], column: str) -> set[str]:
    """Return what a spec draws of a column, as a file would have it."""
    values = [each[column] for each in spec["data"]["values"] if column in each]
    return {"" if value is None else str(value) for value in values}
