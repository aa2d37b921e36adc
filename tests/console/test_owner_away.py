"""The part that keeps verdicts does not answer, or ours has not heard yet: nothing typed is lost, pages catch up."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.async_api import expect

from services.reporter.console.roles import Role
from shared.ids import post_id
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.console.test_post import KEEP_TRYING_MS, LIST, begin, here, moved, queue_of, verdicts
from tests.support.ombud import client


@contextmanager
def busy(installation: Installation, service: str) -> Iterator[None]:
    """Let nobody else write what a service keeps: it waits, gives up and says so."""
    path = installation.ombud.data_dir / f"{service}.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as held:
        held.execute("BEGIN IMMEDIATE")
        yield
        held.execute("ROLLBACK")


@pytest.mark.check("CON-22")
@pytest.mark.check("CON-19")
async def test_a_verdict_that_its_owner_cannot_keep_stays_typed_and_goes_when_it_can(
    open_as: Open, installation: Installation
) -> None:
    path = await queue_of(installation, "ownerless", 3)
    async with open_as(Role.REVIEWER, java_script_enabled=False) as plain, open_as(Role.REVIEWER) as one:
        page = await one.open(path)
        post = await begin(page)
        with busy(installation, "ingest"):
            async with page.expect_response(f"**/posts/{post}/reviews", timeout=KEEP_TRYING_MS) as answer:
                await page.keyboard.press("3")
            assert (await answer.value).status == 503
            await expect(page.locator('[data-not-saved="unsure"]')).to_be_visible(timeout=KEEP_TRYING_MS)
            assert await here(page) == post, "reading goes on"
        await moved(page, post)
        assert [each["verdict"] for each in verdicts(installation, {post})] == ["unsure"]

        other = await here(page)
        shown = await plain.open(f"/posts/{other}")
        with busy(installation, "ingest"):
            async with shown.expect_response(f"**/posts/{other}/reviews", timeout=KEEP_TRYING_MS) as answer:
                await shown.locator("article").get_by_role("button", name="Correct", exact=False).first.click()
            assert (await answer.value).status == 503
            notice = " ".join((await shown.locator(".notice.bad").first.inner_text()).split())
            assert notice.startswith("Not saved.") and notice.endswith("✓ Correct")
            assert verdicts(installation, {other}) == []
        await shown.locator("article").get_by_role("button", name="Correct", exact=False).first.click()
        assert [each["verdict"] for each in verdicts(installation, {other})] == ["correct"]


@pytest.mark.check("CON-22")
async def test_what_our_tables_have_not_heard_is_saving_until_the_page_catches_up_by_itself(
    open_as: Open, installation: Installation
) -> None:
    await queue_of(installation, "unheardof", 2)
    async with client(installation.url, installation.sessions[Role.REVIEWER]) as http, open_as(Role.REVIEWER) as one:
        first, second = [post_id("queue", f"unheardof{n}") for n in range(2)]
        with busy(installation, "reporter"):
            said = await http.post("/v1/feedback", json={"post_id": first, "verdict": "correct"})
            assert said.status_code == 202, said.text
            page = await one.open(f"/posts/{second}?q=unheardof&done={said.json()['id']}")
            last = page.locator("[data-last]")
            await expect(last).to_contain_text("Saving. The list catches up by itself.")
        await expect(last).to_contain_text(f"Saved: {first[:8]}", timeout=KEEP_TRYING_MS)
        assert await here(page) == second and LIST not in page.url
