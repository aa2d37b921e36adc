"""The quality page: what people said of scores, for everybody who has signed in, without a word of a post."""

import csv
import io
import re
from collections.abc import Callable

import httpx
import pytest

from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
CHARTS = {"thresholds": "threshold", "calibration": "from"}


async def _reviewed(installation: Installation) -> list[str]:
    """Let two people judge some flagged posts; return those posts."""
    async with client(installation.url, installation.sessions[Role.LEAD]) as http:
        rows = (await http.get("/v1/posts", params={"flagged": True, "limit": 4})).json()["posts"]
    for n, row in enumerate(rows):
        for role in (Role.LEAD, Role.REVIEWER):
            actual = row["flagged_categories"]
            words = {"post_id": row["post_id"], "verdict": "incorrect", "actual_categories": actual}
            if n % 2 == 0:
                words |= {"verdict": "correct", "expected_categories": actual}
            key = {"Idempotency-Key": f"quality-{row['post_id']}-{role}"}
            async with client(installation.url, installation.sessions[role]) as http:
                said = await http.post("/v1/feedback", json=words, headers=key)
            assert said.status_code in (200, 201, 202), said.text
    return [row["post_id"] for row in rows]


@pytest.mark.check("CON-08")
@pytest.mark.check("CON-23")
async def test_a_viewer_sees_figures_charts_and_thresholds_and_no_text(
    installation: Installation, http_as: Client, open_as: Open
) -> None:
    posts = await _reviewed(installation)

    async def heard() -> str:
        async with http_as(Role.VIEWER) as http:
            page = (await http.get("/quality")).text
        assert posts[1] in page and f"has {len(posts)}" in page
        return page

    page = await eventually(heard, 60)
    # CON-08: what is drawn, listed and downloaded is the same
    async with http_as(Role.VIEWER) as http:
        for key, first in CHARTS.items():
            rows = list(csv.DictReader(io.StringIO((await http.get(f"/charts/{key}.csv")).text)))
            drawn = (await http.get(f"/charts/{key}.vl.json")).json()["data"]["values"]
            assert [float(row[first]) for row in rows] == [each[first] for each in drawn] and rows
            picture = await http.get(f"/charts/{key}.svg")
            assert picture.text.startswith("<svg") and " style=" not in picture.text
        tried = (await http.get("/quality", params={"category": "threat", "threshold": "0.35", "x": "y"})).text
    assert re.search(r'role="img" aria-label="[^"]+ at 0\.35: precision', tried) and "left out: x" in tried
    assert f'href="/posts/{posts[1]}"' not in page and "Change thresholds" not in page  # nothing a viewer may not
    async with open_as(Role.VIEWER, java_script_enabled=False) as window:
        found = await window.open("/quality")
        await found.get_by_label("Threshold to try").fill("0.25")
        await found.get_by_role("button", name="Try", exact=True).click()
        assert "threshold=0.25" in found.url
        assert "From 0.25 on" in await found.locator("#content").inner_text()


@pytest.mark.check("CON-27")
@pytest.mark.check("CON-23")
async def test_a_lead_finds_no_figure_about_a_person(installation: Installation, http_as: Client) -> None:
    async with http_as(Role.LEAD) as http:
        page = (await http.get("/quality")).text
    assert "/posts/" in page
    body = page[page.index("<main") :]
    assert not [role for role in Role if f"The {role}" in body] and "user:" not in body


@pytest.mark.check("CON-20")
@pytest.mark.check("CON-22")
async def test_a_lead_previews_and_changes_thresholds_and_a_stale_page_changes_nothing(
    installation: Installation, http_as: Client, open_as: Open
) -> None:
    async with open_as(Role.LEAD, java_script_enabled=False) as window:
        page = await window.open("/settings/thresholds")
        assert await page.get_by_role("button", name="Put these thresholds in force").count() == 0
        await page.get_by_label("Extremism").fill("0.97")
        await page.get_by_role("button", name="Preview").click()
        assert "would be" in await page.locator("#content").inner_text()
        stale = await page.content()
        await page.get_by_label("Why").fill("too many quotations")
        await page.get_by_role("button", name="Put these thresholds in force").click()
        assert page.url.endswith("?saved=true") and "too many quotations" in await page.content()
    async with http_as(Role.LEAD) as http:
        form = {name: re.search(rf'name="{name}" value="([^"]*)"', stale) for name in ("csrf", "version", "changes")}
        fields = {name: found[1] for name, found in form.items() if found}
        fields["changes"] = "extremism:0.42"
        again = await http.post("/settings/thresholds", data=fields | {"command_id": "x" * 36, "reason": "mine too"})
        assert again.status_code == 409 and "somebody changed thresholds" in again.text and "mine too" in again.text
    async with client(installation.url, installation.sessions[Role.LEAD]) as http:
        rows = (await http.get("/v1/thresholds")).json()
        assert next(row for row in rows["categories"] if row["name"] == "extremism")["threshold"] == 0.97
        told = {"version": rows["version"], "thresholds": {"extremism": None}}
        assert (await http.post("/v1/thresholds", json=told)).status_code == 200
