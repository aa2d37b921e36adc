"""Keys and webhooks in the console: secrets are shown once, and what is done holds at once."""

import re
from collections.abc import Callable
from uuid import uuid4

import httpx

from services.reporter.console.roles import Role
from tests.console.installation import Installation
from tests.console.test_people import Admin
from tests.console.test_signing_in import csrf_of
from tests.support.inside import LocalInside
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]


async def test_a_key_is_shown_once_works_and_is_revoked(installation: Installation, http_as: Client) -> None:
    async with http_as(Role.ADMIN) as http:
        page = (await http.get("/admin/keys")).text
        assert "needed by Ombud itself" in page  # the key of ingest has no button
        form = {"csrf": csrf_of(page), "command_id": str(uuid4()), "name": "<b>bot</b>", "scope": ["read", "score"]}
        made = await http.post("/admin/keys", data=form)
        key = re.search(r'value="(ombud_[\w-]+)"', made.text)
        assert key and made.headers["cache-control"] == "no-store" and "&lt;b&gt;bot" in made.text
        again = await http.post("/admin/keys", data=form)
        assert again.status_code == 303 and key[1] not in again.text
        async with client(installation.url, key[1]) as program:

            async def works() -> bool:
                return (await program.get("/v1/posts")).status_code == 200

            await eventually(works, 20)
            assert (await program.get("/v1/keys")).status_code == 403
            row = re.search(r"bot(?:(?!</tr>).)*/admin/keys/([0-9a-f-]{36})/revoke", made.text, re.S)
            assert row
            revoked = await Admin(http).send(f"/admin/keys/{row[1]}/revoke", "/admin/keys")
            assert revoked.status_code == 303

            async def refused() -> bool:
                return (await program.get("/v1/posts")).status_code == 401

            await eventually(refused, 20)
        for fault, wrong in (("Say what", {"name": " "}), ("Choose at least", {"name": "bot", "scope": []})):
            answer = await http.post("/admin/keys", data=form | {"command_id": str(uuid4())} | wrong)
            assert answer.status_code == 422 and fault in answer.text
        kept = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url)
        assert key[1] not in str(kept.tables("reporter")) + str(kept.tables("ingest"))


async def test_a_webhook_is_made_paused_tried_and_removed(installation: Installation, http_as: Client) -> None:
    async with http_as(Role.ADMIN) as http:
        admin, page = Admin(http), "/admin/webhooks"
        wrong = await admin.send(page, page, url="ftp://127.0.0.1/", stream="posts.deleted")
        assert wrong.status_code == 422 and 'value="ftp://127.0.0.1/"' in wrong.text and 'id="fault"' in wrong.text
        form = {"csrf": csrf_of((await http.get(page)).text), "command_id": str(uuid4())}
        form |= {"url": "http://127.0.0.1:9/", "stream": "models.promoted", "description": "a \u202e trick"}
        made = await http.post(page, data=form)
        secret = re.search(r'value="(whsec_[^"]+)"', made.text)
        assert secret and "\u202e" not in made.text
        again = await http.post(page, data=form)
        assert again.status_code == 303
        one = again.headers["location"]
        assert re.fullmatch(r"/admin/webhooks/[0-9a-f-]{36}", one)
        tried = await admin.send(f"{one}/try", one)
        assert tried.headers["location"] == f"{one}?done=refused&status=0"
        assert (await admin.send(f"{one}/pause", one)).headers["location"] == f"{one}?done=paused"
        async with client(installation.url) as api:
            path = one.replace("/admin", "/v1")
            assert (await api.get(path)).json()["state"] == "paused"
            assert (await admin.send(f"{one}/resume", one)).status_code == 303
            assert (await api.get(path)).json()["state"] == "active"
        assert (await admin.send(f"{one}/redrive", one)).headers["location"] == f"{one}?done=redriven&count=0"
        rotated = await admin.send(f"{one}/rotate", one)
        fresh = re.search(r'value="(whsec_[^"]+)"', rotated.text)
        assert fresh and fresh[1] != secret[1]
        assert "whsec_" not in (await http.get(one)).text
        assert (await admin.send(f"{one}/remove", one)).status_code == 303
        assert (await http.get(one)).status_code == 404
        kept = str(LocalInside(installation.ombud.data_dir, installation.ombud.broker.url).tables("reporter"))
        assert secret[1] not in kept and fresh[1] not in kept
