"""HTTP: what became of an audit under each system it has seen. A page of snapshots, the newest first."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.audits import AuditId, SystemView
from services.auditor.api.shapes import FigureView
from services.auditor.audit_store import AuditStore
from services.auditor.auditing import Auditing
from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.following import Became
from services.auditor.looking import Looking
from shared.auth import KeyRing, Principal, require
from shared.db import Stored
from shared.vocabulary import Scope


class ChangeView(BaseModel):
    """What became of one kind of error, on all posts (`topic` null) or in one topic, over posts seen before and now.

    Of `errors` so many are `still` there and `fixed`, `new` ones came; `p` is McNemar's of fixed against new.
    """

    topic: int | None
    name: str | None
    direction: ErrorType
    became: Became
    errors: int
    still: int
    fixed: int
    new: int
    p: float
    before: FigureView
    after: FigureView
    shown: FigureView | None


class DifferencesView(BaseModel):
    """Everything that changed since the system `version`; `gone` posts left meanwhile, `added` ones came."""

    version: str
    gone: int
    added: int
    changes: list[ChangeView]


class SnapshotView(BaseModel):
    """An audit's figures under one system. `cause`: begun, promoted (a release), or replayed (corrections)."""

    sequence: int
    cause: str
    system: SystemView
    model_version: int | None
    data_hash: str
    taken_at: datetime
    all_posts: dict[str, FigureView]
    differences: DifferencesView | None


class ChangesView(BaseModel):
    """Snapshots, the newest first; `next` is the `before` of the next page. `waiting`: a system is not looked at."""

    snapshots: list[SnapshotView]
    next: int | None
    in_force: SystemView | None
    waiting: bool


FIGURES = ("signed", "mae", "rmse", "under", "over", "agree")


def build_router(auditing: Auditing, store: AuditStore, looking: Looking, keys: KeyRing) -> APIRouter:
    """Return the route of changes."""
    router = APIRouter(prefix="/v1", tags=["audits"])
    caller = require(keys, Scope.AUDIT)

    @router.get(
        "/audits/{audit_id}/changes",
        summary="What another system changed",
        response_model=ChangesView,
        responses=UNCHANGED,
    )
    async def list_changes(
        audit_id: AuditId,
        request: Request,
        principal: Annotated[Principal, Depends(caller)],
        limit: Annotated[int, Query(ge=1, le=20, description="How many at most.")] = 5,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only snapshots before this one.")] = None,
    ) -> Response:
        """Answer with the audit's figures under each system, and what became of its errors from one to the next."""
        audit = await auditing.own(principal, audit_id)
        rows = await store.snapshots_of(audit.audit_id, before=before, limit=limit + 1)
        live = await store.live_system()
        names = looking.names()
        shown = [_snapshot(row, names) for row in rows[:limit]]
        newest = rows[0] if before is None and rows else None
        view = ChangesView(
            snapshots=shown,
            next=shown[-1].sequence if len(rows) > limit else None,
            in_force=None if live is None else SystemView(name=live.model, version=live.model_version),
            waiting=live is not None and newest is not None and newest.system_version != live.model_version,
        )
        return tagged(request, view)

    return router


def _snapshot(row: Stored, names: dict[int, str]) -> SnapshotView:
    whole = row.figures.get("all_posts") or {}
    return SnapshotView(
        sequence=row.sequence,
        cause=row.cause,
        system=SystemView(name=row.system, version=row.system_version),
        model_version=row.model_version,
        data_hash=row.data_hash,
        taken_at=row.taken_at,
        all_posts={name: FigureView.model_validate(whole[name]) for name in FIGURES if name in whole},
        differences=None if row.differences is None else _differences(row.differences, names),
    )


def _differences(found: dict[str, object], names: dict[int, str]) -> DifferencesView:
    changes = found["changes"] if isinstance(found["changes"], list) else []
    named = [{**each, "name": names.get(each["topic"])} for each in changes]
    return DifferencesView.model_validate({**found, "changes": named})
