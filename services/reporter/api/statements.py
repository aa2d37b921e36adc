"""HTTP: statements of reasons (Digital Services Act). Reading needs the scope `read`, sending `report`."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.reporter.api.transparency import period
from services.reporter.dsa import MOST_AT_ONCE, Measure, Statement
from services.reporter.stating import Stating
from services.reporter.store import Store
from shared.auth import KeyRing, require
from shared.clock import utcnow
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

PostId = Annotated[str, Path(max_length=200, pattern=NO_NUL, description="Ombud's id of the post.")]
Taken = Annotated[Measure, Query(description="What the platform did about the post.")]


class StatementsIn(BaseModel):
    """Posts that the platform did the same about, at most a hundred."""

    model_config = ConfigDict(extra="forbid")

    measure: Measure
    post_ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]],
        Field(min_length=1, max_length=MOST_AT_ONCE),
    ]


class StatementState(BaseModel):
    """How far a statement got: queued, sending, sent, or failed with the reason."""

    puid: str
    post_id: str
    state: str
    attempts: int
    reason: str | None


class StatementPage(BaseModel):
    """Statements as the database takes them at once; `next` is the `after` of the next page, null on the last."""

    statements: list[dict[str, Any]]
    next: str | None


def build_router(store: Store, stating: Stating, keys: KeyRing) -> APIRouter:
    """Return the routes of statements."""
    router = APIRouter(tags=["statements of reasons"])
    reading = [Depends(require(keys, Scope.READ))]

    @router.get("/v1/posts/{post_id}/statement", summary="Why a post was restricted", dependencies=reading)
    async def one_statement(post_id: PostId, measure: Taken = Measure.REMOVED) -> dict[str, Any]:
        """Answer with the statement about a flagged post; 409 `not_decided` for any other."""
        async with store.read() as connection:
            post = await store.post(connection, post_id)
        if post is None:
            raise not_found("post")
        return _body(stating.of(post, measure))

    @router.get("/v1/statements", summary="Statements about a period, a hundred at once", dependencies=reading)
    async def some_statements(
        measure: Taken = Measure.REMOVED,
        since: Annotated[date | None, Query(description="First day (UTC); 30 days back without it.")] = None,
        until: Annotated[date | None, Query(description="Day after the last one (UTC).")] = None,
        after: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="`next` of the page before.")] = "",
    ) -> StatementPage:
        """Answer with statements about the posts that were flagged in the period and still are."""
        begin, end = period(since, until, utcnow())
        async with store.read() as connection:
            rows = await store.flagged_posts(connection, since=begin, until=end, after=after, limit=MOST_AT_ONCE + 1)
        shown = rows[:MOST_AT_ONCE]
        last = shown[-1].post_id if len(rows) > MOST_AT_ONCE else None
        return StatementPage(statements=[_body(stating.of(row, measure)) for row in shown], next=last)

    @router.post(
        "/v1/statements",
        status_code=202,
        summary="Send statements",
        dependencies=[Depends(require(keys, Scope.REPORT))],
    )
    async def send_statements(body: StatementsIn) -> list[StatementState]:
        """Queue one statement per post, once per decision and measure; asking again tells how far they are."""
        rows = await stating.queue(body.post_ids, body.measure)
        return [StatementState.model_validate(row, from_attributes=True) for row in rows]

    @router.get("/v1/dsa/schema", summary="Schema of a statement", dependencies=reading)
    async def statement_schema() -> dict[str, Any]:
        """Answer with the JSON schema every statement passes."""
        return Statement.model_json_schema()

    return router


def _body(made: Statement) -> dict[str, Any]:
    return made.model_dump(mode="json", exclude_none=True)
