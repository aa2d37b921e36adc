"""API keys: made, listed, revoked; and the one-time link that gives the first one."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.keeper import Keeper
from shared.auth import require
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.runtime import Platform
from shared.vocabulary import Scope

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ombud: first key</title>
<meta name="viewport" content="width=device-width"></head><body><h1>Ombud</h1>{body}</body></html>"""


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    scopes: Annotated[list[Scope], Field(min_length=1)]


class KeyMade(BaseModel):
    """A new key; this is the only time it is shown."""

    id: str
    name: str
    scopes: list[Scope]
    key: str


class KeyListed(BaseModel):
    """What is known of a key afterwards; `last_used_at` to within an hour, null for one that nobody ever used."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class Invitation(BaseModel):
    """A link that gives one admin key, once."""

    url: str
    expires_at: datetime


def build_router(platform: Platform, keeper: Keeper) -> APIRouter:
    """Return the routes of keys."""
    router = APIRouter(tags=["keys"])
    admin = Depends(require(platform.keys, Scope.ADMIN))

    @router.post("/v1/keys", status_code=201, summary="Make an API key", dependencies=[admin])
    async def make_key(wanted: KeyIn) -> KeyMade:
        """Make a key and show it this once; only its hash is kept."""
        key_id, key = await keeper.make_key(wanted.name, wanted.scopes)
        return KeyMade(id=key_id, name=wanted.name, scopes=wanted.scopes, key=key)

    @router.get("/v1/keys", summary="List API keys", dependencies=[admin])
    async def list_keys() -> list[KeyListed]:
        """List every key ever made, without the keys themselves."""
        return [KeyListed.model_validate(row) for row in await keeper.keys()]

    @router.delete("/v1/keys/{key_id}", status_code=204, summary="Revoke an API key", dependencies=[admin])
    async def revoke_key(key_id: Annotated[str, Path(max_length=36, pattern=NO_NUL)]) -> None:
        """Make a key worthless within two seconds."""
        if not await keeper.revoke(key_id):
            raise not_found("key")

    @router.post("/v1/invitations", status_code=201, summary="Make a one-time admin link", dependencies=[admin])
    async def invite() -> Invitation:
        """Make a link under which somebody can fetch one admin key."""
        url, expires_at = await keeper.invite()
        return Invitation(url=url, expires_at=expires_at)

    @router.get("/welcome", response_class=HTMLResponse, summary="The one-time link", include_in_schema=False)
    async def welcome(token: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{20,100}$")]) -> HTMLResponse:
        """Show a button; looking at the link (a preview does) uses nothing up."""
        body = (
            "<p>This link gives you one admin API key, once.</p>"
            f'<form method="post" action="/welcome"><input type="hidden" name="token" value="{token}">'
            "<button>Show my key</button></form>"
        )
        return HTMLResponse(PAGE.format(body=body), headers=PAGE_HEADERS)

    @router.post("/welcome", response_class=HTMLResponse, summary="Fetch the key", include_in_schema=False)
    async def fetch_key(token: Annotated[str, Form(max_length=100)]) -> HTMLResponse:
        """Burn the token and show an admin key."""
        key = await keeper.welcome(token)
        if key is None:
            raise Problem(410, "invitation_used", "This link was used already or is too old.")
        body = f"<p>Your admin key, shown this once:</p><p><code>{key}</code></p><p>Send it as a bearer token.</p>"
        return HTMLResponse(PAGE.format(body=body), headers=PAGE_HEADERS)

    return router
