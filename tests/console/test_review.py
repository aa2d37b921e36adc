"""Reviewing as people do it: by keys, by forms without scripts, two at a time; nothing is overwritten."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, expect

from services.reporter.console.roles import Role
from shared.ids import post_id
from tests.console.conftest import Open
from tests.console.installation import Installation, sign_up
from tests.console.test_post import queue_of
from tests.support.browser import window
from tests.support.inside import LocalInside
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
LIST = "/analysis/flagged"


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


def ids(html: str) -> list[str]:
    return re.findall(r'<li class="card post" id="p-([^"]+)"', html)


async def send(http: httpx.AsyncClient, path: str, page: str, **fields: object) -> httpx.Response:
    form = {"csrf": hidden(page, "csrf"), "command_id": str(uuid4()), **fields}
    return await http.post(path, data=form)


@pytest.mark.check("CON-20")
@pytest.mark.check("CON-24")
async def test_without_scripts_a_text_is_shown_judged_and_the_verdict_taken_back(
    open_as: Open, installation: Installation
) -> None:
    async with open_as(Role.REVIEWER, java_script_enabled=False) as window:
        page = await window.open(LIST)
        await page.get_by_role("button", name="Start reviewing").click()
        post = page.url.rpartition("/posts/")[2].partition("?")[0]
        if await page.get_by_role("button", name="Show the text").count():
            await page.get_by_role("button", name="Show the text").click()
            assert await page.locator(".masked").count() == 0
            assert "You asked to see" in await page.content()
            await page.get_by_role("link", name="Veil it again").click()
            assert await page.locator(".masked").count() >= 1
        await page.locator("article").get_by_role("button", name="Unsure").click()
        assert post[:8] in await page.locator(".notice.good").inner_text()
        await page.locator(".notice.good").get_by_role("button", name="Undo").click()
        assert page.url.endswith(f"/posts/{post}")
        assert "Taken back by" in await page.locator('[aria-labelledby="history"]').inner_text()


@pytest.mark.check("CON-24")
@pytest.mark.check("CON-20")
async def test_a_text_that_is_veiled_as_a_whole_is_nowhere_before_it_is_asked_for_and_after_moving_on(
    browser: Browser, installation: Installation
) -> None:
    path = await queue_of(installation, "entirely", 2)
    post = post_id("queue", "entirely0")
    async with client(installation.url) as admin:
        token = await sign_up(admin, Role.REVIEWER, f"whole-{uuid4()}")
    async with window(browser, installation.url, token) as one:
        page = await one.open("/settings")
        await page.locator("input[name=veil][value=whole]").check()
        await page.locator("form.settings button.main").click()
        await page.locator("main .notice.good").wait_for()
        here = f"/posts/{post}{path.removeprefix(LIST)}"

        async def answered() -> str:
            return await (await page.request.get(installation.url + here)).text()

        assert "idiot" not in await answered()
        await one.open(here)
        assert "idiot" not in await page.content() + await page.locator("main").aria_snapshot()
        assert "You asked to see 0 veiled texts today." in await page.content()
        for moves_on in ("reload", "next"):
            await page.get_by_role("button", name="Show the text").click()
            await expect(page.locator("[data-card] .text")).to_contain_text("idiot", timeout=60_000)
            assert "idiot" not in await answered(), "a reveal has no address"
            if moves_on == "reload":
                await page.reload()
            else:
                assert "You asked to see 2 veiled texts today." in await page.content()
                await page.locator(":is([data-next], [data-previous])").first.click()
                await expect(page.locator(f'[data-focus="{post}"]')).to_have_count(0, timeout=60_000)
                await page.go_back()
                await expect(page.locator(f'[data-focus="{post}"]')).to_have_count(1, timeout=60_000)
            await expect(page.get_by_role("button", name="Show the text")).to_be_visible(timeout=60_000)
            assert "idiot" not in await page.content()


@pytest.mark.check("CON-15")
@pytest.mark.check("CON-18")
async def test_a_correction_by_boxes_is_kept_as_said_and_taken_back(
    http_as: Client, installation: Installation
) -> None:
    """From no verdict to one and back to none; the history has both, and neither may leave before its hold is over."""
    async with http_as(Role.REVIEWER) as http, client(installation.url) as api:

        async def stands(verdict: str | None) -> bool:
            found = (await api.get(f"/v1/posts/{post}")).json()["correction"]
            return (found and found["verdict"]) == verdict

        post = ids((await http.get(LIST)).text)[-1]
        assert await stands(None)
        page = (await http.get(f"/posts/{post}")).text
        form = {
            "verdict": "incorrect",
            "boxes": "true",
            "category": ["ableism"],
            "seen_version": hidden(page, "seen_version"),
        }
        answer = await send(http, f"/posts/{post}/reviews", page, back="list", **form)
        assert answer.status_code == 303, answer.text
        name = re.search(r"done=([^&]+)", answer.headers["location"])
        assert name

        async def kept() -> bool:
            html = re.sub(r"\s+", " ", (await http.get(f"/posts/{post}")).text)
            return "Expected: Ableism · the scorer said:" in html

        await eventually(kept, 60)
        await eventually(lambda: stands("incorrect"), 60)
        back = await send(http, f"/posts/{post}/retractions", page, correction_id=name[1])
        assert back.status_code == 303

        async def gone() -> bool:
            return "Taken back by" in (await http.get(f"/posts/{post}")).text

        await eventually(gone, 60)
        await eventually(lambda: stands(None), 60)
        assert post in ids((await http.get(LIST)).text)  # it waits for a verdict again
        told = re.sub(r"<[^>]+>|\s+", " ", (await http.get(f"/posts/{post}/history")).text)
        assert "Reviewed" in told and "Taken back" in told
    inside = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url)
    said = [each["data"] for each in inside.said("posts.corrected") if each["data"].get("post_id") == post]
    assert [each.get("retracts") for each in said] == [None, name[1]]
    for each in said:
        held = datetime.fromisoformat(each["hold_until"]) - datetime.fromisoformat(each["corrected_at"])
        assert held >= timedelta(seconds=29)


@pytest.mark.check("CON-17")
async def test_two_reviewers_never_get_the_same_post_and_a_stale_verdict_is_explained(
    http_as: Client, installation: Installation
) -> None:
    async with client(installation.url) as admin:
        other = await sign_up(admin, Role.REVIEWER, "second")
    async with (
        http_as(Role.REVIEWER) as a,
        httpx.AsyncClient(base_url=installation.url, cookies={"ombud_session": other}, timeout=30) as b,
    ):
        page_a, page_b = [(await each.get(LIST)).text for each in (a, b)]
        given = [
            (await send(each, f"{LIST}/next", page)).headers["location"]
            for each, page in ((a, page_a), (b, page_b), (a, page_a), (b, page_b))
        ]
        assert not {given[0], given[2]} & {given[1], given[3]}
        post = given[0].rpartition("/")[2]
        assert "Held: The reviewer" in (await b.get(f"/posts/{post}")).text
        stolen = await send(b, f"/posts/{post}/lease/release", page_b, token="of somebody else")
        assert stolen.status_code == 303
        assert "Held: The reviewer" in (await b.get(f"/posts/{post}")).text
        stale = (await b.get(f"/posts/{post}")).text
        first = await send(
            a, f"/posts/{post}/reviews", page_a, verdict="correct", seen_version=hidden(stale, "seen_version")
        )
        assert first.status_code == 303
        late = await send(
            b, f"/posts/{post}/reviews", page_b, verdict="unsure", seen_version=hidden(stale, "seen_version")
        )
        assert late.status_code == 409
        assert "Somebody was faster" in late.text
        assert "Record mine too" in late.text


async def test_an_address_with_every_filter_is_answered(http_as: Client) -> None:
    everything = [("category", "insult"), ("account", "x"), ("from", "2026-01-01"), ("to", "2026-12-31")]
    everything += [("lang", "nl"), ("source", "local"), ("min", "0.2"), ("q", "%_'"), ("sort", "uncertainty")]
    async with http_as(Role.REVIEWER) as http:
        answer = await http.get(f"{LIST}?{urlencode(everything)}", follow_redirects=True)
        assert answer.status_code == 200
        assert "No post fits these filters" in answer.text
