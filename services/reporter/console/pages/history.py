"""What people did in the console: one's own acts, and for leads those of everybody; as a page and as a file."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from services.reporter.console.contexts.export import lines
from services.reporter.console.contexts.history import COLUMNS, PAGE, PRIVATE, Asked, History, act, cells, people, read
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.store.history import Which
from shared.clock import utcnow

AT_ONCE = 500


def which(member: Member, asked: Asked) -> Which:
    """Return the acts that a person asks for and may see."""
    return Which(
        reader=member.id,
        private=PRIVATE,
        person_id=(asked.actor or None) if member.may(Role.LEAD) else member.id,
        action=asked.action or None,
        object=asked.object or None,
        since=asked.since,
        until=asked.until,
    )


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of the history."""
    router = parts.router()
    Anybody = Annotated[Member, Depends(parts.entrance())]  # noqa: N806 - a type

    @router.get("/history", summary="History")
    async def history(request: Request, member: Anybody) -> Response:
        """List acts, the newest first."""
        everybody = member.may(Role.LEAD)
        asked = read(request.query_params, everybody=everybody)
        async with parts.store.read() as connection:
            rows = await parts.store.acts_of_people(connection, which(member, asked), asked.before, PAGE + 1)
            actions = await parts.store.actions_of_people(connection, which(member, Asked()))
            known = people(await parts.store.list_people(connection)) if everybody else []
        further = rows[PAGE - 1].id if len(rows) > PAGE else None
        context = History([act(row) for row in rows[:PAGE]], asked, actions, everybody, known, further)
        return parts.pages.render(request, member, "history.html", context)

    @router.get("/history.csv", summary="The history as CSV")
    async def file(request: Request, member: Anybody) -> Response:
        """Answer with every act that is asked for; people are pseudonyms."""
        asked = read(request.query_params, everybody=member.may(Role.LEAD))
        headers = {"Content-Disposition": f'attachment; filename="history-{utcnow():%Y-%m-%d}.csv"'}
        body = _rows(parts, which(member, asked))
        return StreamingResponse(body, media_type="text/csv; charset=utf-8", headers=headers)

    return router


async def _rows(parts: Parts, asked: Which) -> AsyncIterator[str]:
    yield lines([COLUMNS])
    before: int | None = None
    while True:
        async with parts.store.read() as connection:
            secret = await parts.store.cursor_secret(connection)
            rows = await parts.store.acts_of_people(connection, asked, before, AT_ONCE)
        if rows:
            yield lines([cells(row, secret) for row in rows])
        if len(rows) < AT_ONCE:
            return
        before = rows[-1].id
