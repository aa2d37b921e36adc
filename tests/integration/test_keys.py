"""Who may do what: every route that changes something asks for a key with the right scope."""

import re
import time
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.vocabulary import Scope
from tests.support.doors import CHANGING, composed, let_in, problem, routes
from tests.support.ombud import KEY, client
from tests.support.servers import eventually
from tests.support.shapes import Shared

OPEN = {("POST", "/welcome")}
"""The only route that changes something without a key: it takes a one-time token."""
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
"""Routes for whoever knows a shared secret; what they refuse is tried in the tests of each."""
FOREIGN = {
    ("POST", "/v1alpha1/comments:suggestscore"),
    ("POST", "/v1alpha1/comments:analyze"),
    ("POST", "/v1/moderations"),
}
"""Refuse, and the first two take their key, as Google and OpenAI do; tried with their own clients in test_suggestscore,
test_perspective and test_moderations."""
NEEDS = {
    ("POST", "/v1/posts"): Scope.INGEST,
    ("POST", "/v1/posts:import"): Scope.INGEST,
    ("DELETE", "/v1/posts/{post_id}"): Scope.INGEST,
    ("POST", "/v1/erasures"): Scope.INGEST,
    ("POST", "/v1/mastodon/{source}/recheck"): Scope.INGEST,
    ("POST", "/v1/feedback"): Scope.REVIEW,
    ("POST", "/api/v1/feedback"): Scope.REVIEW,
    ("POST", "/v1/ratings"): Scope.REVIEW,
    ("DELETE", "/v1/raters/me/ratings"): Scope.REVIEW,
    ("POST", "/v1/audits"): Scope.AUDIT,
    ("PATCH", "/v1/audits/{audit_id}"): Scope.AUDIT,
    ("POST", "/v1/audits/models"): Scope.AUDIT,
    ("PATCH", "/v1/audits/models/{model}"): Scope.AUDIT,
    ("POST", "/v1/audits/{audit_id}/labels"): Scope.AUDIT,
    ("POST", "/v1/audits/{audit_id}/draws"): Scope.AUDIT,
    ("POST", "/v1/audits/{audit_id}/evidence"): Scope.AUDIT,
    ("DELETE", "/v1/audits/{audit_id}/evidence/{post_id}"): Scope.AUDIT,
    ("POST", "/predict"): Scope.SCORE,
    ("POST", "/try"): Scope.SCORE,
    ("POST", "/api/v1/score"): Scope.SCORE,
    ("POST", "/v1/runs"): Scope.ADMIN,
    ("POST", "/v1/runs/{run_id}/cancel"): Scope.ADMIN,
    ("POST", "/v1/runs/{run_id}/retry"): Scope.ADMIN,
    ("POST", "/v1/models/rollback"): Scope.ADMIN,
    ("POST", "/v1/models/{version}/promote"): Scope.ADMIN,
    ("POST", "/v1/models/{version}/refuse"): Scope.AUDIT,
    ("POST", "/v1/models/{version}/retire"): Scope.ADMIN,
    ("POST", "/v1/posts/{post_id}/unlock"): Scope.REVIEW,
    ("POST", "/v1/rounds/{round_id}/confirm"): Scope.ADMIN,
    ("POST", "/v1/rounds/{round_id}/rollback"): Scope.AUDIT,
    ("POST", "/v1/groups"): Scope.AUDIT,
    ("POST", "/v1/groups/size"): Scope.AUDIT,
    ("PUT", "/v1/raters/me/traits"): Scope.REVIEW,
    ("DELETE", "/v1/raters/me/traits"): Scope.REVIEW,
    ("POST", "/v1/reports"): Scope.REPORT,
    ("PATCH", "/v1/reports/{report_id}"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/complete"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/redeliver"): Scope.REPORT,
    ("POST", "/v1/statements"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/submit"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/reopen"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/restore"): Scope.REPORT,
    ("DELETE", "/v1/reports/{report_id}"): Scope.REPORT,
    ("POST", "/v1/reports/{report_id}/link"): Scope.REPORT,
    ("DELETE", "/v1/reports/{report_id}/link"): Scope.REPORT,
    ("POST", "/v1/webhooks"): Scope.ADMIN,
    ("PATCH", "/v1/webhooks/{webhook_id}"): Scope.ADMIN,
    ("DELETE", "/v1/webhooks/{webhook_id}"): Scope.ADMIN,
    ("POST", "/v1/webhooks/{webhook_id}/redrive"): Scope.ADMIN,
    ("POST", "/v1/webhooks/{webhook_id}/test"): Scope.ADMIN,
    ("POST", "/v1/acts/look"): Scope.ADMIN,
    ("POST", "/v1/thresholds"): Scope.ADMIN,  # or review and audit together: test_thresholds
    ("POST", "/v1/keys"): Scope.ADMIN,
    ("DELETE", "/v1/keys/{key_id}"): Scope.ADMIN,
    ("POST", "/v1/invitations"): Scope.ADMIN,
    ("POST", "/v1/people/invitations"): Scope.ADMIN,
    ("DELETE", "/v1/people/{person_id}"): Scope.ADMIN,
}
OWN = {
    "/v1/models/personal/{rater}",
    "/v1/models/personal/{rater}/versions",
    "/v1/models/personal/{rater}/predictions",
    "/v1/groups/axes",
    "/v1/raters/me/traits",
}
"""Who rates (scope review) asks about themselves, who audits about anybody."""
REPORTED = {
    "/v1/reports",
    "/v1/reports/{report_id}",
    "/v1/reports/{report_id}.md",
    "/v1/reports/{report_id}/avid.json",
    "/v1/reports/{report_id}/history",
}
"""Reports are their authors'."""
AUDITED = {
    "/v1/groups",
    "/v1/groups/{group_id}",
    "/v1/groups/{group_id}/predictions",
    "/v1/audits",
    "/v1/audits/models",
    "/v1/audits/new",
    "/v1/audits/{audit_id}",
    "/v1/audits/{audit_id}/changes",
    "/v1/audits/{audit_id}/clusters",
    "/v1/audits/{audit_id}/compare",
    "/v1/audits/{audit_id}/draws",
    "/v1/audits/{audit_id}/evidence",
    "/v1/audits/{audit_id}/label",
    "/v1/audits/{audit_id}/search",
    "/v1/audits/{audit_id}/topics/{topic}",
    "/v1/scaffolds",
    "/v1/scaffolds/{name}",
}
COUNTED = {"/v1/analysis-runs", "/v1/analysis-runs/{run_id}", "/v1/spending", "/v1/rounds", "/v1/drift"}
"""Counts without a post: who may read may see them, too."""
PUBLIC = {
    "/overview",
    "/welcome",
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/openapi.json",
    "/livez",
    "/readyz",
    "/metrics",
    "/v1/avid/schema",
    "/$discovery/rest",
}
"""What anybody may read; none of it holds text or personal data."""
LABELER = "/xrpc/com.atproto.label.queryLabels"
"""Open to anybody where labels are made, not there elsewhere; tried in test_labels."""
NOBODY = "ombud_nobody_knows_this_key_000000000000000000"
ROUTES = routes(composed())
READING = sorted({path for method, path in ROUTES if method == "GET"})


def filled(path: str) -> str:
    return re.sub(r"{\w+}", "00000000-0000-4000-8000-000000000000", path.replace("{topic}", "0"))


@pytest.fixture(scope="module")
def keys(ombud: Shared) -> dict[Scope, str]:
    """One key per scope."""
    made = {}
    with httpx.Client(base_url=ombud.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        for scope in Scope:
            answer = http.post("/v1/keys", json={"name": f"only {scope}", "scopes": [scope]})
            made[scope] = answer.json()["key"]
    time.sleep(2.1)  # until every service has read the keys again
    return made


def test_every_route_that_changes_something_is_known_here() -> None:
    assert {route for route in ROUTES if route[0] in CHANGING} == NEEDS.keys() | OPEN | SIGNED | FOREIGN


@pytest.mark.parametrize("route", NEEDS, ids=" ".join)
async def test_without_a_key_or_with_an_unknown_one_nothing_changes(
    route: tuple[str, str], ombud: Shared, redis: Redis
) -> None:
    method, path = route
    before = await let_in(redis)
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        answer = await anybody.request(method, filled(path), json={})
        problem(answer, 401, "no_key")
        assert answer.headers["www-authenticate"] == "Bearer"
        for headers in (
            {"Authorization": f"Bearer {NOBODY}"},
            {"X-API-Key": NOBODY},
            {"Authorization": f"Bearer {KEY[:-1]}"},
            {"Authorization": f"Bearer {NOBODY}", "X-API-Key": KEY},
        ):
            problem(await anybody.request(method, filled(path), json={}, headers=headers), 401, "unknown_key")
        problem(
            await anybody.request(method, filled(path), json={}, headers={"Authorization": "Basic x"}), 401, "no_key"
        )
    assert await let_in(redis) == before


@pytest.mark.parametrize("route", NEEDS, ids=" ".join)
async def test_only_the_right_scope_or_admin_passes(
    route: tuple[str, str], ombud: Shared, keys: dict[Scope, str], redis: Redis
) -> None:
    method, path = route
    before = await let_in(redis)
    for scope in set(Scope) - {NEEDS[route], Scope.ADMIN} - ({Scope.AUDIT} if path in OWN else set()):
        async with client(ombud.url, keys[scope]) as http:
            problem_ = problem(await http.request(method, filled(path), json={}), 403, "missing_scope")
            assert problem_["scope"] == NEEDS[route]
    if NEEDS[route] is not Scope.ADMIN and method != "DELETE":
        async with client(ombud.url, keys[NEEDS[route]]) as http:
            assert (await http.request(method, filled(path), content=b"{")).status_code not in (401, 403)
    if "posts" not in path:  # deleting a post that is not there is told to everybody all the same
        assert await let_in(redis) == before


@pytest.mark.parametrize("path", sorted(set(READING) - PUBLIC - {LABELER}))
async def test_what_may_hold_text_is_read_with_the_scope_read_only(
    path: str, ombud: Shared, keys: dict[Scope, str]
) -> None:
    special = Scope.AUDIT if path in OWN | AUDITED else Scope.REPORT if path in REPORTED else Scope.READ
    needed = (
        Scope.ADMIN
        if path in ("/v1/keys", "/v1/sources") or path.startswith(("/v1/webhooks", "/v1/exports"))
        else special
    )
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        problem(await anybody.get(filled(path)), 401, "no_key")
    needed = Scope.FIGURES if path in COUNTED else needed
    also = {Scope.REVIEW} if path in OWN else {Scope.READ} if path in COUNTED else set()
    asked = {"first": "2026-01-01", "last": "2026-01-31"} if path == "/v1/spending" else {}
    for scope in set(Scope) - {needed, Scope.ADMIN} - also:
        async with client(ombud.url, keys[scope]) as http:
            problem(await http.get(filled(path)), 403, "missing_scope")
    if "{rater}" in path:
        async with client(ombud.url, keys[Scope.REVIEW]) as http:
            problem(await http.get(filled(path)), 403, "not_yours")
            assert (await http.get(path.replace("{rater}", "me"))).status_code in (200, 404)
    for scope in {needed} | (also if path in COUNTED else set()):
        async with client(ombud.url, keys[scope]) as http:
            assert (await http.get(filled(path), params=asked)).status_code in (200, 404)


@pytest.mark.parametrize("path", sorted(PUBLIC))
async def test_what_anybody_may_read_needs_no_key(path: str, ombud: Shared) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        answer = await anybody.get(path, params={"token": "x" * 43} if path == "/welcome" else {})
    assert answer.status_code == 200


async def test_reading_changes_nothing(http: httpx.AsyncClient, redis: Redis) -> None:
    made = {path: (await http.get(path)).json() for path in ("/v1/keys", "/v1/runs", "/v1/models", "/v1/reports")}
    before = await let_in(redis)
    for method, path in ROUTES:
        if method in ("GET", "HEAD"):
            given = {"/welcome": {"token": "x" * 43}, "/v1/spending": {"first": "2026-01-01", "last": "2026-01-31"}}
            answer = await http.request(method, filled(path), params=given.get(path, {}))
            assert answer.status_code in (200, 404), (path, answer.text)
    assert await let_in(redis) == before
    assert {path: (await http.get(path)).json() for path in made} == made


async def test_a_one_time_link_shows_a_button_and_gives_one_key_once(ombud: Shared, http: httpx.AsyncClient) -> None:
    made = await http.post("/v1/invitations")
    assert made.status_code == 201
    url = httpx.URL(made.json()["url"])
    token = url.params["token"]
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        for _ in range(2):  # a preview in a chat looks at the link first
            page = await anybody.get(url.raw_path.decode())
            assert page.status_code == 200 and "<button>" in page.text and "ombud_" not in page.text
            assert page.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in page.headers["content-security-policy"]
        problem(await anybody.post("/welcome", data={"token": token[:-1] + "x"}), 410, "invitation_used")
        given = await anybody.post("/welcome", data={"token": token})
        assert given.status_code == 200
        problem(await anybody.post("/welcome", data={"token": token}), 410, "invitation_used")
    (key,) = re.findall(r"ombud_[\w-]{43}", given.text)
    async with client(ombud.url, key) as admin:
        assert (await admin.get("/v1/keys")).json()[-1]["scopes"] == ["admin"]
        assert (await admin.post("/v1/keys", json={"name": "more", "scopes": ["read"]})).status_code == 201


@pytest.mark.parametrize("token", ["", "short", "x" * 101, "<script>alert(1)</script>xxxxx", "a b" * 10])
async def test_a_token_that_is_none_is_refused_and_not_shown(token: str, ombud: Shared) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        shown = await anybody.get("/welcome", params={"token": token})
        taken = await anybody.post("/welcome", data={"token": token})
    assert shown.status_code == 422
    assert taken.status_code in (410, 422)
    assert len(token) < 6 or (token not in shown.text and token not in taken.text)


async def test_a_revoked_key_is_worthless_within_three_seconds(
    ombud: Shared, http: httpx.AsyncClient, name: str
) -> None:
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["read", "ingest"]})).json()
    async with client(ombud.url, made["key"]) as theirs:

        async def asked(status: int) -> bool:
            return (await theirs.get("/v1/overview")).status_code == status

        await eventually(lambda: asked(200), 3)
        assert (await http.delete(f"/v1/keys/{made['id']}")).status_code == 204
        await eventually(lambda: asked(401), 3)
        problem(await theirs.post("/v1/posts", json={"external_id": name, "text": "late"}), 401, "unknown_key")
    listed = {each["id"]: each for each in (await http.get("/v1/keys")).json()}
    assert listed[made["id"]]["revoked_at"] and made["key"] not in str(listed)
    problem(await http.delete(f"/v1/keys/{made['id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"scopes": ["read"]}, "missing", "name"),
        ({"name": "", "scopes": ["read"]}, "string_too_short", "name"),
        ({"name": "a", "scopes": []}, "too_short", "scopes"),
        ({"name": "a", "scopes": ["god"]}, "enum", "scopes.0"),
        ({"name": "a", "scopes": ["read"], "key": "mine"}, "extra_forbidden", "key"),
    ],
)
async def test_a_wrong_wish_for_a_key_is_422(
    body: dict[str, Any], reason: str, field: str, http: httpx.AsyncClient
) -> None:
    problem(await http.post("/v1/keys", json=body), 422, reason, field)
