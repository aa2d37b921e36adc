"""The review list: addresses that show the same again, saved views, the whole list as a file."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest
from playwright.async_api import expect

from services.reporter.console.roles import Role
from shared.ids import post_id
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.console.test_post import queue_of
from tests.console.test_review import LIST, ids, send
from tests.support.commands import succeeds
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


@pytest.mark.check("CON-16")
async def test_near_duplicates_are_decided_alike_and_one_undo_brings_all_back(
    open_as: Open, installation: Installation
) -> None:
    said = "You are a useless idiot and a clown"
    for n in range(4):
        await _ingest(installation, f"alike-{n}", f"{said}{'!' * n}")
    async with open_as(Role.LEAD) as window:
        page = window.page
        path = f"{LIST}?q={said.replace(' ', '+')}"

        async def there() -> bool:
            await window.open(path)
            return len(ids(await page.content())) == 4

        await eventually(there, 60)
        await page.keyboard.press("j")
        await page.keyboard.press("1")
        await page.wait_for_url("**done=*")

        async def offered() -> bool:
            await page.reload()
            return await page.get_by_role("link", name="Decide 3 near-duplicates alike").count() == 1

        await eventually(offered, 60)
        word = page.url.partition("done=")[2]
        await window.open(f"/posts/{ids(await page.content())[0]}?{path.partition('?')[2]}&done={word}")
        await page.keyboard.press("d")
        await page.wait_for_url("**/bulk/alike?*word=*")
        assert await window.axe() == []
        await page.keyboard.press("1")
        await page.wait_for_url("**batch=*")

        async def decided() -> bool:
            await page.reload()
            return await page.get_by_text("All 4 decided").count() == 1

        await eventually(decided, 60)
        assert "Saved for 3 posts" in await page.locator(".notice.good").inner_text()
        await page.keyboard.press("z")
        await page.wait_for_url(f"**{path}")

        async def back() -> bool:
            await page.reload()
            return len(ids(await page.content())) == 3

        await eventually(back, 60)
        assert window.complaints == []


@pytest.mark.check("CON-16")
async def test_several_posts_are_chosen_and_decided_by_keys_after_a_sample(open_as: Open) -> None:
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(ALL)
        rows = await page.locator("[data-row]").all()
        offered = [n for n, row in enumerate(rows) if await row.locator("[data-pick]").count()][:3]
        for _ in range(offered[0] + 1):
            await page.keyboard.press("j")
        await page.keyboard.press("x")
        for _ in range(offered[2] - offered[0]):
            await page.keyboard.press("j")
        await page.keyboard.press("X")
        assert "3 chosen" in await page.locator("[data-bulk]").inner_text()
        assert await window.axe() == []
        await page.keyboard.press("3")
        await page.get_by_role("heading", name="Decide 3 posts alike").wait_for()
        await expect(page.locator("[data-sure]")).to_be_focused(timeout=30_000)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**batch=*")
        await page.locator(".notice", has_text="Saved for 3 posts").wait_for()
        await page.keyboard.press("z")
        await page.wait_for_url(f"**{ALL}")
        assert await page.locator(".notice.good").count() == 0
        assert window.complaints == []


@pytest.mark.check("CON-16")
@pytest.mark.check("CON-20")
async def test_posts_are_chosen_without_scripts_and_501_or_unseen_ones_are_refused(
    open_as: Open, http_as: Client
) -> None:
    async with open_as(Role.REVIEWER, java_script_enabled=False) as window:
        page = await window.open(ALL)
        for box in (await page.get_by_role("checkbox", name="Choose").all())[:2]:
            await box.check()
        await page.locator("#bulk").get_by_role("button", name="Unsure").click()
        assert await page.get_by_role("heading", name="Decide 2 posts alike").count() == 1
        assert await page.locator(".cards .post").count() == 2
        await page.get_by_role("button", name="Save for 2 posts").click()
        await page.get_by_role("button", name="Undo for all 2 posts").click()
        assert page.url.endswith(ALL)
    async with http_as(Role.REVIEWER) as http, http_as(Role.LEAD) as other:
        html = (await http.get(ALL)).text
        proofs = re.findall(r'name="post" value="([^"]+)"', html)
        many = await send(http, "/bulk/reviews", html, verdict="correct", post=[proofs[0]] * 501, sure="true")
        assert (many.status_code, "500" in many.text or "too_many" in many.text) == (422, True)
        theirs = (await other.get(ALL)).text
        stolen = await send(other, "/bulk/reviews", theirs, verdict="correct", post=proofs[:1], sure="true")
        assert stolen.status_code == 422
        nobody = await send(other, "/bulk/0000-no-such-batch/retract", theirs)
        assert nobody.status_code == 404


@pytest.mark.check("CON-18")
async def test_corrections_one_by_one_and_alike_are_rows_of_the_export_and_lines_of_the_harvest(
    http_as: Client, installation: Installation, tmp_path: Path
) -> None:
    path = await queue_of(installation, "harvested", 3)
    one, *others = [post_id("queue", f"harvested{n}") for n in range(3)]
    async with http_as(Role.REVIEWER) as http, client(installation.url) as admin:
        html = (await http.get(path)).text
        listed = csv.DictReader(io.StringIO((await http.get("/export/flagged.csv?q=harvested")).text))
        flagged = {row["post_id"]: row["categories"].split("|") for row in listed}[one]
        said = {"verdict": "incorrect", "boxes": "true", "category": [*flagged, "ableism"], "seen_version": 0}
        assert (await send(http, f"/posts/{one}/reviews", html, back="list", **said)).status_code == 303
        proofs = [re.findall(rf'id="p-{post}".*?name="post" value="([^"]+)"', html, re.S)[0] for post in others]
        alike = await send(http, "/bulk/reviews", html, verdict="incorrect", post=proofs, sure="true")
        assert alike.status_code == 303, alike.text

        async def exported() -> dict[str, dict[str, str]] | None:
            answer = await http.get("/export/flagged.csv?q=harvested&review_status=all")
            rows = {row["post_id"]: row for row in csv.DictReader(io.StringIO(answer.text))}
            return rows if len(rows) == 3 and all(row["feedback_type"] for row in rows.values()) else None

        rows = await eventually(exported, 60)
        assert {rows[post]["feedback_type"] for post in others} == {"false_positive"}
        assert rows[one]["feedback_type"] == "false_negative"
        assert set(rows[one]["expected_categories"].split("|")) == {*flagged, "ableism"}
        assert {(rows[post]["expected_categories"], rows[post]["actual_categories"]) for post in others} == {
            ("", rows[one]["actual_categories"])
        }
        assert rows[one]["actual_categories"].split("|") == flagged

        async def taught() -> bool:
            lines = (await admin.get("/api/v1/feedback", params={"limit": 1000})).json()
            return sum("harvested" in each["text"] for each in lines) == 3

        await eventually(taught, 120)
    target = tmp_path / "harvest.jsonl"
    await succeeds("harvest", "--url", installation.url, "--output", target, data_dir=tmp_path)
    found = {line["text"]: line["labels"] for line in map(orjson.loads, target.read_bytes().splitlines())}
    assert found["You are an idiot, harvested0."]["ableism"] == 1
    assert all(found[f"You are an idiot, harvested{n}."][name] == 0 for n in (1, 2) for name in flagged)


async def test_an_account_shows_its_days_its_repetitions_and_where_there_is_nothing(
    open_as: Open, http_as: Client, installation: Installation
) -> None:
    path = f"/accounts/{installation.account}"
    async with open_as(Role.REVIEWER) as window:
        page = await window.open(path)
        await page.get_by_role("link", name="Queue of this account").click()
        assert page.url.endswith(f"{LIST}?account={installation.account}")
        await page.go_back()
        await page.get_by_label("From", exact=True).fill("2001-01-01")
        await page.get_by_label("To", exact=True).fill("2001-01-31")
        await page.get_by_role("button", name="Show", exact=True).click()
        assert await page.get_by_role("heading", name="Nothing in these dates").count() == 1
        await page.get_by_role("link", name="Show the dates with posts").click()
        assert await page.get_by_role("table").first.count() == 1
        assert window.complaints == []
    async with http_as(Role.REVIEWER) as http:
        rows = list(csv.DictReader(io.StringIO((await http.get(f"{path}/chart.csv")).text)))
        found = await http.get(f"{LIST}?account={installation.account}&review_status=all")
        flagged = sum(int(row["flagged"]) for row in rows)
        assert 0 < flagged <= len(ids(found.text)) <= sum(int(row["posts"]) for row in rows)
        assert (await http.get("/accounts/nobody")).status_code == 404
