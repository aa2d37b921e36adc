"""The review list: addresses that show the same again, saved views, the whole list as a file."""

import csv
import io
from collections.abc import Callable

import httpx
import pytest

from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.console.test_review import LIST, ids, send
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
ALL = f"{LIST}?review_status=all"


@pytest.mark.check("CON-12")
@pytest.mark.check("CON-13")
async def test_filters_sorts_and_pages_are_addresses_that_show_the_same_again(http_as: Client) -> None:
    async with http_as(Role.REVIEWER) as http:
        turned = await http.get(f"{LIST}?sort=insult&lang=&min=0.10&review_status=all")
        assert (turned.status_code, turned.headers["location"]) == (303, f"{ALL}&min=0.1&sort=insult")
        page = await http.get(turned.headers["location"])
        assert ids(page.text) == ids((await http.get(turned.headers["location"])).text) != []
        wrong = await http.get(f"{ALL}&sort=luck&colour=red")
        assert wrong.status_code == 200
        assert "sort, colour" in wrong.text
        assert ids(wrong.text) == ids((await http.get(ALL)).text)
        forged = await http.get(f"{ALL}&cursor=AAAA")
        assert "cursor" in forged.text
        assert ids(forged.text) == ids((await http.get(ALL)).text)


@pytest.mark.check("CON-12")
@pytest.mark.check("CON-20")
async def test_filters_are_a_form_that_works_without_scripts_and_back_restores(open_as: Open) -> None:
    async with open_as(Role.REVIEWER, java_script_enabled=False) as window:
        page = await window.open(ALL)
        first = ids(await page.content())
        await page.get_by_text("More filters").click()
        await page.get_by_role("checkbox", name="Insult").check()
        await page.get_by_label("Sort").select_option("newest")
        await page.get_by_role("button", name="Show", exact=True).click()
        assert page.url.endswith(f"{LIST}?category=insult&review_status=all&sort=newest")
        assert 0 < len(ids(await page.content())) <= len(first)
        await page.get_by_role("link", name="Remove the filter Category").click()
        assert page.url.endswith(f"{ALL}&sort=newest")
        await page.go_back()
        await page.go_back()
        assert page.url.endswith(ALL)
        assert ids(await page.content()) == first


@pytest.mark.check("CON-12")
async def test_a_view_is_saved_by_key_listed_opened_and_removed(open_as: Open, http_as: Client) -> None:
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(f"{ALL}&sort=threat")
        await page.keyboard.press("s")
        await page.keyboard.type("Threats <first>")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{LIST}?*sort=threat")
        link = page.get_by_role("navigation", name="Saved views").get_by_role("link", name="Threats <first>")
        path = str(await link.get_attribute("href"))
        await page.locator("summary", has_text="Save this view").click()
        async with http_as(Role.LEAD) as other:
            assert (await other.get(path)).status_code == 404
        await page.get_by_role("button", name="Remove Threats").click()
        await page.wait_for_url(f"**{LIST}?*sort=threat")
        assert await page.get_by_role("navigation", name="Saved views").count() == 0
        assert window.complaints == []


@pytest.mark.check("CON-21")
async def test_the_file_has_the_posts_of_the_list_and_no_text_unless_asked(http_as: Client) -> None:
    async with http_as(Role.REVIEWER) as http:
        query = "?review_status=all&sort=oldest"
        shown: list[str] = []
        path = LIST + query
        while path:
            page = await http.get(path)
            shown += ids(page.text)
            path = next((each for each in _links(page.text) if "cursor=" in each), "")
        answer = await http.get(f"/export/flagged.csv{query}&luck=1")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["x-ombud-left-out"] == "luck"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["post_id"] for row in rows] == shown != []
        assert "text" not in rows[0]
        assert all(row["text"] for row in csv.DictReader(io.StringIO((await _with_text(http, query)).text)))


async def _with_text(http: httpx.AsyncClient, query: str) -> httpx.Response:
    return await http.get(f"/export/flagged.csv{query}&text=1")


def _links(html: str) -> list[str]:
    return [each.replace("&amp;", "&") for each in html.split('href="')[1:] for each in [each.partition('"')[0]]]


async def test_new_posts_are_counted_in_place_and_the_list_does_not_move(
    open_as: Open, http_as: Client, installation: Installation
) -> None:
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(LIST)
        before = ids(await page.content())
        async with http_as(Role.REVIEWER) as http:
            text = "You are a useless idiot and your team is a bunch of clowns."
            await _ingest(installation, "new-one", text)

            async def told() -> bool:
                assert ids(await page.content()) == before
                return await page.get_by_role("link", name="1 new").count() == 1

            await eventually(told, 60)
            await page.get_by_role("link", name="1 new").click()
            await page.wait_for_url(f"**{LIST}")
            assert ids((await http.get(LIST)).text) != before


async def _ingest(installation: Installation, name: str, text: str, **more: str) -> None:
    async with client(installation.url) as admin:
        post = {"platform": "sample", "external_id": name, "text": text, "language": "en", **more}
        answer = await admin.post("/v1/posts", json={"posts": [post]})
        assert answer.status_code == 202, answer.text


async def test_a_view_needs_a_name(http_as: Client) -> None:
    async with http_as(Role.REVIEWER) as http:
        page = (await http.get(LIST)).text
        assert (await send(http, "/views", page, name="  ", query="")).status_code == 422
