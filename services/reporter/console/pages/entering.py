"""Signing in, and making an account by a one-time link. Looking at either changes nothing."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts.entering import Join, SignIn
from services.reporter.console.guard import COOKIE
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around


def local(address: str) -> str:
    """Return where to go afterwards: a path of ours, whatever a link says."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/analysis"


def build_router(parts: Parts) -> APIRouter:
    """Return the pages for those who have not signed in."""
    router = parts.router()

    @router.get("/signin", summary="Sign in")
    async def sign_in(request: Request, next: Annotated[str, Query(max_length=2000)] = "/analysis") -> Response:
        """Show the form; who has signed in goes on."""
        token = request.cookies.get(COOKIE)
        if token and await parts.sessions.find(token):
            return RedirectResponse(local(next), 303)
        return parts.pages.render(request, None, "signin.html", SignIn(local(next)))

    @router.get("/join", summary="Make an account by a link")
    async def join(request: Request, token: Annotated[str, Query(max_length=100)] = "") -> Response:
        """Show the form, or that the link is no good; looking (a preview does) uses nothing up."""
        role = await parts.sessions.invited(token)
        around = Around(status=200 if role else 410)
        return parts.pages.render(request, None, "join.html", Join(token, role), around)

    return router
