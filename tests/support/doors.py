"""What the tests of the HTTP interface ask again and again."""

from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from redis.asyncio import Redis

from services.catalog import build_of
from shared.events import Event
from shared.runtime import Platform, compose
from shared.settings import Settings
from shared.streams import FLOW, SERVICES
from shared.vocabulary import Scope
from tests.support.kit import entries
from tests.support.ombud import KEY
from tests.support.servers import eventually

MARKER = "zwunderquast"
"""A word that only texts hold which are sent to be refused or kept."""
GOLDEN = Path(__file__).parents[1] / "golden"
GOOGLE, OPENAI = "/v1alpha1/", "/v1/moderations"
"""Refuse as Google's and OpenAI's clients expect it: JSON with an `error`."""
STRANGER = "ombud_nobody_knows_this_key_000000000000000000"
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def problem(answer: httpx.Response, status: int, reason: str, field: str | None = None) -> dict[str, Any]:
    """Check that an answer is this refusal as problem+json, and that it repeats nothing of what was sent."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["reason"], body.get("field")) == (status, reason, field), body
    assert body["detail"] and body["title"] and body["type"]
    assert MARKER not in answer.text
    return body


def keys_of(url: str) -> dict[str, str | None]:
    """Return a key for everybody who is no administrator: `nobody` has none, a `stranger` an unknown one, the others
    one scope each."""
    made: dict[str, str | None] = {"nobody": None, "stranger": STRANGER}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as http:
        for scope in Scope:
            if scope is not Scope.ADMIN:
                answer = http.post("/v1/keys", json={"name": f"only {scope.value}", "scopes": [scope.value]})
                made[scope.value] = str(answer.json()["key"])
    return made


async def scored(http: httpx.AsyncClient, post_id: str, revision: int | None = None) -> dict[str, Any]:
    """Wait until a post (in this revision) has a score and return it as the reporter knows it."""

    async def found() -> dict[str, Any] | None:
        answer = await http.get(f"/v1/posts/{post_id}")
        post: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return post if post and post["scores"] and revision in (None, post["revision"]) else None

    return dict(await eventually(found))


async def events(redis: Redis, stream: str) -> list[Event[Any]]:
    """Return the valid events of a stream in order; other tests leave nonsense there on purpose."""
    return [each for each in await entries(redis, stream) if isinstance(each, Event)]


async def let_in(redis: Redis) -> dict[str, int]:
    """Return how many entries were ever added to each stream that ingest speaks on.

    The lengths would not do: erasing what an earlier test deleted makes a stream shorter at any time.
    """
    names = [name for name, stream in FLOW.items() if stream.said_by == "ingest"]
    return {name: int((await redis.xinfo_stream(name))["entries-added"]) for name in names}


def may() -> dict[tuple[str, str], set[str]]:
    """Return whom every route but the console lets in: scopes, `anybody` or `signed` (golden/authorisation.txt)."""
    lines = (GOLDEN / "authorisation.txt").read_text("utf-8").splitlines()
    named = [line.split() for line in lines if not line.startswith("console")]
    return {(method, path): set(who) for _, method, path, *who in named}


def refused(answer: Any, path: str, *, known: bool) -> None:
    """Check that an answer refuses a key: none and unknown ones with 401, known ones without the scope with 403.

    `answer` is httpx's or schemathesis' own, whose headers are lists.
    """
    status, body = 403 if known else 401, answer.json()
    if path.startswith(GOOGLE):  # refuses as Google does: 403 without a key, 400 with an unknown one
        assert answer.status_code in (400, status, 403), answer.text
        assert body["error"]["code"] == answer.status_code
        return
    assert answer.status_code == status, answer.text
    if path == OPENAI:
        assert body["error"].keys() == {"message", "type", "param", "code"}
        return
    kinds = answer.headers["content-type"]
    assert (kinds if isinstance(kinds, str) else kinds[0]) == "application/problem+json"
    assert body["status"] == status
    assert body["reason"] in (("missing_scope",) if known else ("no_key", "unknown_key")), body
    assert known or "www-authenticate" in answer.headers


def composed() -> FastAPI:
    """Return the embedded application, not started; for looking at its routes."""
    return compose(Platform(Settings(), "redis://127.0.0.1:1/0"), [build_of(name) for name in SERVICES])


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every route, also of those the documentation leaves out, but for the console's.

    The console answers people who have signed in, with pages: tests/console tries each of its routes.
    """
    every = {(method, str(route.path)) for route in iter_route_contexts(app.routes) for method in route.methods or ()}
    return sorted(every - console_routes().keys())


@cache
def console_routes() -> dict[tuple[str, str], APIRoute]:
    """Return every route of the console by method and path."""
    services = composed().state.platform.services
    return {
        (method, route.path): route
        for service in services
        for router in service.routers
        for route in router.routes
        if isinstance(route, APIRoute) and "console" in route.tags
        for method in route.methods
    }
