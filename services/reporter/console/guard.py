"""Who may come in, and what every answer of the console carries: exact headers, CSRF, roles, refusals as pages.

Invariant: a route of the console is one of ours, so none answers without the headers, and none that is not for
everybody answers without asking who it is.
"""

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.reporter.console.contexts.refusal import Refusal
from services.reporter.console.members import Member, csrf_holds
from services.reporter.console.rendering import Around, Pages, wants_fragment
from services.reporter.console.roles import Role
from services.reporter.console.sessions import Sessions
from shared.auth import Admission
from shared.errors import Problem, Unavailable, problem_of, respond, unavailable

COOKIE = "ombud_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
NO_STORE = "no-store"
PACKED_FROM = 1_000
"""Bytes from which an answer is compressed."""
PACKED_KINDS = ("text/html", "image/svg+xml", "application/json", "text/csv")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

Handle = Callable[[Request], Awaitable[Response]]


class Entrance(Admission):
    """Lets somebody in who has signed in and has one of some roles; none: whoever has signed in."""

    def __init__(self, sessions: Sessions, *roles: Role) -> None:
        self._sessions = sessions
        self.roles = roles

    async def __call__(self, request: Request) -> Member:
        """Return who asks. Raises Problem 401 (nobody has signed in) and 403 (another role is needed)."""
        return await self.check(request)

    async def check(self, request: Request) -> Member:
        """Return who asks, once for each request."""
        member = getattr(request.state, "member", None)
        if member is None:
            token = request.cookies.get(COOKIE)
            member = await self._sessions.find(token) if token else None
            if member is None:
                raise Problem(401, "not_signed_in", "Sign in first.")
            request.state.member = member
        if self.roles and not member.may(*self.roles):
            raise Problem(403, "missing_role", "Your role does not open this page.", roles=[*self.roles])
        return member


@dataclass(frozen=True, slots=True)
class Command:
    """A form that somebody sent: who, and under which id, so that the same form again is the same act."""

    member: Member
    id: str


class Acting(Entrance):
    """Lets a form in: as `Entrance`, and it has to come from our own page and name its command."""

    async def __call__(  # type: ignore[override]
        self,
        request: Request,
        csrf: Annotated[str, Form(max_length=200)] = "",
        command_id: Annotated[str, Form(pattern=r"^[A-Za-z0-9-]{8,64}$")] = "",
    ) -> Command:
        """Return who acts. Raises Problem 401 and 403."""
        member = await self.check(request)
        check_origin(request)
        if not csrf_holds(member.token, csrf):
            raise Problem(403, "stale_form", "This form is not of your present session. Load the page again.")
        if not command_id:
            raise Problem(422, "missing", "The form does not name its command.", field="command_id")
        return Command(member, command_id)


def check_origin(request: Request) -> None:
    """Raise Problem 403 if a browser says that a form came from another site."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Problem(403, "foreign_form", "This form came from another site.")


def secure(request: Request) -> bool:
    """Return whether the cookie needs TLS: always, but for plain HTTP on this very machine."""
    forwarded = request.headers.get("X-Forwarded-Proto", request.url.scheme)
    return forwarded == "https" or (request.url.hostname or "") not in LOOPBACK


def console_route(pages: Pages) -> type[APIRoute]:
    """Return the class of the console's routes: they answer people, also when they refuse."""

    class ConsoleRoute(APIRoute):
        """A route of the console."""

        def get_route_handler(self) -> Any:
            """Return what handles a request of this route."""
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    response = await handle(request)
                except Unavailable:
                    response = refused(pages, request, unavailable())
                except (RequestValidationError, HTTPException) as error:
                    response = refused(pages, request, problem_of(error, request))
                return finished(request, response)

            return answer

    return ConsoleRoute


def finished(request: Request, response: Response) -> Response:
    """Return an answer with the headers that each one carries, compressed if that is worth it."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", NO_STORE)
    body = getattr(response, "body", b"")
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if len(body) >= PACKED_FROM and kind in PACKED_KINDS and "Content-Encoding" not in response.headers:
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.body = gzip.compress(body, 6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Length"] = str(len(response.body))
    return response


def refused(pages: Pages, request: Request, problem: Problem) -> Response:
    """Return a refusal: the way to sign in, a page, or problem+json for a script."""
    member = getattr(request.state, "member", None)
    if wants_fragment(request) or "application/json" in request.headers.get("Accept", ""):
        return respond(problem)
    if problem.status == 401 and request.method == "GET":
        return RedirectResponse(f"/signin?next={quote(asked(request), safe='')}", 303)
    refusal = Refusal(problem.status, problem.reason, tuple(problem.extra.get("roles", ())), asked(request))
    page = pages.render(request, member, "refusal.html", refusal, Around(status=problem.status))
    page.headers.update(problem.headers or {})
    return page


def asked(request: Request) -> str:
    """Return what was asked for: path and query."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
