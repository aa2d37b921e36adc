"""Accounts, sessions, forms: who gets in, for how long, and that a form sent twice is one act."""

import asyncio
import re
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from services.reporter.console.roles import SCOPES, Role
from shared.vocabulary import Scope
from tests.console.installation import PASSWORD, Installation, sign_up
from tests.support.browser import COOKIE
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
ASKS = {Scope.READ: "/v1/posts", Scope.AUDIT: "/v1/audits", Scope.REPORT: "/v1/reports", Scope.ADMIN: "/v1/keys"}


def csrf_of(html: str) -> str:
    """Return the proof that a page's forms carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found
    return found[1]


async def signed_in(installation: Installation, account: str, role: Role = Role.REVIEWER) -> str:
    async with client(installation.url) as http:
        return await sign_up(http, role, account)


@pytest.mark.check("CON-23")
@pytest.mark.parametrize("role", Role)
async def test_a_session_is_a_key_with_the_scopes_of_its_role(role: Role, installation: Installation) -> None:
    async with client(installation.url, installation.sessions[role]) as http:
        for scope, path in ASKS.items():
            may = scope in SCOPES[role] or Scope.ADMIN in SCOPES[role]
            assert (await http.get(path)).status_code == (200 if may else 403), (role, path)


async def test_a_session_works_everywhere_at_once_and_nowhere_after_signing_out(installation: Installation) -> None:
    token = await signed_in(installation, f"a{uuid4().hex}")
    async with client(installation.url, token) as services, httpx.AsyncClient(base_url=installation.url) as browser:
        assert (await services.get("/v1/posts")).status_code == 200
        browser.cookies.set(COOKIE, token)
        html = (await browser.get("/settings")).text
        form = {"csrf": csrf_of(html), "command_id": str(uuid4())}
        answer = await browser.post("/signout", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
        assert (await browser.get("/settings", headers={"Cookie": f"{COOKIE}={token}"})).status_code == 303

        async def refused() -> bool:
            return (await services.get("/v1/posts")).status_code == 401

        await eventually(refused, 20)


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(installation: Installation) -> None:
    account = f"a{uuid4().hex}"
    await signed_in(installation, account)
    async with httpx.AsyncClient(base_url=installation.url) as http:
        form = {"account": account.upper(), "password": PASSWORD, "next": "//elsewhere.example/"}
        answer = await http.post("/signin", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/analysis")
        flags = answer.headers["set-cookie"]
        assert "HttpOnly" in flags and "SameSite=lax" in flags and "Secure" not in flags  # plain HTTP on loopback
        far = {"Host": "ombud.example", "X-Forwarded-Proto": "https"}
        assert "Secure" in (await http.post("/signin", data=form, headers=far)).headers["set-cookie"]
        foreign = await http.post("/signin", data=form, headers={"Origin": "https://elsewhere.example"})
        assert foreign.status_code == 403 and "set-cookie" not in foreign.headers


async def test_passwords_cannot_be_guessed_in_peace(installation: Installation) -> None:
    account = f"a{uuid4().hex}"
    await signed_in(installation, account)
    async with httpx.AsyncClient(base_url=installation.url) as http:
        for _ in range(10):
            answer = await http.post("/signin", data={"account": account, "password": "wrong"})
            assert answer.status_code == 401 and "set-cookie" not in answer.headers
        limited = await http.post("/signin", data={"account": account, "password": PASSWORD})
        assert limited.status_code == 429 and int(limited.headers["retry-after"]) > 0


async def test_a_link_makes_one_account_with_a_good_password_once(installation: Installation) -> None:
    async with client(installation.url) as admin:
        made = await admin.post("/v1/people/invitations", json={"role": "viewer"})
    token = httpx.URL(made.json()["url"]).params["token"]
    form = {"token": token, "account": f"a{uuid4().hex}", "name": "Somebody", "password": "too short"}
    async with httpx.AsyncClient(base_url=installation.url) as http:
        for _ in range(2):  # a preview looks first
            assert (await http.get("/join", params={"token": token})).status_code == 200
        assert (await http.post("/join", data=form)).status_code == 422
        both = await asyncio.gather(
            *(http.post("/join", data=form | {"password": PASSWORD, "account": f"a{uuid4().hex}"}) for _ in range(2))
        )
        assert sorted(answer.status_code for answer in both) == [303, 410]
        assert (await http.get("/join", params={"token": token})).status_code == 410


@pytest.mark.check("CON-19")
async def test_the_same_form_again_is_the_same_act(installation: Installation) -> None:
    token = await signed_in(installation, f"a{uuid4().hex}")
    async with httpx.AsyncClient(base_url=installation.url, cookies={COOKIE: token}) as http:
        form = {"csrf": csrf_of((await http.get("/settings")).text), "command_id": str(uuid4()), "theme": "dark"}
        first = await http.post("/settings", data=form)
        again = await http.post("/settings", data=form | {"theme": "light"})
        assert (first.status_code, first.headers["location"]) == (again.status_code, again.headers["location"])
        page = (await http.get("/settings")).text
        assert 'data-theme="dark"' in page
        fresh = form | {"command_id": str(uuid4()), "theme": "light", "language": "nl"}
        script = await http.post("/settings", data=fresh, headers={"X-Fragment": "yes"})
        assert script.json() == {"location": "/settings?saved=true"}
        page = (await http.get("/settings")).text
        assert 'data-theme="light"' in page and '<html lang="nl"' in page
