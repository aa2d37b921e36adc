"""Auditors rename an audit, put it away, and bring it back."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.pages.arranging import show_arranging
from services.reporter.console.pages.audits import AuditId
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from shared.errors import Problem


def build_router(parts: Parts) -> APIRouter:
    """Return the form of an audit's name."""
    router = parts.router()

    @router.post("/audits/{audit_id}/settings", summary="Rename an audit, or put it away")
    async def change(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.AUDITOR))],
        audit_id: AuditId,
        version: Annotated[int, Form(ge=1, le=2**31 - 1)],
        act: Annotated[Literal["rename", "away", "back"], Form()] = "rename",
        title: Annotated[str, Form(max_length=200, pattern=r"^[^\x00]*$")] = "",
    ) -> Response:
        """Keep the name, or take the audit off the list or back onto it; what was typed is never lost."""

        async def work() -> Answer:
            body: dict[str, Any] = {"version": version}
            body |= {"title": title.strip()} if act == "rename" else {"archived": act == "away"}
            await parts.services.ask("auditor", "PATCH", f"/v1/audits/{audit_id}", command.member.token, json=body)
            place = f"/audits?away={audit_id}" if act == "away" else f"/audits/{audit_id}"
            return Answer(place, {"id": audit_id}, after={"done": act})

        if act == "rename" and not title.strip():
            return await show_arranging(parts, request, command.member, audit_id, 422, title="")
        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Problem as problem:
            if problem.reason != "stale_version" or wants_fragment(request):
                raise
        typed = {"title": title} if act == "rename" else {}
        return await show_arranging(parts, request, command.member, audit_id, 409, stale=True, **typed)

    return router
