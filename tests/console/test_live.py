"""What happens reaches open pages: without a reload, without words a viewer may not see, and with the veil on."""

from uuid import uuid4

import httpx
import orjson
import pytest

from services.reporter.console.contexts.event import told
from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.ombud import client


def test_a_viewer_hears_that_something_happened_and_not_to_which_post() -> None:
    event = {
        "data": {"post": {"post_id": "p", "text": "words"}, "overall": 0.9, "flagged": True, "scores": {"toxic": 1}}
    }
    assert told(Role.VIEWER, "posts.scored", event) == {}
    assert told(Role.REVIEWER, "posts.scored", event) == {"post_id": "p", "overall": 0.9, "flagged": True}
    assert told(Role.REVIEWER, "posts.rated", event) is None
    assert told(Role.REVIEWER, "reports.completed", {"data": {"report_id": "r"}}) is None
    assert told(Role.AUDITOR, "reports.completed", {"data": {"report_id": "r"}}) == {"report_id": "r"}


async def say(installation: Installation, text: str) -> None:
    async with client(installation.url) as http:
        posts = [{"platform": "sample", "external_id": uuid4().hex, "text": text, "language": "en"}]
        assert (await http.post("/v1/posts", json={"posts": posts})).status_code == 202


async def test_a_post_comes_into_the_open_page_by_itself_and_the_pill_says_live(
    open_as: Open, installation: Installation
) -> None:
    word = f"lantern{uuid4().hex[:8]}"
    async with open_as(Role.REVIEWER) as window:
        page = await window.open("/live")
        await page.locator('[data-pill][data-state="live"]').wait_for(timeout=60_000)
        await say(installation, f"A mild sentence about a {word} in the garden")
        await page.locator("[data-live-rows] > li", has_text=word).wait_for(timeout=60_000)
        assert (await window.violations(), window.complaints) == ([], [])


@pytest.mark.check("CON-39")
async def test_a_hostile_text_is_inert_and_visible(open_as: Open, installation: Installation) -> None:
    word = uuid4().hex[:8]
    text = f"harmless {word} <img src=x onerror=document.title='owned'> a\u202eb\u200bc"
    async with open_as(Role.REVIEWER) as window:
        page = await window.open("/live")
        await page.locator('[data-pill][data-state="live"]').wait_for(timeout=60_000)
        await say(installation, text)
        found = page.locator("[data-live-rows] > li", has_text=word)
        await found.wait_for(timeout=60_000)
        shown = await found.inner_text()
        if "veiled" not in shown and "masked" not in shown:
            assert "<img src=x" in shown and "RLO" in shown and "ZWSP" in shown
        assert await page.title() != "owned" and await page.locator("main img").count() == 0
        assert window.complaints == []


@pytest.mark.check("CON-30")
async def test_the_first_event_is_the_one_after_the_position_of_the_page(installation: Installation) -> None:
    headers = {"Accept": "text/event-stream", "Cookie": f"ombud_session={installation.sessions[Role.REVIEWER]}"}
    async with client(installation.url) as http:
        asked = {"types": "posts.scored"}
        after = (await http.get("/v1/events", params=asked | {"limit": 1})).json()
        rest = (await http.get("/v1/events", params=asked | {"limit": 50, "cursor": after["next"]})).json()["events"]
    wanted = rest[0]
    got: list[str] = []
    async with (
        httpx.AsyncClient(base_url=installation.url, timeout=60) as http,
        http.stream("GET", "/events", params={"after": after["next"]}, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        async for line in answer.aiter_lines():
            got.append(line)
            if line == "event: posts.scored":
                break
    assert f"id: {wanted['position']}" in got


async def test_a_text_is_scored_with_and_without_scripts_and_not_stored(
    open_as: Open, installation: Installation
) -> None:
    word = f"teapot{uuid4().hex[:8]}"
    for scripts in (True, False):
        async with open_as(Role.REVIEWER, java_script_enabled=scripts) as window:
            page = await window.open("/try")
            await page.locator("#text").fill(f"You useless {word}, you idiot")
            await page.locator("form[data-try] button.main").click()
            await page.locator("#result table").wait_for(timeout=60_000)
            assert await page.locator("#result tbody tr").count() >= 11  # one the model knows too little of is absent
            assert word in await page.locator("#text").input_value()
            if scripts:
                assert await window.axe() == []
    async with client(installation.url) as http:
        listed = orjson.dumps((await http.get("/v1/posts", params={"limit": 1000})).json())
    assert word.encode() not in listed


@pytest.mark.check("CON-22")
async def test_a_text_that_is_too_long_stays_and_nothing_is_cut(open_as: Open) -> None:
    async with open_as(Role.REVIEWER, java_script_enabled=False) as window:
        page = await window.open("/try")
        await page.locator("#text").fill("a" * 30_000)
        await page.locator("form[data-try] button.main").click()
        await page.locator("#result .notice").wait_for(timeout=60_000)
        assert len(await page.locator("#text").input_value()) == 30_000
        assert "30,000" in await page.locator("#result .notice").inner_text()
