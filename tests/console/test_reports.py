"""A report's own page: a draft saves itself, nothing typed is lost to a colleague's save, a link shows it read only."""

import re
from collections.abc import Callable

import httpx
from playwright.async_api import expect

from services.reporter.console.roles import Role
from tests.console.auditing import PATIENT
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.ombud import client

Client = Callable[[Role | None], httpx.AsyncClient]


async def drafted(installation: Installation, **fields: object) -> str:
    """Begin a report of the auditor's with one post as evidence; return its id."""
    finding = {"title": "Quotes are flagged", "post_ids": installation.posts[2:3], **fields}
    async with client(installation.url, installation.sessions[Role.AUDITOR]) as http:
        return str((await http.post("/v1/reports", json=finding)).json()["id"])


async def test_a_draft_saves_itself_and_what_somebody_saved_in_between_stands_beside_what_was_typed(
    installation: Installation, open_as: Open
) -> None:
    report = await drafted(installation)
    async with client(installation.url, installation.sessions[Role.AUDITOR]) as http, open_as(Role.AUDITOR) as window:
        page = await window.open(f"/reports/{report}")
        says, summary = page.locator("[data-saves]").first, page.get_by_label("Summary")
        # 1. typed, and a moment later saved, without a button; what is missing is said anew
        await expect(page.locator("[data-lack]")).to_have_count(3)
        await summary.fill("Quotes of insults")
        await expect(says).to_have_text(re.compile(r"^Saved \d\d:\d\d$"), timeout=PATIENT)
        await expect(page.locator('[data-lack="no_summary"]')).to_have_count(0)
        await page.get_by_label("Kind of error").select_option("over-sensitive")
        await expect(page.locator("[data-lack]")).to_have_count(1, timeout=PATIENT)
        await page.get_by_label("You say").select_option("not_toxic")
        await expect(page.locator("[data-lacks]")).to_be_hidden(timeout=PATIENT)
        # 2. whoever leaves takes along what was typed last
        await page.get_by_label("Note").fill("a quotation")
        await page.get_by_role("link", name="Preview and submit").click()
        await page.wait_for_url("**/submit")
        saved = (await http.get(f"/v1/reports/{report}")).json()
        assert (saved["summary"], saved["error_type"]) == ("Quotes of insults", "over-sensitive")
        assert [(each["judgement"], each["note"]) for each in saved["evidence"]] == [("not_toxic", "a quotation")]
        # 3. saves that follow each other are one line of both histories
        page = await window.open(f"/reports/{report}")
        await page.get_by_text("History of this report").click()
        assert len(await page.locator("details.card li").all()) == 2
        page = await window.open(f"/history?object={report}")
        assert await page.locator(".acts tbody tr").count() == 1
        # 4. a colleague saves in between: both stand there, and the words typed stay
        page = await window.open(f"/reports/{report}")
        now = (await http.get(f"/v1/reports/{report}")).json()["version"]
        theirs = {"version": now, "summary": "Theirs"}
        assert (await http.patch(f"/v1/reports/{report}", json=theirs)).status_code == 200
        await summary.fill("Mine")
        await expect(page.locator("[data-theirs]")).to_contain_text("Theirs", timeout=PATIENT)
        await expect(summary).to_have_value("Mine")
        await expect(says).to_contain_text("somebody changed this report")
        assert await window.axe() == []
        assert (await http.get(f"/v1/reports/{report}")).json()["summary"] == "Theirs"
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("Saved.", exact=True)).to_be_visible(timeout=PATIENT)
        assert (await http.get(f"/v1/reports/{report}")).json()["summary"] == "Mine"
        # 5. while Ombud does not answer it says so, keeps what is typed and saves it once, later
        await window.context.set_offline(True)
        await summary.fill("Written on a train")
        await expect(says).to_contain_text("Not saved yet", timeout=PATIENT)
        await window.context.set_offline(False)
        await expect(says).to_have_text(re.compile("^Saved "), timeout=PATIENT)
        assert (await http.get(f"/v1/reports/{report}")).json()["summary"] == "Written on a train"
        assert await window.violations() == []


async def test_without_scripts_a_draft_is_saved_by_its_button_and_a_conflict_shows_both(
    installation: Installation, open_as: Open
) -> None:
    report = await drafted(installation)
    session = installation.sessions[Role.AUDITOR]
    async with client(installation.url, session) as http, open_as(Role.AUDITOR, java_script_enabled=False) as window:
        page = await window.open(f"/reports/{report}")
        await page.get_by_label("Summary").fill("By hand")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("Saved.", exact=True)).to_be_visible(timeout=PATIENT)
        saved = (await http.get(f"/v1/reports/{report}")).json()
        assert saved["summary"] == "By hand"
        await http.patch(f"/v1/reports/{report}", json={"version": saved["version"], "summary": "Theirs"})
        await page.get_by_label("Summary").fill("Mine")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("[data-theirs]")).to_contain_text("Theirs", timeout=PATIENT)
        await expect(page.get_by_label("Summary")).to_have_value("Mine")


async def test_a_link_shows_a_report_to_who_may_read_posts_until_it_is_taken_back(
    installation: Installation, open_as: Open, http_as: Client
) -> None:
    private = "Ask jan@example.org about it"
    report = await drafted(installation, summary=private)
    async with open_as(Role.AUDITOR) as window:
        page = await window.open(f"/reports/{report}")
        await page.get_by_role("button", name="Make a link").click()
        link = await page.get_by_label("Link", exact=True).input_value(timeout=PATIENT)
        path = link.partition(installation.url)[2] or "/shared/" + link.rpartition("/")[2]
        assert await window.axe() == []
        async with http_as(Role.REVIEWER) as http:
            shown = (await http.get(path)).text
            assert "Quotes are flagged" in shown and "Ask [email] about it" in shown
            assert "jan@example.org" not in shown and "The auditor" not in shown
            assert re.findall(r'<form[^>]*action="([^"]+)"', shown) == ["/signout"]
        async with http_as(Role.VIEWER) as http:
            assert (await http.get(path)).status_code == 403
        # the page of the report does not show the link again, and takes it back
        page = await window.open(f"/reports/{report}")
        assert path.rpartition("/")[2] not in await page.content()
        await page.get_by_role("button", name="Take the link back").click()
        await expect(page.get_by_text("leads nowhere from now on")).to_be_visible(timeout=PATIENT)
        async with http_as(Role.REVIEWER) as http:
            assert (await http.get(path)).status_code == 404
        # no act of the history holds a secret
        async with http_as(Role.LEAD) as http:
            told = (await http.get(f"/history.csv?object={report}")).text
        assert "/reports/{report_id}/link/remove" in told and path.rpartition("/")[2] not in told
