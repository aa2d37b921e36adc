"""HTTP: links that make accounts for people, who then sign in at the console; accounts that go. Needs `admin`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from services.reporter.console.people import People
from services.reporter.console.roles import Role
from services.reporter.console.sessions import Sessions
from shared.auth import KeyRing, Principal, require
from shared.ids import NO_NUL
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


class SentReport(BaseModel):
    """A report of a removed account that was submitted: where to, its id there, and how far it is."""

    report_id: str
    version: int
    sink: str
    state: str
    receipt: str | None = None
    review_status: str | None = None


class PersonRemoved(BaseModel):
    """What became of an account's reports: how many were deleted, and which are in other hands."""

    reports_deleted: int
    submitted: list[SentReport]


PersonId = Annotated[str, Path(min_length=1, max_length=36, pattern=NO_NUL, description="The person's id.")]


def build_router(sessions: Sessions, people: People, keys: KeyRing) -> APIRouter:
    """Return the routes of invitations and accounts."""
    router = APIRouter(tags=["people"])
    admin = require(keys, Scope.ADMIN)

    @router.post("/v1/people/invitations", status_code=201, summary="Make a link that makes an account")
    async def invite_person(wanted: InvitationIn, principal: Principal = Depends(admin)) -> PersonInvitation:
        """Make a link under which one person chooses a name and a password; it works once."""
        url, expires_at = await sessions.invite(wanted.role, principal.id)
        return PersonInvitation(url=url, role=wanted.role, expires_at=expires_at)

    @router.delete("/v1/people/{person_id}", summary="Remove an account", dependencies=[Depends(admin)])
    async def remove_person(person_id: PersonId) -> PersonRemoved:
        """Remove an account: name, password, sessions, own views, and every report of theirs that was never submitted.

        What was submitted is listed, so that the person can be told. 404 `not_found`, 409 `last_admin`.
        """
        deleted, sent = await people.remove(person_id)
        return PersonRemoved(
            reports_deleted=deleted, submitted=[SentReport.model_validate(each._mapping) for each in sent]
        )

    return router
