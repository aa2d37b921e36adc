"""Reviewing one post after the other: nothing typed is lost, doubled or overwritten, and nobody waits for pages."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect
from redis import Redis

from services.reporter.console.roles import Role
from shared.bus.keys import lease_key
from tests.console.conftest import Open
from tests.console.installation import Installation, sign_up
from tests.support.browser import window
from tests.support.inside import LocalInside
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
LIST = "/analysis/flagged"
KEEP_TRYING_MS = 60_000


async def queue_of(installation: Installation, word: str, posts: int) -> str:
    """Ingest flagged posts that hold a word, wait until they are in the review list, return its address."""
    async with client(installation.url) as http:
        rows = [
            {
                "platform": "queue",
                "external_id": f"{word}{n}",
                "text": f"You are an idiot, {word}{n}.",
                "language": "en",
                "url": f"https://forum.example/{word}/{n}",
            }
            for n in range(posts)
        ]
        assert (await http.post("/v1/posts", json={"posts": rows})).status_code == 202
    path = f"{LIST}?q={word}"
    cookies = {"ombud_session": installation.sessions[Role.REVIEWER]}
    async with httpx.AsyncClient(base_url=installation.url, cookies=cookies, timeout=30) as http:

        async def there() -> bool:
            return f" of {posts} done" in (await http.get(path)).text

        await eventually(there, 120)
    return path


def verdicts(installation: Installation, posts: set[str]) -> list[dict[str, Any]]:
    """Return what was said about some posts, in its order."""
    inside = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url)
    said = [each["data"] for each in inside.said("posts.corrected")]
    return [each for each in said if each.get("post_id") in posts]


async def begin(page: Page) -> str:
    await page.keyboard.press("r")
    await page.wait_for_url("**/posts/**")
    return await here(page)


async def here(page: Page) -> str:
    return str(await page.locator("[data-focus]").get_attribute("data-focus"))


async def moved(page: Page, post: str) -> None:
    await expect(page.locator(f'[data-focus="{post}"]')).to_have_count(0, timeout=KEEP_TRYING_MS)


@pytest.mark.check("CON-14")
@pytest.mark.check("CON-06")
@pytest.mark.check("CON-15")
async def test_forty_verdicts_typed_at_once_are_forty_in_order_and_can_be_taken_back(
    open_as: Open, installation: Installation
) -> None:
    path = await queue_of(installation, "quick", 41)
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(path)
        await begin(page)
        await page.evaluate(
            """window.seen = []; window.mice = 0; addEventListener('mousedown', () => { window.mice += 1; }, true);
            document.addEventListener('ombud:arrived', (event) => window.seen.push(
            [event.detail.focus, document.activeElement?.matches('[data-card]')]))"""
        )
        first = await here(page)
        for n in range(40):
            await page.keyboard.press("13"[n % 2])
        await expect(page.locator(".head .soft").first).to_have_text("40 of 41 done", timeout=KEEP_TRYING_MS)
        seen = await page.evaluate("window.seen")
        order = [first, *(each[0] for each in seen)]
        assert len(set(order)) == 41
        assert all(focused for _, focused in seen)
        said = verdicts(installation, set(order))
        assert [(each["post_id"], each["verdict"]) for each in said] == [
            (post, ("correct", "unsure")[n % 2]) for n, post in enumerate(order[:40])
        ]
        assert await page.locator(".rail li .undo").count() == 10

        for n in (1, 2):
            before = await here(page)
            await page.keyboard.press("z")
            await moved(page, before)
            assert await here(page) == order[40 - n]
            await expect(page.locator('[aria-labelledby="history"]')).to_contain_text("Taken back by")
        said = verdicts(installation, set(order))
        assert [each["retracts"] for each in said[40:]] == [said[39]["correction_id"], said[38]["correction_id"]]
        assert all(each["hold_until"] for each in said)
        assert await page.evaluate("window.mice") == 0
        assert window.complaints == []


@pytest.mark.check("CON-19")
@pytest.mark.check("CON-22")
@pytest.mark.check("CON-18")
async def test_a_verdict_that_is_not_heard_is_kept_without_words_and_sent_once(
    open_as: Open, installation: Installation
) -> None:
    path = await queue_of(installation, "offline", 4)
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(path)
        first = await begin(page)
        await window.context.set_offline(True)
        await page.keyboard.press("3")
        await expect(page.locator('[data-not-saved="unsure"]')).to_be_visible(timeout=KEEP_TRYING_MS)
        assert await here(page) == first
        kept = await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert first in kept and "unsure" in kept
        assert "idiot" not in kept and "offline" not in kept
        await window.context.set_offline(False)
        await moved(page, first)
        assert [each["verdict"] for each in verdicts(installation, {first})] == ["unsure"]
        assert await page.evaluate("sessionStorage.getItem('ombud-unsent')") is None

        second, slow = await here(page), []

        async def lose(route: Route) -> None:
            """The first is told, but its answer is lost; the second is the same command."""
            slow.append(route.request.post_data or "")
            answer = await route.fetch()
            if len(slow) == 1:
                await expect(page.locator("[data-saving]")).to_be_visible()
                await route.abort()
            else:
                await route.fulfill(response=answer)

        await page.route(f"**/posts/{second}/reviews", lose)
        await page.keyboard.press("2")
        boxes = page.locator("[data-boxes]")
        await expect(boxes.locator("input:focus")).to_have_count(1)
        await boxes.get_by_label("Ableism").check()
        for name in await boxes.locator("input:checked").evaluate_all("all => all.map(each => each.value)"):
            if name != "ableism":
                await boxes.locator(f"input[value={name}]").uncheck()
        await page.keyboard.press("Enter")
        await moved(page, second)
        ids = {re.search(r"command_id=([^&]+)", each)[1] for each in slow}  # type: ignore[index]
        assert len(slow) == 2 and len(ids) == 1
        (said,) = verdicts(installation, {second})
        assert (said["feedback_type"], said["expected_categories"]) == ("false_positive", ["ableism"])
        assert said["actual_categories"]

        third = await here(page)
        await page.keyboard.press("e")
        await page.keyboard.press("Escape")
        await expect(boxes.locator("summary")).to_be_focused()
        await page.keyboard.press("2")
        await page.keyboard.press("Escape")
        await moved(page, third)
        (said,) = verdicts(installation, {third})
        assert (said["verdict"], said["expected_categories"]) == ("incorrect", [])


@pytest.mark.check("CON-02")
@pytest.mark.check("CON-17")
@pytest.mark.check("CON-26")
@pytest.mark.check("CON-24")
@pytest.mark.check("CON-25")
async def test_others_see_at_once_who_decides_and_a_blank_screen_gives_the_post_back(
    open_as: Open, installation: Installation, browser: Browser
) -> None:
    path = await queue_of(installation, "held", 3)
    async with client(installation.url) as admin:
        token = await sign_up(admin, Role.REVIEWER, f"noor-{uuid4()}")
    async with open_as(Role.REVIEWER) as one, window(browser, installation.url, token) as other:
        watching = await other.open(path)
        await expect(watching.locator("[data-pill]")).to_be_visible(timeout=KEEP_TRYING_MS)
        page = await one.open(path)
        post = await begin(page)
        held = watching.locator(f'[data-held="{post}"]')
        await expect(held).to_contain_text("Held: The reviewer", timeout=KEEP_TRYING_MS)
        await expect(page.locator("[data-card] [data-held]")).to_have_text(re.compile(r"Held: you, [45]:\d\d"))

        html = await page.content()
        assert "idiot" not in html and await page.locator("[data-card] .masked").count() >= 1
        assert "idiot" not in await page.locator("main").aria_snapshot()
        await page.keyboard.press(" ")
        await expect(page.locator("[data-card] .text")).to_contain_text("idiot")
        # within the key's own turn, so before anything is drawn or a clock goes on; the lease is not taken again
        pressed = (
            'document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "b", bubbles: true, cancelable: true }))'
        )
        assert await page.evaluate(f'{pressed}; !document.querySelector("main").checkVisibility()')
        assert "idiot" not in await page.locator("body").inner_text()
        await expect(held).to_be_hidden(timeout=KEEP_TRYING_MS)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        with Redis.from_url(installation.ombud.broker.url) as redis:
            assert not redis.exists(lease_key(post))
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-card] .masked").first).to_be_visible(timeout=KEEP_TRYING_MS)
        assert "idiot" not in await page.content()
        # what it said before stands in it also while it is hidden
        await expect(held).to_be_visible(timeout=KEEP_TRYING_MS)
        await expect(held).to_contain_text("Held: The reviewer")

        await other.open(f"/posts/{post}{path.removeprefix(LIST)}")
        deciding = watching.get_by_text("The reviewer is deciding this one.")
        await expect(deciding).to_be_visible()
        await page.keyboard.press("1")
        await moved(page, post)
        await watching.keyboard.press("3")
        conflict = watching.locator("[data-conflict]")
        await expect(conflict).to_be_focused(timeout=KEEP_TRYING_MS)
        assert await other.everywhere() == []
        both = [" ".join(each.split()) for each in await conflict.locator(".tag").all_inner_texts()]
        assert both == ["? Unsure", "✓ Correct"]
        await conflict.get_by_role("button", name="Record mine too").click()
        await moved(watching, post)
        assert [each["verdict"] for each in verdicts(installation, {post})] == ["correct", "unsure"]
        assert one.complaints == other.complaints == []
