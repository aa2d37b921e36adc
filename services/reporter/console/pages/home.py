"""The address of the installation itself."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.parts import Parts


def build_router(parts: Parts) -> APIRouter:
    """Return the way to the overview."""
    router = parts.router()

    @router.get("/", summary="To the overview")
    async def home() -> Response:
        """Lead to the overview, and from there to signing in."""
        return RedirectResponse("/analysis", 303)

    return router
