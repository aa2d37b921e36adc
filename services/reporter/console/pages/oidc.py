"""Signing in with an OpenID provider. Both are GET, because the protocol has it so.

The first address changes nothing here: what it begins is in a cookie. The second makes a session, and only for the
browser that has that cookie, once (docs/decisions, "Signing in with an OpenID provider").
"""

import secrets
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts.entering import SignIn
from services.reporter.console.guard import secure
from services.reporter.console.oidc import ROUND_TRIP_S, Refused, departing, identity, proof, returning
from services.reporter.console.pages.entering import entered, local
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from shared.clock import millis
from shared.errors import Problem, not_found

log = structlog.get_logger("ombud.reporter")

COOKIE = "ombud_oidc"
START, BACK = "/signin/oidc", "/signin/oidc/callback"


def build_router(parts: Parts) -> APIRouter:
    """Return the way to an OpenID provider and back; not there unless one is configured."""
    router = parts.router()
    provider = parts.oidc
    back = parts.sessions.origin() + BACK

    @router.get(START, summary="Sign in with an OpenID provider")
    async def leave(request: Request, next: Annotated[str, Query(max_length=2000)] = "/analysis") -> Response:
        """Lead to the provider, with a cookie that knows this browser again."""
        if provider is None:
            raise not_found("page")
        secret = await _secret(parts)
        cookie = departing(secret, secrets.token_urlsafe(32), millis() // 1000 + ROUND_TRIP_S, local(next))
        state, nonce, verifier = (proof(secret, cookie, what) for what in ("state", "nonce", "verifier"))
        response = RedirectResponse(await provider.address(state=state, nonce=nonce, verifier=verifier, back=back), 303)
        response.set_cookie(
            COOKIE, cookie, ROUND_TRIP_S, path=START, httponly=True, samesite="lax", secure=secure(request)
        )
        return response

    @router.get(BACK, summary="Come back from an OpenID provider")
    async def come_back(
        request: Request,
        code: Annotated[str, Query(max_length=4000)] = "",
        state: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """Make a session for whom the provider knows, or show the form to sign in with why not."""
        if provider is None:
            raise not_found("page")
        secret, cookie = await _secret(parts), request.cookies.get(COOKIE, "")
        address = returning(secret, cookie, state, millis() // 1000)
        try:
            if address is None or not code or not await parts.sessions.first_time(f"oidc {state}", ROUND_TRIP_S):
                raise Problem(400, "provider_refused", "This answer does not belong to this browser.", why="state")
            nonce, verifier = proof(secret, cookie, "nonce"), proof(secret, cookie, "verifier")
            claims = await provider.claims(code, nonce=nonce, verifier=verifier, back=back)
            try:
                known = identity(claims, parts.oidc_rules)
            except Refused as refused:
                raise Problem(403, "provider_not_admitted", "Not admitted.", why=str(refused)) from None
            token, until = await parts.people.enter(known, parts.oidc_rules)
            response = entered(request, token, until, address)
        except Problem as problem:
            log.warning("sign-in refused", reason=problem.reason, why=problem.extra.get("why"))
            fault = problem.reason if problem.reason == "provider_not_admitted" else "provider_refused"
            context = SignIn(address or "/analysis", fault=fault, provider=True)
            response = parts.pages.render(request, None, "signin.html", context, Around(status=problem.status))
        response.delete_cookie(COOKIE, path=START)
        return response

    return router


async def _secret(parts: Parts) -> str:
    async with parts.store.read() as connection:
        return await parts.store.cursor_secret(connection)
