"""HTTP: audits and what people call their models. One's own only; who administers sees everybody's.

Invariant: to everybody else an audit of somebody's is not there (404), whatever is asked of it.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing, Command
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.cursors import cursor_of, place_of
from shared.db import Stored
from shared.errors import Problem
from shared.ids import NO_NUL, digest
from shared.judgement import CUT
from shared.vocabulary import Scope

AuditId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="Id of an audit.")]
Title = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, description="What it is called; data only.")]
ModelId = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{0,64}$", description="Whose judgement; empty: everybody's.")]
Repeatable = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=256, description="The same key and body count once."),
]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True, description="The version you saw.")]
Kind = Literal["personal", "topic", "group"]
Scaffold = Literal["fixed", "personal", "personal_group", "prompts", "tutorial", "empty"]


class AuditIn(BaseModel):
    """A new audit. `model` is one of your named models; empty: the one everybody has.

    A `topic` audit looks at one topic, a `group` audit takes the view of a group that was compared (`POST /v1/groups`).
    """

    model_config = ConfigDict(extra="forbid")

    title: Title
    kind: Kind = "personal"
    model: ModelId = ""
    topic: int | None = Field(None, ge=-1, le=2**31 - 1, strict=True, description="Of a topic audit.")
    group_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] | None = Field(None, description="Of a group audit.")
    cut: float = Field(CUT, gt=0, lt=4, strict=True, description="The rating from which a post is toxic.")
    scaffold: Scaffold = "personal"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "topic") != (self.topic is not None):
            raise ValueError("an audit has a topic if and only if its kind is topic")
        if (self.kind == "group") != (self.group_id is not None):
            raise ValueError("an audit has a group_id if and only if its kind is group")
        return self


class AuditChange(BaseModel):
    """What may change in an audit; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    title: Title | None = None
    scaffold: Scaffold | None = None
    archived: bool | None = Field(None, strict=True, description="Archived audits are not listed.")


class SystemView(BaseModel):
    """The audited system as its artifact names it."""

    name: str
    version: str


class AuditLine(BaseModel):
    """One audit. `system` is what was in force when it began."""

    id: str
    version: int
    kind: Kind
    title: str
    model: str
    topic: int | None
    group_id: str | None
    system: SystemView
    cut: float
    scaffold: Scaffold
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class AuditPage(BaseModel):
    """Your audits, newest first; `next` is the cursor of the next page, null on the last."""

    audits: list[AuditLine]
    next: str | None


class ModelIn(BaseModel):
    """What a new model of yours is called."""

    model_config = ConfigDict(extra="forbid")

    name: Title


class ModelChange(ModelIn):
    """Another name for a model of yours."""

    version: Version


class NamedModel(BaseModel):
    """What you call one of your models; ratings name it by its id."""

    id: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime


def build_router(auditing: Auditing, store: AuditStore, keys: KeyRing) -> APIRouter:
    """Return the routes of audits and of the names of models."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    @router.post("/audits", status_code=201, summary="Begin an audit")
    async def begin_audit(body: AuditIn, principal: Caller, key: Repeatable = None) -> AuditLine:
        """Begin an audit of the model in force; the same Idempotency-Key and body begin it once."""
        return line_of(await auditing.begin(commanded(principal, key, body), body.model_dump()))

    @router.get("/audits", summary="Your audits", response_model=AuditPage, responses=UNCHANGED)
    async def list_audits(
        request: Request,
        principal: Caller,
        archived: Annotated[bool, Query(description="The archived ones, too.")] = False,
        limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
        cursor: Annotated[str | None, Query(max_length=256, description="`next` of the page before.")] = None,
    ) -> Response:
        """Answer with the caller's own audits, newest first."""
        place = place_of(cursor, str, str)
        after = None if place is None else (moment_of(place[0]), place[1])
        rows = await store.audits_of(principal.id, archived=archived, after=after, limit=limit + 1)
        shown = [line_of(row) for row in rows[:limit]]
        more = len(rows) > limit
        following = cursor_of(rows[limit - 1].created_at.isoformat(), shown[-1].id) if more else None
        return tagged(request, AuditPage(audits=shown, next=following))

    @router.patch("/audits/{audit_id}", summary="Rename an audit, or put it away")
    async def change_audit(audit_id: AuditId, body: AuditChange, principal: Caller) -> AuditLine:
        """Change what is given. Answers 409 `stale_version` if somebody changed the audit in between."""
        audit = await auditing.own(principal, audit_id)
        values = body.model_dump(include={"title", "scaffold"}, exclude_none=True)
        if body.archived is not None:
            values["archived_at"] = (audit.archived_at or utcnow()) if body.archived else None
        return line_of(await auditing.change(audit, body.version, values))

    @router.get("/audits/models", summary="What you call your models", response_model=list[NamedModel])
    async def list_models(principal: Caller) -> list[NamedModel]:
        """Answer with the caller's named models, the oldest first."""
        return [_named(row) for row in await store.named_models_of(principal.id, 200)]

    @router.post("/audits/models", status_code=201, summary="Name a new model of yours")
    async def name_model(body: ModelIn, principal: Caller, key: Repeatable = None) -> NamedModel:
        """Return the opaque id that ratings for it carry; the same Idempotency-Key names one model."""
        return _named(await auditing.name_model(commanded(principal, key, body), body.name))

    @router.patch("/audits/models/{model}", summary="Rename a model of yours")
    async def rename_model(
        model: Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$", description="Id of one of your models.")],
        body: ModelChange,
        principal: Caller,
    ) -> NamedModel:
        """Change the name; ids, ratings and versions stay. Answers 409 `stale_version` if it changed in between."""
        return _named(await auditing.rename_model(principal.id, model, body.version, body.name))

    return router


def commanded(principal: Principal, key: str | None, body: BaseModel) -> Command:
    """Return who commands what."""
    return Command(principal.id, key, digest(body.model_dump_json().encode()))


def line_of(row: Stored) -> AuditLine:
    """Return an audit as it is shown."""
    made = {"id", "system"}
    return AuditLine(
        id=row.audit_id,
        system=SystemView(name=row.system, version=row.system_version),
        **{name: getattr(row, name) for name in AuditLine.model_fields if name not in made},
    )


def moment_of(written: str) -> datetime:
    """Return a moment out of a cursor. Raises Problem 422 for one that is none."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None or not 1 < found.year < 9999:
        raise Problem(422, "cursor_invalid", "This is no cursor of ours.", field="cursor")
    return found


def _named(row: Stored) -> NamedModel:
    made = {name: getattr(row, name) for name in NamedModel.model_fields if name != "id"}
    return NamedModel(id=row.model, **made)
