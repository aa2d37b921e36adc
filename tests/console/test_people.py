"""People in the console: who gives roles, who is kept out, and that what is taken away is gone at once, everywhere."""

import re
from collections.abc import Callable
from uuid import uuid4

import httpx

from services.reporter.console.roles import Role
from tests.console.installation import PASSWORD, Installation, person_of, sign_up
from tests.console.test_signing_in import csrf_of
from tests.support.browser import COOKIE
from tests.support.inside import LocalInside
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]


class Admin:
    """An administrator at work."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, path: str, page: str = "/admin/people", **form: str) -> httpx.Response:
        """Send a form of a page."""
        csrf = csrf_of((await self.http.get(page)).text)
        return await self.http.post(path, data={"csrf": csrf, "command_id": str(uuid4())} | form)


async def somebody(installation: Installation, role: Role) -> tuple[str, str, str]:
    """Make an account; return its name, its session and the id of the person."""
    account = f"a{uuid4().hex}"
    async with client(installation.url) as http:
        session = await sign_up(http, role, account)
    return account, session, await person_of(installation.url, installation.sessions[Role.ADMIN], account)


async def test_a_changed_role_holds_at_once_where_somebody_is_signed_in(
    installation: Installation, http_as: Client
) -> None:
    account, session, person = await somebody(installation, Role.REVIEWER)
    async with http_as(Role.ADMIN) as http, client(installation.url, session) as services:
        admin = Admin(http)
        assert (await services.get("/v1/posts")).status_code == 200
        answer = await admin.send(f"/admin/people/{person}/role", role="viewer")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/people/{person}?done=role")
        cookie = {"Cookie": f"{COOKIE}={session}"}
        async with httpx.AsyncClient(base_url=installation.url, headers=cookie) as console:
            assert (await console.get("/live")).status_code == 403
            assert (await console.get("/analysis")).status_code == 200

        async def refused() -> bool:
            return (await services.get("/v1/posts")).status_code == 403

        await eventually(refused, 20)  # each process believes what it read two seconds ago
        await admin.send(f"/admin/people/{person}/role", role="auditor")

        async def opened() -> bool:
            return (await services.get("/v1/audits")).status_code == 200

        await eventually(opened, 20)
        acts = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url).tables("reporter")
        noted = [row for row in acts["reporter_console_acts"] if person in row and account not in str(row)]
        assert any('"reviewer"' in str(row) and '"viewer"' in str(row) for row in noted)


async def test_who_is_kept_out_is_signed_out_and_stays_out(installation: Installation, http_as: Client) -> None:
    account, session, person = await somebody(installation, Role.AUDITOR)
    entering = {"account": account, "password": PASSWORD}
    async with (
        http_as(Role.ADMIN) as http,
        client(installation.url, session) as services,
        httpx.AsyncClient(base_url=installation.url) as anybody,
    ):
        admin = Admin(http)
        assert (await admin.send(f"/admin/people/{person}/access", access="out")).status_code == 303
        assert (await anybody.get("/settings", headers={"Cookie": f"{COOKIE}={session}"})).status_code == 303

        async def refused() -> bool:
            return (await services.get("/v1/audits")).status_code == 401

        await eventually(refused, 20)
        assert (await anybody.post("/signin", data=entering)).status_code == 401
        reset = await admin.send(f"/admin/people/{person}/reset")
        assert reset.status_code == 409 and "Let them in first" in reset.text
        await admin.send(f"/admin/people/{person}/access", access="in")
        assert (await anybody.post("/signin", data=entering)).status_code == 303


async def test_the_last_administrator_stays_administrator(installation: Installation, http_as: Client) -> None:
    me = await person_of(installation.url, installation.sessions[Role.ADMIN], Role.ADMIN)
    async with http_as(Role.ADMIN) as http:
        admin = Admin(http)
        page = (await http.get("/admin/people")).text
        others = re.findall(r'/admin/people/([0-9a-f-]{36})"(?:(?!</tr>).)*<td>administrator</td>', page, re.S)
        assert others == [me]
        for path, form in (("role", {"role": "lead"}), ("access", {"access": "out"})):
            answer = await admin.send(f"/admin/people/{me}/{path}", f"/admin/people/{me}", **form)
            assert answer.status_code == 409 and "last administrator" in answer.text
        _, _, other = await somebody(installation, Role.ADMIN)
        assert (await admin.send(f"/admin/people/{other}/role", role="viewer")).status_code == 303
        assert (await admin.send(f"/admin/people/{me}/role", role="viewer")).status_code == 409


async def test_a_link_is_shown_once_and_a_new_password_ends_what_was_open(
    installation: Installation, http_as: Client
) -> None:
    account, session, person = await somebody(installation, Role.VIEWER)
    async with http_as(Role.ADMIN) as http, httpx.AsyncClient(base_url=installation.url) as anybody:
        form = {"csrf": csrf_of((await http.get("/admin/people")).text), "command_id": str(uuid4()), "role": "auditor"}
        made = await http.post("/admin/people/invitations", data=form)
        assert made.status_code == 200 and made.headers["cache-control"] == "no-store"
        token = re.search(r"/join\?token=([\w-]+)", made.text)
        assert token and token[1] not in (await http.post("/admin/people/invitations", data=form)).text
        hashed = re.search(r"/admin/people/invitations/(\w{64})/withdraw", made.text)
        assert hashed
        await http.post(f"/admin/people/invitations/{hashed[1]}/withdraw", data=form | {"command_id": str(uuid4())})
        links = re.findall(r"invitations/(\w{64})", (await http.get("/admin/people")).text)
        assert hashed[1] not in links
        first = await Admin(http).send(f"/admin/people/{person}/reset")
        second = await Admin(http).send(f"/admin/people/{person}/reset")
        old, new = (re.search(r"token=([\w-]+)", each.text) for each in (first, second))
        assert old and new
        assert (await anybody.get("/join", params={"token": old[1]})).status_code == 410  # the newest one counts
        assert account in (await anybody.get("/join", params={"token": new[1]})).text
        changed = {"token": new[1], "password": "another password of the tests"}
        assert (await anybody.post("/join", data=changed)).status_code == 303
        assert (await anybody.get("/settings", headers={"Cookie": f"{COOKIE}={session}"})).status_code == 303
        entering = {"account": account, "password": PASSWORD}
        assert (await anybody.post("/signin", data=entering)).status_code == 401
        assert (await anybody.post("/signin", data=entering | changed)).status_code == 303
        kept = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url).tables("reporter")
        assert not any(each[1] in str(kept) for each in (token, old, new))
