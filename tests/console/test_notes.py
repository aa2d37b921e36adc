"""What people who review leave for each other on a post, and the way to the post itself."""

from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, expect

from services.reporter.console.roles import Role
from shared.ids import post_id
from tests.console.conftest import Open
from tests.console.installation import Installation, sign_up
from tests.console.test_post import KEEP_TRYING_MS, LIST, here, queue_of
from tests.console.test_review import Client, send
from tests.support.browser import COOKIE, window
from tests.support.ombud import client
from tests.support.servers import eventually

HOSTILE = "Ask Sam <img src=x onerror=alert(1)> \u202eabc"


@pytest.mark.check("CON-07")
@pytest.mark.check("CON-39")
async def test_a_note_is_left_by_key_read_by_colleagues_changed_by_its_author_and_erased_with_the_post(
    open_as: Open, installation: Installation, browser: Browser, http_as: Client
) -> None:
    path = await queue_of(installation, "noted", 1)
    post = post_id("queue", "noted0")
    async with client(installation.url) as admin:
        token = await sign_up(admin, Role.REVIEWER, f"sam-{uuid4()}")
    async with open_as(Role.REVIEWER) as one, window(browser, installation.url, token) as other:
        page = await one.open(f"/posts/{post}{path.removeprefix(LIST)}")
        await page.keyboard.press("n")
        await expect(page.locator("#note")).to_be_focused()
        await page.keyboard.type(HOSTILE)
        assert await one.axe() == []
        await page.get_by_role("button", name="Keep the note").click()
        note = page.locator("[data-focus] .notes li")
        await expect(note).to_contain_text("Ask Sam <img src=x onerror=alert(1)> RLOabc", timeout=KEEP_TRYING_MS)
        assert await here(page) == post and "idiot" not in await page.content()

        reading = await other.open(f"/posts/{post}")
        await expect(reading.locator(".notes li")).to_contain_text("The reviewer")
        link = reading.get_by_role("link", name="Original at forum.example")
        assert await link.get_attribute("rel") == "noreferrer noopener nofollow"
        async with other.context.expect_page() as opened:
            await reading.keyboard.press("o")
        await eventually(lambda: other.foreign == ["https://forum.example/noted/0"], 30)
        await (await opened.value).close()
        assert await reading.locator(".notes li form").count() == 0
        action = await note.get_by_role("button", name="Remove").evaluate("each => each.form.getAttribute('action')")
        reading = await other.open(f"/posts/{post}/history")
        await expect(reading.get_by_role("row", name="Note Ask Sam")).to_contain_text("The reviewer")

        await note.get_by_text("Edit").click()
        await note.get_by_label("What the note says").fill("Sam has seen it.")
        await note.get_by_role("button", name="Save").click()
        await expect(note).to_contain_text("Sam has seen it.", timeout=KEEP_TRYING_MS)
        await expect(note).to_contain_text("changed on")
        assert one.complaints == other.complaints == [] and await one.violations() == []

    async with httpx.AsyncClient(base_url=installation.url, cookies={COOKIE: token}, timeout=30) as sam:
        html = (await sam.get(f"/posts/{post}")).text
        for form in (action, action.removesuffix("/remove")):
            assert (await send(sam, form, html, text="mine now")).status_code == 403
        assert (await send(sam, f"/posts/{post}/notes", html, text=" \n")).status_code == 422
    async with client(installation.url) as admin, http_as(Role.REVIEWER) as http:
        html = (await http.get(f"/posts/{post}")).text
        assert "Sam has seen it." in html and "forum.example" in html
        form = html
        assert (await admin.delete(f"/v1/posts/{post}")).status_code == 202

        async def gone() -> bool:
            return "This post was removed" in (await http.get(f"/posts/{post}")).text

        await eventually(gone, 60)
        for page_of in (f"/posts/{post}", f"/posts/{post}/history"):
            html = (await http.get(page_of)).text
            assert "Sam has seen" not in html and "forum.example" not in html
        assert (await send(http, f"/posts/{post}/notes", form, text="too late")).status_code == 404
