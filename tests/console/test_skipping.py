"""What somebody does not want to read today is left out of what comes next, and of nothing else."""

import pytest
from playwright.async_api import Browser

from services.reporter.console.roles import Role
from tests.console.installation import Installation
from tests.console.test_people import somebody
from tests.console.test_post import queue_of
from tests.support.browser import window


@pytest.mark.check("CON-20")
async def test_a_category_is_skipped_for_a_day_without_a_reason_and_comes_again_when_asked(
    browser: Browser, installation: Installation
) -> None:
    path = await queue_of(installation, "skipped", 3)
    _, session, _ = await somebody(installation, Role.REVIEWER)
    async with window(browser, installation.url, session, java_script_enabled=False) as shown:
        page = await shown.open(path)
        links = await page.locator("li.card.post p.meta a:has(strong)").evaluate_all("(all) => all.map((a) => a.href)")
        assert len(links) == 3
        for link in links:  # one of ten is decided blind, and offers nothing
            await page.goto(link)
            if await page.locator(".skips").count():
                break
        await page.locator(".skips summary").click()
        await page.get_by_role("button", name="Skip Insult for a day").click()
        assert page.url.endswith(path)  # nothing else waits there
        assert await page.locator("li.card.post").count() == 3
        await page.get_by_role("button", name="Start reviewing").click()
        assert page.url.endswith(path)

        page = await shown.open("/settings")
        assert await page.locator("#mix").get_by_label("Insult").is_checked()
        await page.locator("#mix").get_by_label("Insult").uncheck()
        await page.locator("form.settings button.main").click()
        assert await page.locator("#mix").get_by_label("Insult").count() == 0
        await page.goto(shown.origin + path)
        await page.get_by_role("button", name="Start reviewing").click()
        assert "/posts/" in page.url
