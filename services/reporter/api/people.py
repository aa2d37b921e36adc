"""HTTP: links that make accounts for people, who then sign in at the console. Needs the scope `admin`."""

from datetime import datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.reporter.console.roles import Role
from services.reporter.console.sessions import Sessions
from shared.auth import KeyRing, Principal, require
from shared.vocabulary import Scope


class InvitationIn(BaseModel):
    """Whom to invite."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(Role.ADMIN, description="What the account may do.")


class PersonInvitation(BaseModel):
    """A link that makes one account, once."""

    url: str
    role: Role
    expires_at: datetime


def build_router(sessions: Sessions, keys: KeyRing) -> APIRouter:
    """Return the route of invitations."""
    router = APIRouter(tags=["people"])
    admin = require(keys, Scope.ADMIN)

    @router.post("/v1/people/invitations", status_code=201, summary="Make a link that makes an account")
    async def invite_person(wanted: InvitationIn, principal: Principal = Depends(admin)) -> PersonInvitation:
        """Make a link under which one person chooses a name and a password; it works once."""
        url, expires_at = await sessions.invite(wanted.role, principal.id)
        return PersonInvitation(url=url, role=wanted.role, expires_at=expires_at)

    return router
