"""HTTP: what a person keeps of an audit: posts with their own judgement, and what system and model said then.

Invariant: what was said then never changes with a later system; it is taken anew only when the person says so again.
"""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import AuditId
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.audits.decisions import ErrorType, Source
from services.auditor.looking import Looking, Sight
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL, digest
from shared.vocabulary import Scope

PostId = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
Judgement = Literal["agree", "disagree", "unsure"]


class EvidenceIn(BaseModel):
    """A post to keep, with your own judgement of what the system says of it, and a note."""

    model_config = ConfigDict(extra="forbid")

    post_id: PostId
    judgement: Judgement = Field(description="Whether you agree with the system.")
    note: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""


class SnapshotView(BaseModel):
    """What system and model said of a post when it was kept. `text_hash` is the SHA-256 of its text then."""

    text_hash: str
    topic: int | None
    topic_name: str | None
    categories: list[str]
    system: str
    system_version: str
    system_rating: float
    system_toxic: bool
    cut: float
    model_version: int | None
    tuned: bool | None
    prediction: float | None
    sd: float | None
    p_disagree: float | None
    human_label: int | None
    user_toxic: bool | None
    source: Source | None
    error_type: ErrorType | None
    distance: float | None


class EvidenceView(BaseModel):
    """A post that was kept; its text as it is now, empty if it was erased, and then there is no note either."""

    post_id: str
    text: str | None
    judgement: Judgement
    note: str
    then: SnapshotView
    added_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class EvidencePage(BaseModel):
    """All evidence of an audit, in the order in which it was added."""

    evidence: list[EvidenceView]


MOST = 200
"""Posts of one audit's evidence."""


def build_router(auditing: Auditing, store: AuditStore, looking: Looking, keys: KeyRing) -> APIRouter:
    """Return the routes of evidence."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806 - a type

    async def shown(row: Stored) -> EvidenceView:
        texts = await looking.texts_of([row.post_id])
        return _view(row, texts)

    @router.get(
        "/audits/{audit_id}/evidence", summary="What was kept", response_model=EvidencePage, responses=UNCHANGED
    )
    async def list_evidence(audit_id: AuditId, request: Request, principal: Caller) -> Response:
        """Answer with every post of the audit's evidence, what was said of it then, and its text of today."""
        audit = await auditing.own(principal, audit_id)
        rows = await store.evidence_of(audit.audit_id)
        texts = await looking.texts_of([row.post_id for row in rows])
        return tagged(request, EvidencePage(evidence=[_view(row, texts) for row in rows]))

    @router.post("/audits/{audit_id}/evidence", status_code=201, summary="Keep a post as evidence")
    async def add_evidence(audit_id: AuditId, body: EvidenceIn, principal: Caller) -> EvidenceView:
        """Keep a post with the person's own judgement and what is said of it now; once more replaces it."""
        audit = await auditing.own(principal, audit_id)
        kept = {row.post_id for row in await store.evidence_of(audit.audit_id)}
        if len(kept | {body.post_id}) > MOST:
            raise Problem(409, "evidence_full", f"An audit keeps {MOST} posts.")
        sight = await looking.at(audit)
        texts = await looking.texts_of([body.post_id])
        if body.post_id not in texts or body.post_id not in sight.corpus.places:
            raise Problem(422, "post_unknown", "There is no such post here.", field="post_id")
        now = utcnow()
        row = {
            "audit_id": audit.audit_id,
            "post_id": body.post_id,
            "judgement": body.judgement,
            "note": body.note,
            "snapshot": snapshot(sight, audit, body.post_id, texts[body.post_id]).model_dump(mode="json"),
            "added_at": now,
            "updated_at": now,
        }
        await store.keep_evidence(row)
        found = next((each for each in await store.evidence_of(audit.audit_id) if each.post_id == body.post_id), None)
        if found is None:
            raise not_found("evidence")
        return await shown(found)

    @router.delete("/audits/{audit_id}/evidence/{post_id}", status_code=204, summary="Let a post go from the evidence")
    async def drop_evidence(
        audit_id: AuditId,
        post_id: Annotated[str, Path(max_length=200, pattern=NO_NUL, description="Id of a post that was kept.")],
        principal: Caller,
    ) -> Response:
        """Take a post out of an audit's evidence; ratings of it stay."""
        audit = await auditing.own(principal, audit_id)
        if not await store.drop_evidence(audit.audit_id, post_id):
            raise not_found("evidence")
        return Response(status_code=204)

    return router


def snapshot(sight: Sight, audit: Stored, post_id: str, text: str) -> SnapshotView:
    """Return what is said of a post now."""
    (row,) = sight.table.rows(sight.corpus.rows([post_id]))
    return SnapshotView(
        text_hash=digest(text.encode()),
        topic=row.topic,
        topic_name=sight.name_of(row.topic),
        categories=list(row.categories),
        system=audit.system,
        system_version=row.system_version,
        system_rating=row.system,
        system_toxic=row.system_toxic,
        cut=sight.cut,
        model_version=None if sight.judge is None else sight.judge.basis.version,
        tuned=row.tuned,
        prediction=row.prediction,
        sd=row.sd,
        p_disagree=row.p_disagree,
        human_label=None if row.label is None else int(row.label),
        user_toxic=row.user_toxic,
        source=row.source,
        error_type=row.type,
        distance=row.distance,
    )


def _view(row: Stored, texts: dict[str, str]) -> EvidenceView:
    return EvidenceView(
        post_id=row.post_id,
        text=texts.get(row.post_id),
        judgement=row.judgement,
        note=row.note,
        then=SnapshotView.model_validate(row.snapshot),
        added_at=row.added_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )
