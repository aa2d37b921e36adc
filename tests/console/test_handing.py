"""A post goes to a chosen colleague, who is told; its time ends on a clock that is turned; all commands by name."""

from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect

from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation, person_of, sign_up
from tests.console.test_post import KEEP_TRYING_MS, LIST, begin, moved, queue_of
from tests.support.browser import window
from tests.support.ombud import client


@pytest.mark.check("CON-17")
async def test_a_post_goes_to_a_chosen_colleague_who_is_told_and_a_lease_ends_with_its_time(
    open_as: Open, installation: Installation, browser: Browser
) -> None:
    path = await queue_of(installation, "handed", 2)
    account = f"sam-{uuid4()}"
    async with client(installation.url) as admin:
        token = await sign_up(admin, Role.REVIEWER, account)
    sam = await person_of(installation.url, installation.sessions[Role.ADMIN], account)
    async with open_as(Role.REVIEWER) as one, window(browser, installation.url, token) as other:
        await other.page.clock.install()
        watching = await other.open(path)
        await expect(watching.locator("[data-pill]")).to_be_visible(timeout=KEEP_TRYING_MS)
        page = await one.open(path)
        post = await begin(page)
        tag = watching.locator(f'[data-held="{post}"]')
        await expect(tag).to_be_visible(timeout=KEEP_TRYING_MS)
        await watching.clock.fast_forward("05:01")
        await expect(tag).to_be_hidden()

        await page.keyboard.press("h")
        await expect(page.locator("#to")).to_be_focused()
        assert await one.axe() == []
        await page.locator("#to").select_option(sam)
        await page.get_by_role("button", name="Hand it over").click()
        await moved(page, post)
        await expect(page.locator(f'.rail [data-held="{post}"]')).to_contain_text("Held: The reviewer")
        told = watching.locator("[data-handed]")
        await expect(told).to_contain_text("The reviewer hands a post over to you.", timeout=KEEP_TRYING_MS)
        await expect(tag).to_contain_text("Held: you")
        assert await other.axe() == []
        watching = await other.open("/analysis/flagged?q=no-such-words")
        handed = watching.locator('[aria-labelledby="handed"]')
        await expect(handed).to_contain_text("by The reviewer")
        await handed.get_by_role("link", name=post[:8]).click()
        await expect(watching.locator("[data-card] [data-held]")).to_contain_text("Held: you")
        await watching.keyboard.press("3")
        await moved(watching, post)
        watching = await other.open(path)
        await expect(watching.locator('[aria-labelledby="handed"]')).to_have_count(0)
        assert one.complaints == other.complaints == []


@pytest.mark.check("CON-02")
@pytest.mark.check("CON-05")
@pytest.mark.check("CON-07")
async def test_all_commands_are_found_by_name_and_done_by_key(open_as: Open) -> None:
    async with open_as(Role.REVIEWER) as one:
        page = await one.open(f"{LIST}?review_status=all")
        opener = page.get_by_role("button", name="Show", exact=True)
        await opener.focus()
        await page.keyboard.press("Control+k")
        words = page.locator("#palette-words")
        await expect(words).to_be_focused()
        options = page.locator("#palette-list li")
        assert await options.count() > 8 and await one.everywhere() == []
        await page.keyboard.press("Escape")
        await expect(opener).to_be_focused()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("zzz")
        await expect(page.get_by_text("Nothing is called that.")).to_be_visible()
        await words.fill("save view")
        await expect(options).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.locator("#v-name")).to_be_focused()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("li")
        named = [(await each.inner_text()).split("\n")[0].strip() for each in await options.all()]
        wanted = next(n for n, each in enumerate(named) if each.startswith("Live"))
        for _ in range(wanted):
            await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/live")
        assert one.complaints == []
