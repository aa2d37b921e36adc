"""Renaming an audit, putting it away and bringing it back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.arranging import Arranging
from services.reporter.console.contexts.audits import audit_of
from services.reporter.console.members import Member
from services.reporter.console.pages.audits import AuditId, line_of
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role


async def show_arranging(
    parts: Parts, request: Request, member: Member, audit_id: str, status: int = 200, **typed: Any
) -> Response:
    """Return the page of an audit's name; `typed`: what was typed and could not be kept. Raises Problem 404."""
    found = await line_of(parts, member, audit_id)
    given = {"title": found["title"], "away": found["archived_at"] is not None} | typed
    context = Arranging(audit_of(found), **given)
    return parts.pages.render(request, member, "audits_arranging.html", context, Around(status=status))


def build_router(parts: Parts) -> APIRouter:
    """Return the page of an audit's name."""
    router = parts.router()

    @router.get("/audits/{audit_id}/settings", summary="The name of an audit")
    async def arranging(
        request: Request, member: Annotated[Member, Depends(parts.entrance(Role.AUDITOR))], audit_id: AuditId
    ) -> Response:
        """Show what an audit is called, and whether it is put away."""
        return await show_arranging(parts, request, member, audit_id)

    return router
