"""Every route of every service, each started alone, asked by everybody: nobody, a stranger, and one key per scope; and
which roles each route of the console asks for.

What comes out is compared with tests/golden/authorisation.txt, so that no route is let in, opened or closed unseen.
`python -m tests.contract.test_authorisation` writes that file anew; what changed in it is what a reviewer looks at.
"""

import asyncio
import difflib
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from services.catalog import build_of
from services.reporter.console.guard import Entrance
from shared.auth import KeyRing, Principal, Requirement
from shared.errors import Problem
from shared.runtime import Platform, compose
from shared.settings import Settings
from shared.streams import SERVICES
from shared.vocabulary import Scope
from tests.support.doors import console_routes, routes

GOLDEN = Path(__file__).parents[1] / "golden" / "authorisation.txt"
NOBODY = "redis://127.0.0.1:1"
"""Nothing listens there: whoever is let in comes no further than the door."""
ADMITTED, REFUSED = 418, {401, 403}
GOOGLE = "/v1alpha1/"
"""Refuses an unknown key with 400, as Google does."""
STRANGER = "ombud_nobody_knows_this_key_000000000000000000"
SIGNED = {
    ("POST", "/v1/mastodon/{source}"),
    ("POST", "/v1/coral/{source}/moderation"),
    ("POST", "/v1/coral/{source}/events"),
    ("POST", "/v1/coop/{source}/actions"),
    ("POST", "/v1/coop/{source}/appeals"),
    ("POST", "/v1/outlets/{outlet}/items"),
    ("POST", "/v1/webhooks/{source}"),
    ("POST", "/api/v1/posts"),
}
"""Routes for whoever knows a secret of the operator's; each refuses others in tests of its own."""


def key_of(scope: Scope) -> str:
    """Return the key that has one scope."""
    return f"ombud_only_{scope.value:_<33}"


@contextmanager
def doors_without_rooms() -> Iterator[None]:
    """Know one key per scope, and end every request that a requirement lets in with 418."""
    known = {key_of(scope): Principal(scope.value, scope.value, frozenset({scope})) for scope in Scope}
    admit = Requirement.admit

    async def find(_: KeyRing, key: str) -> Principal | None:
        return known.get(key)

    async def let_in(self: Requirement, request: Request, key: str | None) -> Principal:
        await admit(self, request, key)
        raise Problem(ADMITTED, "admitted", "Let in.")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(KeyRing, "find", find)
        patched.setattr(Requirement, "admit", let_in)
        yield


@asynccontextmanager
async def alone(service: str, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, list[tuple[str, str]]]]:
    """Yield a client of one service and its routes."""
    platform = Platform(Settings(data_dir=folder), NOBODY)
    app = compose(platform, [build_of(service)])
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ombud") as client:
        yield client, [(method, path) for method, path in routes(app) if method != "HEAD"]
    for each in platform.services:
        await each.database.close()


async def asked(client: httpx.AsyncClient, route: tuple[str, str], key: str | None) -> int:
    """Return the status of one request; the key comes in every way a key may come."""
    method, path = route
    filled = re.sub(r"{\w+(:\w+)?}", "00000000-0000-4000-8000-000000000000", path)
    headers = {"Authorization": f"Bearer {key}", "X-API-Key": key} if key else {}
    answer = await client.request(
        method, filled, params={"key": key} if key else {}, headers=headers, json={} if method != "GET" else None
    )
    return answer.status_code


async def admitted_to(client: httpx.AsyncClient, route: tuple[str, str]) -> str:
    """Return who a route lets in: `anybody`, `signed`, or the scopes whose keys pass."""
    without = await asked(client, route, None)
    assert without != ADMITTED
    if route in SIGNED:
        return "signed"
    if without not in REFUSED:
        return "anybody"
    assert await asked(client, route, STRANGER) in REFUSED | ({400} if route[1].startswith(GOOGLE) else set()), route
    answers = {scope: await asked(client, route, key_of(scope)) for scope in Scope}
    assert set(answers.values()) <= {ADMITTED, *REFUSED}, (route, answers)
    return " ".join(sorted(scope.value for scope, status in answers.items() if status == ADMITTED)) or "nobody"


async def matrix(folder: Path) -> list[str]:
    """Return a line per route of each service: service, method, path, and who is let in."""
    found = []
    with doors_without_rooms():
        for service in SERVICES:
            async with alone(service, folder) as (client, there):
                found += [
                    f"{service:<10} {method:<6} {path:<55} {await admitted_to(client, (method, path))}"
                    for method, path in there
                ]
    return found + of_the_console()


def of_the_console() -> list[str]:
    """Return a line per route of the console: its roles, as the route asks for them (tests/console tries them)."""
    found = []
    for (method, path), route in sorted(console_routes().items()):
        asked_for = [each.call.roles for each in route.dependant.dependencies if isinstance(each.call, Entrance)]
        who = " and ".join(" ".join(sorted(roles)) or "anybody who has signed in" for roles in asked_for) or "anybody"
        found.append(f"{'console':<10} {method:<6} {path:<55} {who}")
    return found


async def test_every_route_lets_in_whom_it_is_known_to_let_in(tmp_path: Path) -> None:
    found, known = await matrix(tmp_path), GOLDEN.read_text("utf-8").splitlines()
    assert len(found) > 100
    assert list(difflib.unified_diff(known, found, "known", "found", lineterm="", n=0)) == []


def test_an_admin_may_do_all_that_a_key_may_do_and_nobody_else_what_only_admins_may() -> None:
    for line in GOLDEN.read_text("utf-8").splitlines():
        if line.startswith("console"):
            continue
        *_, scopes = re.split(r" {2,}", line)
        who: set[Any] = set(scopes.split())
        assert who in ({"anybody"}, {"signed"}) or "admin" in who, line
        assert who <= {"anybody", "signed", *(scope.value for scope in Scope)}, line


def test_what_anybody_may_ask_is_a_short_list() -> None:
    lines = GOLDEN.read_text("utf-8").splitlines()
    free = {tuple(line.split()[1:3]) for line in lines if line.endswith(" anybody") and not line.startswith("console")}
    assert free == {
        *(("GET", path) for path in ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")),
        *(("GET", path) for path in ("/livez", "/readyz", "/metrics")),
        ("GET", "/overview"),
        ("GET", "/v1/avid/schema"),
        ("GET", "/$discovery/rest"),
        ("GET", "/xrpc/com.atproto.label.queryLabels"),
        ("GET", "/welcome"),
        ("POST", "/welcome"),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text("\n".join(asyncio.run(matrix(Path(folder)))) + "\n", "utf-8")
