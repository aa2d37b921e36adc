"""What every page of the console keeps to: accessible, narrow, translated, for its roles only, harmless to look at."""

import re
from collections.abc import Callable

import httpx
import pytest
from fastapi.routing import APIRoute

from services.reporter.console.guard import POLICY
from services.reporter.console.roles import Role
from shared.bus.keys import PROCESSES
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.console.pages import FORMS, PAGES, SHOWN, STATUS, Case
from tests.support.doors import CHANGING, console_routes
from tests.support.inside import LocalInside

Client = Callable[[Role | None], httpx.AsyncClient]

every_page = pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.route)
every_route = pytest.mark.parametrize("case", PAGES, ids=lambda case: case.route)
WIDTHS = (1280, 390)
LOCALES = {"en": "en-GB", "nl": "nl-NL"}
MINE = re.compile(r"^(https?:)?//")


def test_every_route_of_the_console_is_tried_here() -> None:
    found = console_routes()
    assert {path for method, path in found if method not in CHANGING} == {case.route for case in PAGES}
    assert {path for method, path in found if method in CHANGING} == set(FORMS)


@pytest.mark.check("CON-01")
@pytest.mark.check("CON-11")
@pytest.mark.check("CON-37")
@pytest.mark.check("CON-38")
@every_page
@pytest.mark.parametrize("language", LOCALES)
async def test_a_page_is_accessible_in_both_themes_wide_and_narrow(
    case: Case, language: str, open_as: Open, installation: Installation
) -> None:
    async with open_as(case.visitor, locale=LOCALES[language], reduced_motion="reduce") as window:
        page = await window.open(case.reach(installation), STATUS.get(case.route, 200))
        assert await page.evaluate("document.documentElement.lang") == language
        assert await page.locator("h1").count() == 1
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                assert await window.axe() == [], (width, theme)
        assert await window.violations() == []
        assert (window.foreign, window.complaints) == ([], [])
        assert await page.locator("svg[style], svg [style]").count() == 0


@pytest.mark.check("CON-03")
@every_page
async def test_a_page_fits_320_pixels_also_at_four_times_the_size(
    case: Case, open_as: Open, installation: Installation
) -> None:
    async with open_as(case.visitor, viewport={"width": 320, "height": 800}) as window:
        page = await window.open(case.reach(installation), STATUS.get(case.route, 200))
        await _fits(page)
        # 400 % zoom of a window 1280 wide is one 320 CSS pixels wide and a quarter as high
        await page.set_viewport_size({"width": 320, "height": 256})
        await _fits(page)


async def _fits(page: object) -> None:
    sizes = await page.evaluate(  # type: ignore[attr-defined]
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert sizes[0] <= sizes[1]


@pytest.mark.check("CON-23")
@every_route
async def test_a_page_opens_for_its_roles_and_names_the_missing_one(
    case: Case, http_as: Client, installation: Installation
) -> None:
    path = case.reach(installation)
    for role in (None, *Role):
        async with http_as(role) as http:
            answer = await http.get(path)
        if case.opens_for(role) and case.own and role not in (case.visitor, Role.ADMIN):
            assert answer.status_code == 404, (role, answer.status_code)
        elif case.opens_for(role):
            assert answer.status_code in (STATUS.get(case.route, 200), 303), (role, answer.status_code)
        elif role is None:
            assert answer.status_code == 303 and answer.headers["location"].startswith("/signin?next=")
        else:
            assert answer.status_code == 403, (role, answer.status_code)
            assert all(each in answer.text for each in case.roles or ())


@pytest.mark.check("CON-23")
@pytest.mark.parametrize("path", [path for path, roles in FORMS.items() if roles is not None])
async def test_a_form_is_taken_from_its_roles_and_our_own_pages_only(path: str, http_as: Client) -> None:
    filled = re.sub(r"{\w+}", "00000000-0000-4000-8000-000000000000", path)
    roles = FORMS[path] or ()
    for role in (None, *Role):
        async with http_as(role) as http:
            answer = await http.post(filled, data={"command_id": "0000-a-form-of-nobody"})
            assert answer.status_code == (401 if role is None else 403)
            may = role is not None and Case(path, roles).opens_for(role)
            assert ("stale" in answer.text or "too old" in answer.text) == may, (role, answer.text[-600:])


@pytest.mark.check("CON-37")
@every_route
async def test_every_answer_carries_the_exact_policy(case: Case, http_as: Client, installation: Installation) -> None:
    for role in (None, case.visitor):
        async with http_as(role) as http:
            answer = await http.get(case.reach(installation))
        assert (
            answer.headers["content-security-policy"]
            == POLICY
            == (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
                "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        if case.html:
            assert answer.headers["cache-control"] == "no-store"
            assert " style=" not in answer.text and "<style" not in answer.text


@pytest.mark.check("CON-38")
@every_page
async def test_no_page_names_another_host(case: Case, http_as: Client, installation: Installation) -> None:
    async with http_as(case.visitor) as http:
        html = (await http.get(case.reach(installation))).text
    linked = re.findall(r'(?:src|href|action|data|srcset)="([^"]*)"', html)
    assert linked
    assert [each for each in linked if MINE.match(each)] == []


@pytest.mark.check("CON-40")
async def test_looking_at_every_page_changes_nothing(http_as: Client, installation: Installation) -> None:
    inside = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url)
    before = inside.tables("reporter")
    keys = _kept(inside)
    for case in PAGES:
        async with http_as(case.visitor) as http:
            assert (await http.get(case.reach(installation))).status_code < 500
    assert inside.tables("reporter") == before
    assert _kept(inside) == keys


def _kept(inside: LocalInside) -> dict[str, bytes]:
    """Return the broker's own keys, without the one in which processes say every few seconds that they live."""
    return {name: held for name, held in inside.keys("ombud:").items() if name != PROCESSES}


def test_the_roles_of_a_route_are_those_of_its_dependency() -> None:
    declared = {route.path: _roles(route) for route in console_routes().values() if "GET" in (route.methods or ())}
    for case in PAGES:
        assert declared[case.route] == case.roles, case.route


def _roles(route: APIRoute) -> tuple[Role, ...] | None:
    found = [each.call.roles for each in route.dependant.dependencies if hasattr(each.call, "roles")]
    return found[0] if found else None
