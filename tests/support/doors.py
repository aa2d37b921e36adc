"""What the tests of the HTTP interface ask again and again."""

from functools import cache
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
from tests.support.kit import entries
from tests.support.servers import eventually

MARKER = "zwunderquast"
"""A word that only texts hold which are sent to be refused or kept."""
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
