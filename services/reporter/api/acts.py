"""HTTP: what was done on platforms because of decisions (scope `read`), and looking again what follows (`admin`)."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.reporter.acts import State
from services.reporter.store import Store
from shared.auth import KeyRing, require
from shared.clock import utcnow
from shared.ids import NO_NUL
from shared.vocabulary import Scope

PostIds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]], Field(min_length=1, max_length=100)
]


class ActView(BaseModel):
    """One act, or (`back`) the taking back of one. `target` is the report, account or item there."""

    id: int
    outlet: str
    post_id: str
    act: str
    target: str
    back: bool
    state: State
    reason: str
    correction_id: str | None
    at: datetime


class ActPage(BaseModel):
    """The log, newest first; `next` goes into `before`, null on the last page."""

    acts: list[ActView]
    next: int | None


class LookAgain(BaseModel):
    """Posts to look at again."""

    model_config = ConfigDict(extra="forbid")

    post_ids: PostIds


class Looking(BaseModel):
    """How many posts will be looked at."""

    posts: int


def build_router(store: Store, keys: KeyRing, *, on: bool) -> APIRouter:
    """Return the routes of acts; `on`: an outlet is connected."""
    router = APIRouter(tags=["acts on platforms"])

    @router.get("/v1/acts", summary="What was done on platforms", dependencies=[Depends(require(keys, Scope.READ))])
    async def list_acts(
        outlet: Annotated[str | None, Query(max_length=64, pattern=NO_NUL, description="Only of this outlet.")] = None,
        post_id: Annotated[str | None, Query(max_length=200, pattern=NO_NUL, description="Only about it.")] = None,
        state: Annotated[State | None, Query(description="Only in this state.")] = None,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most acts of one page.")] = 100,
    ) -> ActPage:
        """Answer with acts and why they were done, newest first."""
        async with store.read() as connection:
            rows = await store.page_of_acts(
                connection, outlet=outlet, post_id=post_id, state=state, before=before, limit=limit
            )
        views = [ActView.model_validate(row, from_attributes=True) for row in rows]
        return ActPage(acts=views, next=views[-1].id if len(views) == limit else None)

    @router.post(
        "/v1/acts/look",
        status_code=202,
        summary="Look again what follows for posts",
        dependencies=[Depends(require(keys, Scope.ADMIN))],
    )
    async def look_again(body: LookAgain) -> Looking:
        """Try acts that failed once more, as the posts stand now; what was done is not done again."""
        if on:
            async with store.begin() as connection:
                await store.act_after(connection, body.post_ids, utcnow())
        return Looking(posts=len(set(body.post_ids)) if on else 0)

    return router
