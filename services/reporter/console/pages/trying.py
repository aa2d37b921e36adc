"""The page where a text is tried out. Nothing of it is stored."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.trying import Trying
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role


def build_router(parts: Parts) -> APIRouter:
    """Return the page."""
    router = parts.router()

    @router.get("/try", summary="Try a text")
    async def try_page(request: Request, member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER))]) -> Response:
        """Show the empty form."""
        context = Trying("", parts.platform.settings.max_text_bytes, 0)
        return parts.pages.render(request, member, "trying.html", context)

    return router
