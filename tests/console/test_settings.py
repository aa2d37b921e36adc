"""Keys that people choose themselves, and what they set beside them."""

import pytest
from playwright.async_api import Browser

from services.reporter.console.contexts.settings import KEYS, all_keys, read_keys
from services.reporter.console.roles import Role
from tests.console.installation import Installation, sign_up
from tests.support.browser import Window, window
from tests.support.ombud import client
from tests.support.servers import eventually


def test_every_key_is_one_and_one_of_its_own() -> None:
    assert read_keys({}) == ({}, ())
    assert read_keys(dict(KEYS)) == ({}, ())
    assert read_keys({"next": "l", "pause": " ", "unknown": "q"}) == ({"next": "l"}, ())
    assert read_keys({"next": "k", "undo": "g", "copy": "cc", "pause": "\x07"})[1] == (
        "undo",
        "next",
        "previous",
        "copy",
        "pause",
    )
    assert read_keys({"next": "k", "previous": "j"}) == ({"next": "k", "previous": "j"}, ())
    assert all_keys({"next": "l"}) == {**KEYS, "next": "l"}


async def choose(shown: Window, name: str, key: str) -> None:
    page = await shown.open("/settings")
    await page.locator("details", has=page.locator(f"#key-{name}")).locator("summary").first.click()
    await page.locator(f"#key-{name}").fill(key)
    await page.locator("form.settings button.main").click()


@pytest.mark.check("CON-07")
async def test_a_chosen_key_acts_and_none_does_in_fields_with_modifiers_or_when_off(
    browser: Browser, installation: Installation
) -> None:
    async with client(installation.url) as http:
        session = await sign_up(http, Role.REVIEWER, "somebody-with-other-keys")
    async with window(browser, installation.url, session) as shown:
        await choose(shown, "copy", "k")
        await shown.page.locator("main .notice.bad").wait_for()
        assert await shown.page.locator("#key-copy").input_value() == "k" and await shown.axe() == []
        await choose(shown, "copy", "q")
        await shown.page.locator("main .notice.good").wait_for()

        page = await shown.open("/analysis/flagged?review_status=all")
        said = page.locator("[data-announce]")
        assert await page.locator('[data-key-of="copy"]').first.inner_text() == "q"
        search = page.locator("[data-filters] input[type=search]")
        await page.keyboard.press("/")
        assert await search.evaluate("(each) => each === document.activeElement")
        await page.keyboard.type("qc")
        assert (await search.input_value(), await said.inner_text()) == ("qc", "")
        await page.keyboard.press("Escape")
        for pressed in ("Control+q", "Alt+q", "c"):
            await page.keyboard.press(pressed)
        assert await said.inner_text() == ""
        await page.keyboard.press("q")
        await eventually(lambda: said.inner_text(), 30)

        await page.locator("[data-menu] > summary").focus()
        await page.keyboard.press(" ")
        assert await page.locator("[data-menu]").get_attribute("open") is not None

        page = await shown.open("/settings")
        await page.locator("[name=keys_on]").uncheck()
        await page.locator("form.settings button.main").click()
        await page.locator("main .notice.good").wait_for()
        page = await shown.open("/analysis/flagged?review_status=all")
        for pressed in ("q", "?", "/"):
            await page.keyboard.press(pressed)
        assert await page.locator("[data-announce]").inner_text() == ""
        assert await page.locator("dialog[open]").count() == 0
        assert await page.locator("[data-filters] input[type=search]").evaluate("(e) => e !== document.activeElement")


async def test_what_is_set_for_a_category_and_breaks_is_kept(browser: Browser, installation: Installation) -> None:
    async with client(installation.url) as http:
        session = await sign_up(http, Role.REVIEWER, "somebody-who-looks-away")
    async with window(browser, installation.url, session, java_script_enabled=False) as shown:
        page = await shown.open("/settings")
        await page.locator("details", has=page.locator("#veil-threat")).locator("summary").first.click()
        await page.locator("#veil-threat").select_option("whole")
        await page.locator('[name=breaks][value="false"]').check()
        await page.locator("form.settings button.main").click()
        await page.locator("main .notice.good").wait_for()
        assert await page.locator("#veil-threat").input_value() == "whole"
        assert await page.locator('[name=breaks][value="false"]').is_checked()
        assert await page.locator("#veil-insult").input_value() == ""
