"""Webhooks: all of them, and one with what is on its way to it."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter.console.contexts.webhooks import One, Webhooks, dispatch, webhook
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.errors import not_found

WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
SHOWN = 50
"""Events of a webhook's line that its page lists."""


async def show_webhooks(parts: Parts, request: Request, member: Member, status: int = 200, **more: Any) -> Response:
    """Return the page of all webhooks; `more`: why none was made, with what was typed."""
    async with parts.store.read() as connection:
        rows, waiting = await parts.store.webhooks(connection), await parts.store.waiting(connection)
    context = replace(Webhooks([webhook(row, waiting) for row in rows]), **more)
    return parts.pages.render(request, member, "webhooks.html", context, Around(status=status))


async def show_webhook(
    parts: Parts, request: Request, member: Member, webhook_id: str, status: int = 200, **more: Any
) -> Response:
    """Return the page of one webhook; `more`: a secret that is shown this once, or what was just done."""
    async with parts.store.read() as connection:
        row, waiting = await parts.store.webhook(connection, webhook_id), await parts.store.waiting(connection)
        line = await parts.store.line(connection, webhook_id, state=None, after=None, limit=SHOWN)
    if row is None:
        raise not_found("webhook")
    context = replace(One(webhook(row, waiting), [dispatch(each) for each in line]), **more)
    return parts.pages.render(request, member, "webhooks_one.html", context, Around(status=status))


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of webhooks."""
    router = parts.router()
    Admin = Annotated[Member, Depends(parts.entrance(Role.ADMIN))]  # noqa: N806 - a type

    @router.get("/admin/webhooks", summary="Webhooks")
    async def every(request: Request, member: Admin, done: Annotated[bool, Query()] = False) -> Response:
        """List webhooks with their state."""
        return await show_webhooks(parts, request, member, done=done)

    @router.get("/admin/webhooks/{webhook_id}", summary="One webhook")
    async def one(
        request: Request,
        member: Admin,
        webhook_id: WebhookId,
        done: Annotated[str, Query(max_length=20)] = "",
        status: Annotated[int, Query(ge=0, le=599)] = 0,
        count: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> Response:
        """Show one webhook, what waits for it, and what may be done."""
        return await show_webhook(parts, request, member, webhook_id, done=done, tried=status, count=count)

    return router
