"""API keys: who has which, as ingest lists them."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.keys import keys
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.auth import INGEST_ASKS
from shared.clock import utcnow


async def show_keys(parts: Parts, request: Request, member: Member, status: int = 200, **more: Any) -> Response:
    """Return the page of keys; `more`: the one that was just made, or why none was. Raises Problem, Unavailable."""
    found = await parts.services.ask("ingest", "GET", "/v1/keys", member.token)
    context = replace(keys(found, INGEST_ASKS, utcnow()), **more)
    return parts.pages.render(request, member, "keys.html", context, Around(status=status))


def build_router(parts: Parts) -> APIRouter:
    """Return the page of API keys."""
    router = parts.router()

    @router.get("/admin/keys", summary="API keys")
    async def list_keys(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.ADMIN))],
        done: Annotated[bool, Query()] = False,
    ) -> Response:
        """List the keys that work and those that were revoked."""
        return await show_keys(parts, request, member, done=done)

    return router
