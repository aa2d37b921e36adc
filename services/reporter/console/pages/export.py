"""The whole of a review list as a file, a few hundred rows at a time."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.reporter.console.contexts.export import COLUMNS, TEXT, lines, row_of
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.queue import Filters, Place, asked
from shared.clock import utcnow

AT_ONCE = 500
LEFT_OUT = "X-Ombud-Left-Out"
"""Header with the names of parameters that are not valid; the valid part applies, as on the page."""


def build_router(parts: Parts) -> APIRouter:
    """Return the address of the file."""
    router = parts.router()

    @router.get("/export/flagged.csv", summary="The review list as CSV")
    async def export(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER))],
        text: Annotated[str, Query(max_length=10)] = "",
    ) -> Response:
        """Answer with every post of the list, in its order; with `text=1` also what the posts say."""
        said = asked(request.query_params.multi_items(), ("text", "cursor", "done"))
        name = f"flagged-{utcnow():%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if said.wrong:
            headers[LEFT_OUT] = ", ".join(each for each in said.wrong if each.isascii() and each.isprintable())
        body = _rows(parts, said.filters, text == "1")
        return StreamingResponse(body, media_type="text/csv; charset=utf-8", headers=headers)

    return router


async def _rows(parts: Parts, filters: Filters, text: bool) -> AsyncIterator[str]:
    yield lines([(*COLUMNS, TEXT) if text else COLUMNS])
    store, high = parts.store, parts.settings.severity_high
    place: Place | None = None
    while True:
        async with store.read() as connection:
            secret = await store.cursor_secret(connection)
            rows = await store.page_of_queue(connection, filters, place, AT_ONCE)
            words = await store.words(connection, [each.correction_id for each in rows if each.correction_id])
        made = [row_of(each, words.get(each.correction_id), secret, high=high, text=text) for each in rows]
        if made:
            yield lines(made)
        if len(rows) < AT_ONCE:
            return
        place = Place(rows[-1].sorted_by, rows[-1].post_id)
