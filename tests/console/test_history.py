"""The history: every form leaves an act, nobody reads more than they may, and files name nobody."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from uuid import uuid4

import httpx
import pytest

from services.reporter.console.roles import Role
from tests.console.catalogues import CONSOLE
from tests.console.installation import Installation, person_of
from tests.console.pages import FORMS
from tests.console.test_people import Admin, somebody
from tests.console.test_signing_in import csrf_of
from tests.support.browser import COOKIE
from tests.support.doors import console_routes

Client = Callable[[Role | None], httpx.AsyncClient]
ELSEWHERE = {
    "/signin": "begin",  # sessions note who comes and goes in the transaction that makes or ends the session
    "/join": "join",
    "/signout": "end",
}
"""Forms that are noted by what they call instead of `Commands.once`."""
NOTHING_DONE = {
    "/posts/{post_id}/lease": "renewed every minute, and gone by itself",
    "/posts/{post_id}/lease/release": "gone by itself otherwise",
    "/try/score": "stores nothing",
}


def names(code: CodeType) -> Iterator[str]:
    """Return every name that a function or one in it uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names(constant)


def uses(function: Callable[..., object], name: str, depth: int = 3) -> bool:
    """Return whether a function, or one that it reaches as a variable around it or of its module, uses a name."""
    if not isinstance(function, FunctionType):
        return False
    found = set(names(function.__code__))
    if name in found:
        return True
    around = [cell.cell_contents for cell in function.__closure__ or ()]
    beside = [value for key, value in function.__globals__.items() if key in found]
    reached = [each for each in (*around, *beside) if isinstance(each, FunctionType) and each is not function]
    return depth > 0 and any(uses(each, name, depth - 1) for each in reached)


@pytest.mark.parametrize("path", FORMS)
def test_every_form_leaves_an_act(path: str) -> None:
    route = next(route for (method, where), route in console_routes().items() if (method, where) == ("POST", path))
    if path in NOTHING_DONE:
        assert not uses(route.endpoint, "once"), "it is noted: strike it off"
        return
    wanted = ELSEWHERE.get(path, "once")
    assert uses(route.endpoint, wanted) or (path == "/signin" and uses(route.endpoint, "sign_in")), path


def test_every_act_is_told_in_words() -> None:
    template = (CONSOLE / "templates" / "history_macros.html").read_text("utf-8")
    untold = [path for path in FORMS if path not in NOTHING_DONE and f'"{path}": _(' not in template]
    assert untold == []


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.check("CON-21")
@pytest.mark.check("CON-27")
async def test_everybody_reads_their_own_history_and_leads_that_of_all_but_for_looks(
    installation: Installation, http_as: Client
) -> None:
    account, session, person = await somebody(installation, Role.REVIEWER)
    post = installation.posts[5]
    cookies = {COOKIE: session}
    async with httpx.AsyncClient(base_url=installation.url, cookies=cookies, timeout=30) as http:
        page = f"/posts/{post}"
        mine = Admin(http)
        assert (await mine.send(f"{page}/reveals", page)).status_code == 200
        assert (await mine.send("/settings", "/settings", theme="dark")).status_code == 303
        html = (await http.get("/history")).text
        assert f'href="{page}"' in html and "Showed a veiled text" in html and "Came in by a link" in html
        assert 'name="actor"' not in html
        own = rows((await http.get("/history.csv")).text)
        assert {row["action"] for row in own} == {"/join", "/posts/{post_id}/reveals", "/settings"}
        assert len({row["actor"] for row in own}) == 1
        assert "actor" in (await http.get(f"/history?actor={installation.person}")).text  # named as not understood
        assert len(rows((await http.get(f"/history.csv?actor={installation.person}")).text)) == len(own)

    async with http_as(Role.ADMIN) as http:
        admin = Admin(http)
        await admin.send(f"/admin/people/{person}/role", role="viewer")
        me = await person_of(installation.url, installation.sessions[Role.ADMIN], Role.ADMIN)
        form = {"csrf": csrf_of((await http.get("/settings")).text), "command_id": str(uuid4()), "role": "viewer"}
        stranger = str(uuid4())
        assert (await http.post(f"/admin/people/{stranger}/role", data=form)).status_code == 404

    async with http_as(Role.LEAD) as http:
        html = (await http.get(f"/history?actor={person}")).text
        acts = re.findall(r"<tr>.*?</tr>", html.partition("<tbody>")[2], re.S)
        assert acts and "Came in by a link" in html
        assert not any("Showed a veiled text" in each or "Changed own settings" in each for each in acts)
        html = (await http.get(f"/history?object={person}")).text
        assert "Changed a role" in html and "viewer" in html and "reviewer" in html
        text = (await http.get("/history.csv")).text
        everything = rows(text)
        assert len({row["actor"] for row in everything}) > 3
        assert not any(word in text for word in (account, person, me, "The lead", "The admin"))
        changed = next(row for row in everything if row["action"].endswith("/role"))
        assert (changed["before"], changed["after"]) == ('{"role":"reviewer"}', '{"role":"viewer"}')
        wrong = await http.get("/history?from=never&to=2026-01-01&cursor=x&more=1")
        assert wrong.status_code == 200 and "from" in wrong.text and "Nothing in these dates" in wrong.text
        assert rows((await http.get(f"/history.csv?object={stranger}")).text) == []  # it was refused


@pytest.mark.check("CON-27")
async def test_leads_see_a_total_of_five_people_or_more_and_nobody_s_own(
    installation: Installation, http_as: Client
) -> None:
    five = [await somebody(installation, Role.REVIEWER) for _ in range(5)]
    sessions = [session for _, session, _ in five]
    page = f"/posts/{installation.posts[6]}"
    async with http_as(Role.LEAD) as lead:
        before = (await lead.get("/settings/team")).text
        for session in sessions:
            async with httpx.AsyncClient(base_url=installation.url, cookies={COOKIE: session}, timeout=30) as http:
                assert (await Admin(http).send(f"{page}/reveals", page)).status_code == 200
        after = (await lead.get("/settings/team")).text
        assert "by" in after and "once at least 5 people" not in after
        assert before != after and "The reviewer" in after
        acts = (await lead.get(f"/history?actor={five[0][2]}")).text.partition("<tbody>")[2]
        assert "Came in by a link" in acts and "Showed a veiled text" not in acts
        whole = await Admin(lead).send("/settings/team", "/settings/team", veil="whole", breaks="true")
        assert whole.status_code == 303
        async with httpx.AsyncClient(base_url=installation.url, cookies={COOKIE: sessions[0]}, timeout=30) as http:
            veiled = (await http.get(page)).text  # who did not choose follows
            assert "Text veiled" in veiled
            await Admin(http).send("/settings", "/settings", veil="off")
            assert "Text veiled" not in (await http.get(page)).text
        assert (
            await Admin(lead).send("/settings/team", "/settings/team", veil="spans", breaks="true")
        ).status_code == 303


async def test_what_is_published_is_the_same_in_three_forms_for_everybody(http_as: Client) -> None:
    async with http_as(None) as http:
        page, data = await http.get("/transparency"), (await http.get("/transparency.json")).json()
        lines = rows((await http.get("/transparency.csv")).text)
        whole = data["lines"][0]
        assert whole["kind"] == "all" and whole["posts"] >= 60
        assert [row["name"] for row in lines] == [each["name"] for each in data["lines"]]
        assert lines[0]["posts"] == str(whole["posts"]) and f'<dd class="value">{whole["posts"]}</dd>' in page.text
        empty = (await http.get("/transparency.json?from=2020-01-01&to=2020-01-31")).json()
        assert (empty["since"], empty["until"], empty["lines"][0]["posts"]) == ("2020-01-01", "2020-02-01", 0)
        odd = await http.get("/transparency?from=soon")
        assert odd.status_code == 200 and "left out: from" in odd.text
