"""Rounds over HTTP: what a newly promoted model would do to statuses, and a person's word on one that is held."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.auditor.round_store import RoundStore
from services.auditor.status.gating import ALL, Decision, State, Terms
from services.auditor.status.policy import SMOOTHING
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.db import Stored
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

RoundId = Annotated[str, Path(max_length=36, pattern=NO_NUL, description="Id of the round.")]


class SubsetView(BaseModel):
    """Flags of one subset before and after. Shares are of the flagged before plus 100; `failed` names the side."""

    name: str
    flagged_before: int
    flagged_after: int
    gained: int
    lost: int
    gained_share: float
    lost_share: float
    failed: str | None


class RoundView(BaseModel):
    """Scores of older posts by a newly promoted model. `posts` were counted, `waiting` scores are not applied yet.

    `flagged_before`, `gained` and `lost` are of all posts, null until they were counted; `gained_limit` and
    `lost_limit` the shares (of the flagged before plus 100) up to which a round passes today.
    """

    round_id: str
    model_version: str
    state: State
    decision: Decision | None
    posts: int
    waiting: int
    failed: list[str]
    flagged_before: int | None
    gained: int | None
    lost: int | None
    gained_limit: float
    lost_limit: float
    opened_at: datetime
    last_heard_at: datetime
    judged_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    closed_at: datetime | None


class WholeRoundView(RoundView):
    """One round with every subset, and ids of some posts of those that failed."""

    subsets: list[SubsetView]
    examples: dict[str, dict[str, list[str]]]


class RoundPage(BaseModel):
    """Rounds, the newest first; `next` is the `before` of the next page, null on the last."""

    rounds: list[RoundView]
    next: str | None


class DecisionRequest(BaseModel):
    """Why a held round is confirmed or rolled back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=500, pattern=NO_NUL, description="It stays with the round.")]


def build_router(store: RoundStore, keys: KeyRing, settled: asyncio.Event, terms: Terms) -> APIRouter:
    """Return the routes of rounds; `settled` wakes whoever announces what was decided here, `terms` are the limits."""
    router = APIRouter(tags=["rounds"])
    reading, counting = [Depends(require(keys, Scope.READ))], [Depends(require(keys, Scope.FIGURES))]
    admin, auditing = require(keys, Scope.ADMIN), require(keys, Scope.AUDIT)

    async def whole(round_id: str) -> WholeRoundView:
        row = await store.round(round_id)
        if row is None:
            raise not_found("round")
        subsets = [_subset(each) for each in row.flips or ()]
        return WholeRoundView(**_view(row, terms).model_dump(), subsets=subsets, examples=row.examples or {})

    async def settle(round_id: str, decision: Decision, by: str, reason: str) -> WholeRoundView:
        found = await store.settle(round_id, decision, by, reason, utcnow())
        if found is None:
            raise not_found("round")
        if isinstance(found, State):
            raise Problem(409, "not_held", f"This round is {found.value}: there is nothing to decide.")
        if found is not decision:
            raise Problem(409, "decided_otherwise", f"This round was decided already: {found.value}.")
        settled.set()
        return await whole(round_id)

    @router.get("/v1/rounds", dependencies=counting, summary="Rounds, newest first")
    async def list_rounds(
        state: Annotated[State | None, Query(description="Only rounds that are this far.")] = None,
        limit: Annotated[int, Query(ge=1, le=200, description="Most rounds to answer.")] = 50,
        before: Annotated[
            str | None, Query(max_length=36, pattern=NO_NUL, description="`next` of the page before.")
        ] = None,
    ) -> RoundPage:
        """Answer with rounds; `held` ones wait for a person."""
        behind = None
        if before is not None:
            row = await store.round(before)
            if row is None:
                raise not_found("round")
            behind = row.opened_at, row.round_id
        rows = await store.page(state=state, before=behind, limit=limit + 1)
        shown = [_view(row, terms) for row in rows[:limit]]
        return RoundPage(rounds=shown, next=shown[-1].round_id if len(rows) > limit else None)

    @router.get("/v1/rounds/{round_id}", dependencies=reading, summary="One round")
    async def read_round(round_id: RoundId) -> WholeRoundView:
        """Answer with a round, what every subset gains and loses, and which of them failed."""
        return await whole(round_id)

    @router.post("/v1/rounds/{round_id}/confirm", summary="Apply a held round nevertheless")
    async def confirm_round(
        principal: Annotated[Principal, Depends(admin)], round_id: RoundId, body: DecisionRequest
    ) -> WholeRoundView:
        """Let a held round move statuses, and all that its model still says of older posts.

        409 `not_held` if there is nothing to decide, `decided_otherwise` if it was rolled back. Confirming it again
        changes nothing.
        """
        return await settle(round_id, Decision.CONFIRMED, principal.id, body.reason)

    @router.post("/v1/rounds/{round_id}/rollback", summary="Go back to the model before")
    async def roll_back_round(
        principal: Annotated[Principal, Depends(auditing)], round_id: RoundId, body: DecisionRequest
    ) -> WholeRoundView:
        """Drop a held round, and have its model refused and the one it replaced put in force again.

        409 `not_held` if there is nothing to decide, `decided_otherwise` if it was confirmed, and
        `nothing_to_go_back_to` if nobody knows which model it replaced. Rolling back again changes nothing.
        """
        row = await store.round(round_id)
        if row is None:
            raise not_found("round")
        if row.decision is None and await store.replaced_by(row.version) is None:
            raise Problem(409, "nothing_to_go_back_to", f"Nobody knows which model {row.version} replaced.")
        return await settle(round_id, Decision.ROLLED_BACK, principal.id, body.reason)

    return router


def _view(row: Stored, terms: Terms) -> RoundView:
    failed = [each["name"] for each in row.flips or () if each["failed"]]
    whole: dict[str, Any] = next((each for each in row.flips or () if each["name"] == ALL), {})
    said = {"model_version": row.version, "posts": row.rows, "failed": failed}
    said |= {"flagged_before": whole.get("before"), "gained": whole.get("gained"), "lost": whole.get("lost")}
    said |= {"gained_limit": terms.gained, "lost_limit": terms.lost}
    return RoundView.model_validate(dict(row._mapping) | said)


def _subset(flips: dict[str, Any]) -> SubsetView:
    size = flips["before"] + SMOOTHING
    return SubsetView(
        name=flips["name"],
        flagged_before=flips["before"],
        flagged_after=flips["after"],
        gained=flips["gained"],
        lost=flips["lost"],
        gained_share=flips["gained"] / size,
        lost_share=flips["lost"] / size,
        failed=flips["failed"],
    )
