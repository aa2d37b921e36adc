"""An audit in the browser: rate posts, see where the system differs, keep evidence, report it, send it to AVID."""

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from services.auditor.tables import metadata as auditor
from services.auditor.tables import named_models
from services.reporter.avid import AvidReport
from services.reporter.avid_export import submission
from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.roles import Role
from services.trainer.store.groups import DONE, GroupStore
from services.trainer.tables import metadata as trainer
from shared.clock import utcnow
from tests.console.auditing import PATIENT, Audited, again, at, audited, begin, state
from tests.console.installation import sign_up
from tests.support.browser import COOKIE, window
from tests.support.servers import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ombud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Audited]:
    """An Ombud that can be audited."""
    async with audited(tmp_path_factory.mktemp("audited")) as made:
        yield made


@pytest.mark.check("CON-33")
async def test_twenty_ratings_become_a_report_that_avid_receives_with_both_posts(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("ann")
    async with window(browser, ombud.url, session) as looking:
        page, audit = looking.page, await begin(looking)
        # 1. label twenty, by keys alone: milder than the system on two, stricter on the others, unsure of one
        for n in range(20):
            await at(page, n + 1)
            await page.keyboard.press("u" if n == 7 else "1" if n % 9 == 0 else "4")
        await expect(page.get_by_role("heading", level=1)).to_have_text("All 20 posts answered", timeout=PATIENT)
        # 2. the map says what the model is worth, in words, and where the system differs
        await _learned(ombud, session, audit)
        await page.get_by_role("link", name="See the map").click()
        assert await page.locator("[data-status]").get_attribute("data-status") in (
            "better_than_crowd",
            "not_better_than_crowd_yet",
            "worse_than_crowd",
        )
        # 3. a topic, and two posts of it as evidence; of one of them the person thinks otherwise after all
        await page.locator("section[aria-labelledby=topics] tbody a").first.click()
        for kept in range(2):
            await page.get_by_role("button", name="Add as evidence").first.click()
            await expect(page.get_by_text("Kept as evidence")).to_have_count(kept + 1, timeout=PATIENT)
        await page.get_by_role("button", name="Actually I agree with the system").first.click()
        await expect(page.get_by_text("Kept: you agree with the system")).to_be_visible(timeout=PATIENT)
        # 4. a report of it, which lacks a summary and says so
        await page.get_by_role("button", name="Begin a report with it").click()
        await expect(page.locator("[data-lack]")).to_have_text(["a summary"], timeout=PATIENT)
        await page.get_by_label("Summary").fill("Sarcasm about trams is taken for an insult.")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("[data-lack]")).to_have_count(0, timeout=PATIENT)
        await page.get_by_role("button", name="Take the audit").click()
        await expect(page.locator("section[aria-labelledby=measured] caption").first).to_contain_text("McNemar")
        # 5. complete and send: the first answer of AVID is 500, so it failed and has no id
        await page.get_by_role("link", name="Preview and submit").click()
        await page.get_by_role("button", name="Complete", exact=True).click()
        shown = json.loads(await page.locator("[data-document]").inner_text())
        await page.get_by_role("button", name="Send to AVID").click()
        await state(page, "Failed")
        await expect(page.locator("[data-receipt]")).to_have_count(0)
        # 6. sent again it arrives: the same document, with both posts, and Sent comes with AVID's id
        await again(page)
        await state(page, "Sent")
        (first, second) = ombud.avid.received
        assert (first.status, second.status) == (500, 200)
        assert await page.locator("[data-receipt]").inner_text() == second.receipt
        sent = json.loads(second.body)
        assert sent == shown == json.loads(first.body)
        async with _client(ombud, session) as http:
            document = (await http.get(f"/v1{page.url[len(ombud.url) :].removesuffix('/submit')}/avid.json")).content
        AvidReport.model_validate_json(document)
        assert json.loads(submission(json.loads(document), decimals_as_text=True)) == sent
        rows = next(each for each in sent["metrics"] if each["name"] == "Evidence comments")["results"]["rows"]
        assert len({row["id"] for row in rows}) == 2
        assert (await looking.violations(), looking.foreign, looking.complaints) == ([], [], [])


async def _learned(ombud: Audited, session: str, audit: str) -> None:
    async def learned() -> bool:
        async with _client(ombud, session) as http:
            accuracy = (await http.get(f"/v1{audit}")).json()["accuracy"]
        return bool(accuracy) and (accuracy["labels"], accuracy["unsure"]) == (19, 1)

    await eventually(learned, 30)


def _client(ombud: Audited, session: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {session}"}
    return httpx.AsyncClient(base_url=ombud.url, headers=headers, cookies={COOKIE: session}, timeout=30)


async def marks(page: Page) -> list[dict[str, str]]:
    """Return the marks of the map that is open: where they lead, what they are called, how they are filled."""
    await expect(page.locator(".chart.linked svg")).to_be_visible(timeout=PATIENT)
    found: list[dict[str, str]] = await page.locator(".chart.linked svg a").evaluate_all(
        "all => all.map(a => ({href: a.getAttribute('href'), name: a.getAttribute('aria-label'),"
        " fill: a.querySelector('path').getAttribute('fill'), stop: a.getAttribute('tabindex')}))"
    )
    return found


@pytest.mark.check("CON-02")
@pytest.mark.check("CON-08")
@pytest.mark.check("CON-35")
@pytest.mark.check("CON-37")
async def test_every_mark_of_the_map_reaches_its_topic_by_click_and_by_key_and_its_step_follows_the_gap(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("ben")
    async with window(browser, ombud.url, session) as looking:
        audit = await begin(looking, "All topics")
        for rating in "4421":  # so that some topics differ
            await looking.page.keyboard.press(rating)
            await looking.page.wait_for_timeout(400)
        page = await looking.open(f"{audit}?error=all")
        rows = page.locator("section[aria-labelledby=topics] tbody tr")
        drawn = {each["href"]: each for each in await marks(page)}
        assert await rows.count() == len(drawn) > 5
        for n in range(await rows.count()):
            row = rows.nth(n)
            own = drawn[await row.locator("a").get_attribute("href") or ""]
            cells = [await row.locator("td").nth(at).inner_text() for at in (1, 2, 3)]
            assert all(cell in own["name"] for cell in cells), (own, cells)
            step = (await row.locator("td .glyph").first.get_attribute("class") or "").split("s-")[1]
            size = abs(float(cells[2].replace("\u2212", "-")))
            if step[-1].isdigit():
                assert own["fill"] == f"var(--{step})"
                # the gap is written with two digits, the step follows from all of them
                assert int(step[-1]) in {1 + sum(size + by > each for each in (0.5, 1, 1.5)) for by in (-0.005, 0.005)}
            else:
                assert own["fill"] == {"keep": "var(--card)", "remove": "var(--line-2)"}[step]
        # one stop of the Tab key, arrows inside, Enter opens
        assert {each["stop"] for each in drawn.values()} == {"-1"}
        await page.locator(".chart.linked").focus()
        walked = []
        for _ in range(len(drawn)):
            await page.keyboard.press("ArrowRight")
            walked.append(await page.evaluate("document.activeElement.getAttribute('href')"))
        assert set(walked) == set(drawn) and len(set(walked)) == len(walked)
        assert await page.locator("[data-readout]").first.inner_text() == drawn[walked[-1]]["name"]
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{walked[-1]}")
        # a post's mark leads to the table that begins with its row
        page = await looking.open(f"{walked[0]}?error=all")
        last = (await marks(page))[-1]["href"]
        await page.locator(f'.chart.linked a[href="{last}"]').click()
        await page.wait_for_url(f"**{last}")
        assert await page.locator(".posts > li").first.get_attribute("id") == last.partition("#")[2]
        # the legend leaves one kind, and again brings all back
        button = page.get_by_role("button", name="system over-flags")
        await button.click()
        assert await page.locator(".chart.linked").get_attribute("data-only") == "over"
        await expect(button).to_have_attribute("aria-pressed", "true")
        assert (await looking.axe(), await looking.violations(), looking.complaints) == ([], [], [])
        # on demand the map comes alive, within the same policy
        await page.locator('[data-explore="/charts/posts"]').click()
        await expect(page.locator(".alive svg")).to_be_visible(timeout=90_000)
        assert await page.locator("svg[style], svg [style]").count() == 0
        first = await page.locator(".alive .mark-symbol path").first.bounding_box()
        assert first is not None
        await page.mouse.move(first["x"] + first["width"] / 2, first["y"] + first["height"] / 2)
        await expect(page.locator("#vg-tooltip-element")).to_contain_text("gap", timeout=PATIENT)
        assert (await looking.everywhere(), await looking.violations()) == ([], [])
        assert (looking.complaints, looking.foreign) == ([], [])
        # the same numbers as a file; other roles are told which one is missing
        async with httpx.AsyncClient(base_url=ombud.url, cookies={COOKIE: session}) as http:
            query = f"?audit={audit.rpartition('/')[2]}&error=all"
            lines = (await http.get(f"/charts/topics.csv{query}")).text.splitlines()
            assert len(lines) == len(drawn) + 1 and lines[0] == "id,you,system,gap,n,step"
            assert " style=" not in (await http.get(f"/charts/topics.svg{query}")).text
            http.cookies.set(COOKIE, await sign_up(ombud.http, Role.VIEWER, "vic"))
            assert (await http.get(f"/charts/topics.csv{query}")).status_code == 403
    async with window(browser, ombud.url, session, java_script_enabled=False) as looking:
        page = await looking.open(f"{audit}?error=all")
        if await page.locator(".chart.linked svg a").count():  # drawn before, so part of the page
            target = page.locator(".chart.linked svg a").first
            href = await target.get_attribute("href")
            await target.click()
            await page.wait_for_url(f"**{href}")


async def test_every_suggestion_is_offered_and_a_post_by_chance_is_kept_as_evidence(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("gus")
    async with _client(ombud, session) as http:
        audit = "/audits/" + (await http.post("/v1/audits", json={"title": "Suggestions"})).json()["id"]
    async with window(browser, ombud.url, session) as looking:
        said = {
            "empty": "begin with what you know",
            "fixed": "No topic of today has these words",
            "personal": "of its posts",
            "personal_group": "No detectable difference",
            "prompts": "Search for posts",
            "tutorial": "No topic of today has these words",
        }
        page = await looking.open(f"{audit}/suggestions")
        offered = page.locator("#scaffold option")
        assert {await each.get_attribute("value") for each in await offered.all()} == set(said)
        for name, words in said.items():
            page = await looking.open(f"{audit}/suggestions?scaffold={name}")
            assert words in await page.locator("section[aria-labelledby=begin]").inner_text(), name
        assert await looking.axe() == []
        await page.set_viewport_size({"width": 320, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page = await looking.open(f"{audit}/around?seed=3")
        assert await page.locator(".posts > li").count() == 20
        first = await page.locator(".posts > li").first.get_attribute("id")
        await looking.open(f"{audit}/around?seed=3&sort=nonsense")
        assert await page.locator(".posts > li").first.get_attribute("id") == first
        await expect(page.get_by_text("sort in the address is not known")).to_be_visible()
        await page.keyboard.press("a")
        await expect(page.get_by_text("Kept as evidence")).to_have_count(1, timeout=PATIENT)
        # a draft of it is put away, brought back, asked for tests that there are not yet, and taken along as a file
        await page.get_by_role("button", name="Begin a report with it").click()
        await page.get_by_role("button", name="Put this draft away").click()
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_role("button", name="Take the audit").click()
        await expect(page.get_by_text("There is no test yet")).to_be_visible(timeout=PATIENT)
        await page.get_by_text("History of this report").click()
        done = [each.partition(": ")[2].split()[0] for each in await page.locator("details.card li").all_inner_texts()]
        assert done == ["brought", "put", "begun"]
        for kind, words in (("md", "Suggestions"), ("json", '"data_type"')):
            path = page.url.partition("?")[0]
            assert words in await (await page.context.request.get(f"{path}/file.{kind}")).text()
        assert (await looking.axe(), await looking.violations(), looking.complaints) == ([], [], [])


@pytest.mark.check("CON-46")
async def test_without_the_library_of_charts_every_page_of_an_audit_answers_with_its_tables(
    ombud: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await ombud.auditor("fay")
    monkeypatch.setattr(ChartWorker, "there", property(lambda _: False), raising=False)
    async with _client(ombud, session) as http:
        audit = (await http.post("/v1/audits", json={"title": "Without charts"})).json()["id"]
        for path in ("?error=all", "/topics/1?error=all", "/search?q=tram&error=all", "/compare", "/changes", "/label"):
            answer = await http.get(f"/audits/{audit}{path}")
            assert answer.status_code == 200 and '<svg class="marks' not in answer.text
        page = (await http.get(f"/audits/{audit}/topics/1?error=all")).text
        assert "Charts are not installed here" in page and '<details class="table" open>' in page
        assert "data-explore" not in page
        assert (await http.get(f"/charts/topics.svg?audit={audit}&error=all")).status_code == 404
        assert (await http.get(f"/charts/topics.csv?audit={audit}&error=all")).status_code == 200


@pytest.mark.check("CON-34")
async def test_a_rating_of_exactly_the_cut_is_one_decision_on_every_page(ombud: Audited, browser: Browser) -> None:
    session = await ombud.auditor("eva")
    async with window(browser, ombud.url, session) as looking:
        audit = await begin(looking, "On the cut")
        page = looking.page
        await expect(page.locator(".rating.toxic")).to_have_count(3)
        await expect(page.locator('[data-key-act="rate-2"]')).to_have_class(re.compile("toxic"))
        async with _client(ombud, session) as http:
            asked = (await http.get(f"/v1{audit}/label", params={"i": 1})).json()["post"]
            post, word = asked["post_id"], asked["text"].split()[-1]
        await page.keyboard.press("2")
        await at(page, 2)

        async def shown() -> bool:
            await looking.open(f"{audit}/search?q={word}&error=all&at={post}")
            words = await page.locator(f"#p-{post}").inner_text()
            assert "You said 2" in words
            removed = [each for each in ("both remove", "system under-flags") if each in words]
            assert len(removed) == 1
            mark = next(each for each in await marks(page) if post in each["href"])
            assert removed[0] in mark["name"] and "you 2.00" in mark["name"]
            return True

        await eventually(shown, 30)
        async with _client(ombud, session) as http:
            query = {"audit": audit.rpartition("/")[2], "error": "all", "q": word}
            spec = (await http.get("/charts/posts.vl.json", params=query)).json()
        own = next(each for each in spec["data"]["values"] if each["id"] == post)
        rule = next(each for each in spec["layer"] if each["mark"]["type"] == "rule")["encoding"]["x"]["datum"]
        assert own["x"] > rule == 2.0 and own["kind"] in ("remove", "under")


@pytest.mark.check("CON-36")
async def test_a_reload_in_the_middle_loses_nothing_and_a_changed_rating_replaces_the_old_one(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("cas")
    async with window(browser, ombud.url, session, java_script_enabled=False) as looking:
        audit = await begin(looking, "In the middle")
        page = looking.page
        drawn = (await page.get_by_role("heading", level=1).inner_text()).split()[-1]
        async with _client(ombud, session) as http:
            first = (await http.get(f"/v1{audit}/label", params={"i": 1})).json()["post"]
        for n in range(3):
            page = await looking.open(f"{audit}/label?i={n + 1}")
            await page.get_by_role("button", name="3 very").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(f"Post {n + 2} of {drawn}", timeout=PATIENT)
        await page.reload()
        await looking.open(f"{audit}/label?i=1")
        await expect(page.get_by_text("You said 3.")).to_be_visible(timeout=PATIENT)
        await page.get_by_role("button", name="0 not at all").click()
        await looking.open(f"{audit}/label?i=1")
        await expect(page.get_by_text("You said 0.")).to_be_visible(timeout=PATIENT)
        async with _client(ombud, session) as http:
            now = (await http.get(f"/v1{audit}/label", params={"i": 1})).json()["post"]
            versions = (await http.get("/v1/models/personal/me/versions", params={"limit": 1})).json()
        assert (now["post_id"], now["rating"]) == (first["post_id"], 0)
        assert versions[0]["posterior"]["labels"] <= 19 + 3


@pytest.mark.check("CON-24")
async def test_a_post_to_rate_is_veiled_until_it_is_asked_for_and_veiled_again_after_moving_on(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("dee")
    async with window(browser, ombud.url, session) as looking:
        audit = await begin(looking, "Veiled")
        async with _client(ombud, session) as http:
            text = (await http.get(f"/v1{audit}/label", params={"i": 1})).json()["post"]["text"]
        page = await looking.open(f"{audit}/label?i=1")
        assert text not in await page.content()
        await page.keyboard.press(" ")
        await expect(page.get_by_text(text)).to_be_visible(timeout=PATIENT)
        revealed = page.url
        page = await looking.open(f"{audit}/label?i=1")
        assert text not in await page.content()
        # the address of a reveal opens this post only, and nobody else's page
        assert "opened=" in revealed and text not in revealed
        page = await looking.open(revealed[len(ombud.url) :].replace("i=1&", "i=2&"))
        assert await page.get_by_role("button", name="Show the text").count() == 1


async def test_a_group_is_asked_about_compared_on_an_axis_and_gives_an_audit_its_view(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("hal")
    database = ombud.platform.database("trainer", trainer)
    known = GroupStore(database)
    for n in range(33):  # fifteen fit one value, sixteen another, two a third
        said = {"politics": [("Liberal", "Conservative")[n % 2] if n < 31 else "Other"], "gender": ["Female"]}
        await known.put_traits(f"rater {n}", said)
    async with window(browser, ombud.url, session) as looking:
        page = await looking.open("/audits/groups")
        await page.get_by_role("button", name="Compare with the crowd").click()
        await expect(page.get_by_role("alert")).to_contain_text("Tick at least one", timeout=PATIENT)
        # 1. a small group gets a reason and no number, a large one its size
        await page.get_by_role("group", name="Politics").get_by_label("Other").check()
        await page.get_by_role("button", name="Compare with the crowd").click()
        await expect(page.locator("[aria-labelledby=size]")).to_contain_text("Too few people: < 15", timeout=PATIENT)
        await page.get_by_role("group", name="Politics").get_by_label("Other").uncheck()
        await page.get_by_role("group", name="Politics").get_by_label("Conservative").check()
        await page.get_by_role("button", name="How many are they?").click()
        await expect(page.locator("[aria-labelledby=size]")).to_contain_text("15 people fit", timeout=PATIENT)
        assert "Conservative" not in page.url and await looking.axe() == []
        # 2. every group of an axis, beside each other; what cannot be told is said
        await page.get_by_role("button", name="Compare each").click()
        rows = page.locator("table.groups tbody tr")
        await expect(rows).to_have_count(4, timeout=PATIENT)
        assert ["too few people" in each for each in await rows.all_inner_texts()] == [False, False, True, True]
        for row in await known.groups_of(f"user:{await _person(ombud, session)}", 9):
            value = 0.6 if row.traits == {"politics": ["Liberal"]} else 0.1
            await known.settle(row.group_id, DONE, utcnow(), result=_result(value), population="0" * 64)
        page = await looking.open("/audits/groups")
        told = dict(zip(("Conservative", "Liberal"), await rows.all_inner_texts(), strict=False))
        assert "+0.60" in told["Liberal"] and "stricter than the crowd" in told["Liberal"]
        assert "+0.10" in told["Conservative"] and "no detectable difference" in told["Conservative"]
        assert (await looking.axe(), await looking.violations()) == ([], [])
        # 3. an audit with the view of the group that differs
        await page.locator("table.groups").get_by_role("link", name="Liberal").click()
        await expect(page.get_by_text("stricter than the crowd").first).to_be_visible(timeout=PATIENT)
        assert await looking.axe() == []
        await page.get_by_label("What do you want to find out?").fill("With other eyes")

        async def begun() -> bool:
            button = page.get_by_role("button", name="Begin", exact=True)
            if await button.count():
                await page.get_by_label("What do you want to find out?").fill("With other eyes")
                await button.click()
            return bool(await page.locator("[data-status]").count())

        await eventually(begun, 30, every=0.5)
        assert await page.locator("[data-status]").get_attribute("data-status") == "detectable_difference"
        assert await page.get_by_role("link", name="Rate posts").count() == 0
        assert (await looking.axe(), await looking.violations(), looking.complaints) == ([], [], [])
    await database.close()


async def _person(ombud: Audited, session: str) -> str:
    """Return the id of who holds a session, as their own acts have it."""
    async with _client(ombud, session) as http:
        made = (await http.post("/v1/audits/models", json={"name": "Mine"})).json()
        assert made["id"]
    database = ombud.platform.database("auditor", auditor)
    async with database.read() as connection:
        owner = await connection.scalar(select(named_models.c.owner).where(named_models.c.model == made["id"]))
    await database.close()
    return str(owner).removeprefix("user:")


def _result(value: float) -> dict[str, object]:
    overall = {"ratings": 240, "raters": 15, "value": value, "low": value - 0.3, "high": value + 0.3}
    overall["detectable"] = overall["low"] > 0
    view = "group" if overall["detectable"] else "crowd"
    return {"overall": overall, "topics": {"0": overall}, "rmse": 0.9, "crowd_rmse": 1.0, "strength": 5, "view": view}


async def test_an_audit_is_renamed_put_away_and_brought_back_and_a_stale_page_changes_nothing(
    ombud: Audited, browser: Browser
) -> None:
    session = await ombud.auditor("ida")
    async with _client(ombud, session) as http:
        made = (await http.post("/v1/audits", json={"title": "Before"})).json()
        async with window(browser, ombud.url, session, java_script_enabled=False) as looking:
            page = await looking.open(f"/audits/{made['id']}/settings")
            field = page.get_by_label("What do you want to find out?")
            await http.patch(f"/v1/audits/{made['id']}", json={"version": 1, "title": "Theirs"})
            await field.fill("Mine")
            await page.get_by_role("button", name="Save", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("Theirs", timeout=PATIENT)
            await expect(field).to_have_value("Mine")
            await page.get_by_role("button", name="Save", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Mine", timeout=PATIENT)
            await page.get_by_role("link", name="Rename or put away").click()
            await page.get_by_role("button", name="Put it away").click()
            await expect(page.get_by_text("The audit was put away.")).to_be_visible(timeout=PATIENT)
            assert (await http.get("/v1/audits")).json()["audits"] == []
            assert await page.get_by_role("link", name="Mine", exact=True).count() == 0
            page = await looking.open("/audits?archived=true")
            assert await page.get_by_role("link", name="Mine", exact=True).count() == 1
            await looking.open(f"/audits?away={made['id']}")
            await page.get_by_role("button", name="Undo").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Mine", timeout=PATIENT)
            assert [each["title"] for each in (await http.get("/v1/audits")).json()["audits"]] == ["Mine"]
