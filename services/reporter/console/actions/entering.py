"""Signing in and out, and making an account by a one-time link."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts.entering import SHORTEST, SignIn
from services.reporter.console.guard import COOKIE, Command, check_origin
from services.reporter.console.pages.entering import entered, join_page, local
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from shared.errors import Problem


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of those who come and go."""
    router = parts.router()

    @router.post("/signin", summary="Sign in")
    async def sign_in(
        request: Request,
        account: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        next: Annotated[str, Form(max_length=2000)] = "/analysis",
    ) -> Response:
        """Set the cookie of a new session, or show the form again with what is wrong."""
        check_origin(request)
        try:
            token, until = await parts.sessions.sign_in(account, password, address(parts, request))
        except Problem as problem:
            context = SignIn(local(next), account, problem.reason, parts.oidc is not None)
            page = parts.pages.render(request, None, "signin.html", context, Around(status=problem.status))
            page.headers.update(problem.headers or {})
            return page
        return entered(request, token, until, local(next))

    @router.post("/join", summary="Make an account by a link")
    async def join(
        request: Request,
        token: Annotated[str, Form(max_length=100)] = "",
        account: Annotated[str, Form(max_length=200)] = "",
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Burn the link, make the account and sign in."""
        check_origin(request)
        invited = await parts.sessions.invited(token)
        known = invited is not None and invited.account is not None  # a new password for somebody who is here already
        fault = _short(password) if known else _fault(account, name, password)
        try:
            if fault is None:
                return entered(request, *await parts.sessions.join(token, account, name, password), "/analysis")
            status = 422
        except Problem as problem:
            fault, status = problem.reason, problem.status
        context = join_page(token, await parts.sessions.invited(token), account, name, fault or "")
        return parts.pages.render(request, None, "join.html", context, Around(status=status))

    @router.post("/signout", summary="Sign out")
    async def sign_out(command: Annotated[Command, Depends(parts.acting())]) -> Response:
        """End the session, everywhere, and forget the cookie."""
        await parts.sessions.end(command.member)
        response = RedirectResponse("/signin", 303)
        response.delete_cookie(COOKIE, path="/")
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    return router


def address(parts: Parts, request: Request) -> str:
    """Return who asks: behind a gateway the last address it noted, which is the one it saw itself."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if parts.platform.settings.public_url and forwarded:
        return forwarded
    return request.client.host if request.client else "unknown"


def _fault(account: str, name: str, password: str) -> str | None:
    if not account.strip() or any(each <= " " or each == "\x7f" for each in account.strip()):
        return "account_missing"
    if not name.strip() or "\x00" in name:
        return "name_missing"
    return _short(password)


def _short(password: str) -> str | None:
    return "password_short" if len(password) < SHORTEST else None
