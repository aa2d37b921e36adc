"""Webhooks are made, paused, resumed, tried, given another secret, sent again and removed.

A secret is shown on the answer to its form and nowhere else.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.webhooks import Typed
from services.reporter.console.guard import Command
from services.reporter.console.pages.webhooks import WebhookId, show_webhook, show_webhooks
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from services.reporter.feed import STREAMS
from shared.errors import Problem

WEBHOOKS = "/admin/webhooks"
LONGEST_URL, SHORTEST_URL = 2000, 8
NONE: list[str] = []


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of webhooks."""
    router = parts.router()
    hooking = parts.hooking
    Doing = Annotated[Command, Depends(parts.acting(Role.ADMIN))]  # noqa: N806 - a type

    @router.post("/admin/webhooks", summary="Make a webhook")
    async def make(
        request: Request,
        command: Doing,
        url: Annotated[str, Form(max_length=LONGEST_URL)] = "",
        description: Annotated[str, Form(max_length=500)] = "",
        stream: Annotated[list[str], Form(max_length=len(STREAMS))] = NONE,
        text: Annotated[bool, Form()] = False,
    ) -> Response:
        """Post what is said from now on to an address; show the secret this once."""
        typed = Typed(url.strip(), description.strip(), [name for name in STREAMS if name in stream], text)
        fault = "" if typed.streams else "streams_missing"
        if len(typed.url) < SHORTEST_URL or "\x00" in typed.description:
            fault = "url_refused"
        made: list[tuple[str, str]] = []

        async def work() -> Answer:
            by = command.member.principal
            made.append(await hooking.make(typed.url, typed.streams, text=text, description=typed.description, by=by))
            after = {"streams": list(typed.streams), "text": text}
            return Answer(f"{WEBHOOKS}/{made[0][0]}", object=made[0][0], after=after)

        if not fault:
            try:
                answer = await parts.commands.once(request, command, work)
            except Problem as problem:
                if problem.reason != "url_refused" or wants_fragment(request):
                    raise
                fault = problem.reason
        if fault:
            return await show_webhooks(parts, request, command.member, 422, fault=fault, typed=typed)
        if not made:  # the same form again: the secret was shown the first time
            return answered(request, answer)
        webhook_id, secret = made[0]
        return await show_webhook(parts, request, command.member, webhook_id, secret=secret, fresh=True)

    @router.post("/admin/webhooks/{webhook_id}/pause", summary="Pause a webhook")
    async def pause(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Keep its line, and post nothing."""

        async def work() -> Answer:
            await hooking.change(webhook_id, {}, paused=True, rotate=False)
            return Answer(f"{WEBHOOKS}/{webhook_id}?done=paused", after={"state": "paused"})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/admin/webhooks/{webhook_id}/resume", summary="Resume a webhook")
    async def resume(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Post its line again, at once."""

        async def work() -> Answer:
            await hooking.change(webhook_id, {}, paused=False, rotate=False)
            return Answer(f"{WEBHOOKS}/{webhook_id}?done=resumed", after={"state": "active"})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/admin/webhooks/{webhook_id}/rotate", summary="Give a webhook another secret")
    async def rotate(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Show a new secret this once; the old one signs as well for a day."""
        made: list[str] = []

        async def work() -> Answer:
            made.append(await hooking.change(webhook_id, {}, paused=None, rotate=True) or "")
            return Answer(f"{WEBHOOKS}/{webhook_id}")

        answer = await parts.commands.once(request, command, work)
        if not made:
            return answered(request, answer)
        return await show_webhook(parts, request, command.member, webhook_id, secret=made[0])

    @router.post("/admin/webhooks/{webhook_id}/redrive", summary="Send dead letters of a webhook again")
    async def redrive(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Put dead letters back where they were in the line."""

        async def work() -> Answer:
            count = await hooking.redrive(webhook_id)
            return Answer(f"{WEBHOOKS}/{webhook_id}?done=redriven&count={count}", after={"events": count})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/admin/webhooks/{webhook_id}/try", summary="Try a webhook")
    async def try_out(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Post an event that says nothing, and tell how that went."""

        async def work() -> Answer:
            posted = await hooking.try_out(webhook_id, command.member.principal)
            done = "taken" if posted.taken else "refused"
            return Answer(f"{WEBHOOKS}/{webhook_id}?done={done}&status={posted.status}", {"status": posted.status})

        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Problem as problem:
            if problem.reason != "wrong_key" or wants_fragment(request):
                raise
            return await show_webhook(parts, request, command.member, webhook_id, 409, fault=problem.reason)

    @router.post("/admin/webhooks/{webhook_id}/remove", summary="Remove a webhook")
    async def remove(request: Request, command: Doing, webhook_id: WebhookId) -> Response:
        """Remove a webhook and everything on its way to it."""

        async def work() -> Answer:
            await hooking.remove(webhook_id)
            return Answer(f"{WEBHOOKS}?done=true")

        return answered(request, await parts.commands.once(request, command, work))

    return router
