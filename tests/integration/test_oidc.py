"""The whole way of somebody who signs in with an OpenID provider, through a running reporter."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support.browser import COOKIE
from tests.support.inside import LocalInside
from tests.support.oidc import CLIENT, SECRET, Provider
from tests.support.shapes import Shared, one_process


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as made:
        yield made


@pytest.fixture(scope="module")
def reporter(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A reporter alone; nothing here needs the other services."""
    with one_process(
        tmp_path_factory.mktemp("oidc"),
        "reporter",
        reporter_oidc_issuer=provider.url,
        reporter_oidc_client_id=CLIENT,
        reporter_oidc_client_secret=SECRET,
        reporter_oidc_role_claim="groups",
        reporter_oidc_roles='{"moderators": "reviewer", "leads": "lead"}',
        reporter_oidc_domains='["example.org"]',
    ) as running:
        yield running


@pytest_asyncio.fixture
async def browser(reporter: Shared) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=reporter.url, timeout=30) as made:
        yield made


async def come_back(browser: httpx.AsyncClient, next: str = "/settings") -> str:
    """Go to the provider and return where it sends the browser back to."""
    left = await browser.get("/signin/oidc", params={"next": next})
    assert left.status_code == 303, left.text
    flags = left.headers["set-cookie"]
    assert "HttpOnly" in flags and "SameSite=lax" in flags and "Path=/signin/oidc" in flags
    async with httpx.AsyncClient() as outside:  # the provider is another site: it sees no cookie of ours
        back = (await outside.get(left.headers["location"])).headers["location"]
    return back.removeprefix(str(browser.base_url).rstrip("/"))


def inside(reporter: Shared) -> LocalInside:
    return LocalInside(reporter.data_dir, reporter.broker.url)


@pytest.mark.check("CON-40")
async def test_somebody_signs_in_once_per_answer_and_gets_the_role_the_provider_says(
    provider: Provider, reporter: Shared, browser: httpx.AsyncClient
) -> None:
    provider.claims["groups"] = ["moderators"]
    assert (await browser.get("/transparency")).status_code == 404  # nobody switched it on here
    assert 'href="/signin/oidc?next=/analysis"' in (await browser.get("/signin")).text
    before, keys = inside(reporter).tables("reporter"), inside(reporter).keys("ombud:")
    back = await come_back(browser, "//elsewhere.example/")
    left = browser.cookies["ombud_oidc"]
    assert (inside(reporter).tables("reporter"), inside(reporter).keys("ombud:")) == (before, keys)  # nothing yet
    signed_in = await browser.get(back)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/analysis")
    session = browser.cookies[COOKIE]
    assert "ombud_oidc" not in browser.cookies
    page = (await browser.get("/settings")).text
    assert "Noor" in page and "reviewer" in page

    async with httpx.AsyncClient(base_url=reporter.url) as thief:
        for cookies in ({}, {"ombud_oidc": left}, {"ombud_oidc": "made up"}):
            replayed = await thief.get(back, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
            assert replayed.status_code == 400 and COOKIE not in replayed.headers.get("set-cookie", "")
            assert "did not work" in replayed.text

    provider.claims["groups"] = ["leads"]
    again = await browser.get(await come_back(browser))
    assert (again.status_code, again.headers["location"]) == (303, "/settings")
    rows = inside(reporter).tables("reporter")["reporter_people"]
    assert len(rows) == 1 and "lead" in rows[0] and f"{provider.url} 1" in rows[0] and "noor@example.org" in rows[0]
    first = await browser.get("/settings", headers={"Cookie": f"{COOKIE}={session}"})
    assert "lead" in first.text  # the session that was open has the new role, too


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": "2", "email": "eve@elsewhere.example", "groups": ["leads"]}, 403),
        ({"sub": "2", "email_verified": False, "groups": ["leads"]}, 403),
        ({"sub": "2", "groups": ["strangers"]}, 403),
        ({"sub": "3", "email": "noor@example.org", "groups": ["leads"]}, 409),  # the account is another person's
    ],
    ids=["other domain", "unverified", "no role", "taken"],
)
async def test_who_is_not_admitted_gets_no_account(
    claims: dict[str, object], status: int, provider: Provider, reporter: Shared, browser: httpx.AsyncClient
) -> None:
    before, known = inside(reporter).tables("reporter"), dict(provider.claims)
    provider.claims = known | claims
    try:
        if status == 409 and not before["reporter_people"]:
            pytest.skip("needs the account of the test before")
        answer = await browser.get(await come_back(browser))
    finally:
        provider.claims = known
    assert answer.status_code == status and "may not enter here yet" in answer.text
    assert COOKIE not in browser.cookies
    assert inside(reporter).tables("reporter") == before


async def test_a_wrong_answer_of_the_provider_gives_no_session_and_says_nothing_of_it(
    provider: Provider, reporter: Shared, browser: httpx.AsyncClient
) -> None:
    back = await come_back(browser)
    provider.twist = {"nonce": "of somebody else"}
    try:
        refused = await browser.get(back)
    finally:
        provider.twist = {}
    assert refused.status_code == 403 and COOKIE not in browser.cookies
    assert urlsplit(refused.headers.get("location", "")).netloc == ""
    log = (reporter.data_dir / "ombud.log").read_text()
    assert "sign-in refused" in log and "of somebody else" not in log and "noor@" not in log
