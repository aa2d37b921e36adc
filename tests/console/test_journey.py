"""What a newcomer does first, in one go: `ombud up`, an account, ten reviews, an audit, a report that AVID takes."""

import json
import re
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, expect

from tests.console.auditing import KEY, PATIENT, again, at, begin, state
from tests.support.avid import AvidServer
from tests.support.browser import COOKIE, window
from tests.support.servers import eventually
from tests.support.ups import up

JOURNEY_S = 120


async def test_from_a_link_to_reviews_a_new_model_an_audit_and_an_id_of_avid(browser: Browser, tmp_path: Path) -> None:
    output = tmp_path / "up.txt"
    with AvidServer([500]) as avid:
        told = {
            "reporter_avid_api_url": avid.url,
            "reporter_avid_api_key": KEY,
            "reporter_avid_attempts": 1,
            "auditor_settled_s": 0,
            "trainer_replay": True,
        }
        async with (
            up(tmp_path / "data", output, **told) as (_, url),
            window(browser, url, None) as seen,
        ):
            page = seen.page
            await page.goto(re.findall(r"your account\s+(\S+)", output.read_text())[0])
            await page.get_by_label("Your name").fill("Noor")
            await page.get_by_label("Account").fill("noor")
            await page.get_by_label("Password").fill("a password of the tests")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Overview", timeout=PATIENT)
            first_model = await model(page, url)

            reviewed = await review_ten(page, url)
            audit = await begin(seen, "Are we misread?")
            for n in range(20):
                await at(page, n + 1)
                await page.keyboard.press("1" if n % 5 == 0 else "4")
            await expect(page.get_by_role("heading", level=1)).to_have_text("All 20 posts answered", timeout=PATIENT)

            # what was said of posts has taught a model by now: it is another one, and quality names it
            await eventually(lambda: changed(page, url, first_model), JOURNEY_S)
            new_model = await model(page, url)
            assert new_model != first_model
            async with httpx.AsyncClient(base_url=url, cookies=await cookies(page), timeout=30) as http:
                await eventually(lambda: named(http, new_model), JOURNEY_S)
                heard = (await http.get(f"/posts/{reviewed[0]}/history")).text
            assert "Noor" in heard

            await page.goto(url + audit)
            await eventually(lambda: judged(page), JOURNEY_S)
            worth = await page.locator("[data-status]").get_attribute("data-status")
            assert worth in ("better_than_crowd", "not_better_than_crowd_yet", "worse_than_crowd")
            await page.goto(f"{url}{audit}/topics/-1?error=all")
            for kept in range(2):
                await page.get_by_role("button", name="Add as evidence").first.click()
                await expect(page.get_by_text("Kept as evidence")).to_have_count(kept + 1, timeout=PATIENT)
            await page.get_by_role("button", name="Begin a report with it").click()
            await page.get_by_label("Summary").fill("Jokes among friends are taken for insults.")
            await page.get_by_role("button", name="Save", exact=True).click()
            await expect(page.locator("[data-lack]")).to_have_count(0, timeout=PATIENT)
            await page.get_by_role("link", name="Preview and submit").click()
            await page.get_by_role("button", name="Complete", exact=True).click()
            await page.get_by_role("button", name="Send to AVID").click()
            await state(page, "Failed")
            await again(page)
            await state(page, "Sent")
            receipt = await page.locator("[data-receipt]").inner_text()
            assert (seen.foreign, seen.complaints) == ([], [])
        assert [each.status for each in avid.received] == [500, 200]
        assert receipt == avid.received[1].receipt
        assert "Are we misread?" in json.dumps(json.loads(avid.received[1].body))


async def cookies(page: Page) -> dict[str, str]:
    """Return the session of who looks."""
    return {each["name"]: each["value"] for each in await page.context.cookies() if each["name"] == COOKIE}


async def model(page: Page, url: str) -> str:
    """Return the version that scores a text that is tried."""
    await page.goto(url + "/try")
    await page.locator("#text").fill("A cup of tea.")
    await page.keyboard.press("Control+Enter")
    said = page.locator("#result", has_text="model ")
    await said.wait_for(timeout=PATIENT)
    return re.findall(r"model (\S+)", await said.inner_text())[0]


async def changed(page: Page, url: str, before: str) -> bool:
    """Return whether another model scores now."""
    return await model(page, url) != before


async def named(http: httpx.AsyncClient, version: str) -> bool:
    """Return whether the page of quality knows a model."""
    return version in (await http.get("/quality")).text


async def judged(page: Page) -> bool:
    """Reload the audit and return whether it says what the personal model is worth."""
    await page.reload()
    return bool(await page.locator("[data-status]").count())


async def review_ten(page: Page, url: str) -> list[str]:
    """Review ten posts by keys alone, undo the last and decide it again; return the posts in order."""
    await page.goto(url + "/analysis/flagged")
    await page.keyboard.press("r")
    await page.wait_for_url("**/posts/**")
    done = []
    for n in range(10):
        card = page.locator("[data-focus]")
        post = str(await card.get_attribute("data-focus"))
        done.append(post)
        if n % 2:
            await page.keyboard.press("2")
            await page.keyboard.press("Escape")
        else:
            await page.keyboard.press("1")
        await expect(page.locator(f'[data-focus="{post}"]')).to_have_count(0, timeout=PATIENT)
    await page.keyboard.press("z")
    await expect(page.locator(f'[data-focus="{done[-1]}"]')).to_have_count(1, timeout=PATIENT)
    await page.keyboard.press("1")
    await expect(page.locator(f'[data-focus="{done[-1]}"]')).to_have_count(0, timeout=PATIENT)
    return done
