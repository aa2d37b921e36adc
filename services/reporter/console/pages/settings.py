"""A person's own settings."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.settings import Settings, all_keys
from services.reporter.console.formats import LANGUAGES
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from shared.clock import utcnow


def build_router(parts: Parts) -> APIRouter:
    """Return the page of settings."""
    router = parts.router()

    @router.get("/settings", summary="Settings")
    async def settings(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance())],
        saved: Annotated[bool, Query()] = False,
    ) -> Response:
        """Show the form with what is set."""
        context = _page(member, saved)
        return parts.pages.render(request, member, "settings.html", context)

    return router


def _page(member: Member, saved: bool) -> Settings:
    kept = member.preferences
    return Settings(kept, LANGUAGES, saved, all_keys(kept.keys), kept.skipped(utcnow()))
