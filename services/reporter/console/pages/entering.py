"""Signing in, and making an account by a one-time link. Looking at either changes nothing."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts.entering import Join, SignIn
from services.reporter.console.guard import COOKIE, secure
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.sessions import Invited


def local(address: str) -> str:
    """Return where to go afterwards: a path of ours, whatever a link says."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/analysis"


def entered(request: Request, token: str, until: datetime, location: str) -> Response:
    """Return the way to a page, with the cookie of a session."""
    response = RedirectResponse(location, 303)
    response.set_cookie(COOKIE, token, expires=until, path="/", httponly=True, samesite="lax", secure=secure(request))
    return response


def join_page(token: str, invited: Invited | None, account: str = "", name: str = "", fault: str = "") -> Join:
    """Return what stands on the page of a link, with what was typed and what is wrong with it."""
    if invited is None:
        return Join(token, None, fault=fault)
    if invited.account is not None:
        return Join(token, invited.role, invited.account, invited.name or "", fault, known=True)
    return Join(token, invited.role, account, name, fault)


def build_router(parts: Parts) -> APIRouter:
    """Return the pages for those who have not signed in."""
    router = parts.router()

    @router.get("/signin", summary="Sign in")
    async def sign_in(request: Request, next: Annotated[str, Query(max_length=2000)] = "/analysis") -> Response:
        """Show the form; who has signed in goes on."""
        token = request.cookies.get(COOKIE)
        if token and await parts.sessions.find(token):
            return RedirectResponse(local(next), 303)
        return parts.pages.render(request, None, "signin.html", SignIn(local(next), provider=parts.oidc is not None))

    @router.get("/join", summary="Make an account by a link")
    async def join(request: Request, token: Annotated[str, Query(max_length=100)] = "") -> Response:
        """Show the form, or that the link is no good; looking (a preview does) uses nothing up."""
        context = join_page(token, await parts.sessions.invited(token))
        around = Around(status=200 if context.role else 410)
        return parts.pages.render(request, None, "join.html", context, around)

    return router
