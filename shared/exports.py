"""What owners still know of what was said: events as they stood on their streams, for whoever makes read models anew.

Invariant: an export holds what its owner's tables hold and no more, so nothing that was erased; only administrators
read it, and nobody keeps it on the way.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from shared.auth import KeyRing, require
from shared.cursors import cursor_of, place_of
from shared.events import Event, Payload, said
from shared.vocabulary import Scope

MOST, USUAL = 500, 200
"""Rows of one page."""
HEADERS = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Export:
    """One export: who gives it out at `/v1/exports/<name>`, and the streams its events stood on."""

    name: str
    owner: str
    streams: tuple[str, ...]

    @property
    def path(self) -> str:
        """Return where it is asked for."""
        return f"/v1/exports/{self.name}"


EXPORTS: Mapping[str, Export] = {
    export.name: export
    for export in (
        Export("deletions", "classifier", ("posts.deleted",)),
        Export("hidings", "auditor", ("posts.deleted",)),
        Export("models", "trainer", ("models.trained", "models.promoted")),
        Export("scores", "classifier", ("posts.scored",)),
        Export("statuses", "auditor", ("posts.status_changed",)),
        Export("corrections", "trainer", ("posts.corrected",)),
    )
}
"""Name -> export, in the order in which they are told again: who is gone before anything that could be theirs."""


class ExportPage(BaseModel):
    """Some events, each the CloudEvents document that its stream carries; `next` is null on the last page."""

    events: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A page of an export: what its rows said, and the place of the last row, None where no row follows."""

    events: Sequence[Event[Any]]
    last: tuple[object, ...] | None


Tell = Callable[[Sequence[Any] | None, int], Awaitable[Told]]
"""Returns the page behind a place (None: the first one) of at most so many rows."""


def again(data: Payload, *, by: str, cause: str, at: datetime, name: str | None = None) -> Event[Any]:
    """Return what `by` said of a row, under the id that it had then: it follows from `cause`, or is `name`.

    `at` is when it came about; trace and correlation are over.
    """
    event = said(data, by=by, cause=cause)
    named = {} if name is None else {"id": name, "correlationid": name}
    return event.model_copy(update={"time": at, **named})


def add_export(router: APIRouter, keys: KeyRing, export: Export, tell: Tell, *kinds: type) -> None:
    """Add the route of an export whose places are made of values of `kinds`."""

    async def give_out(
        cursor: Annotated[str | None, Query(max_length=1024, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Most rows of a page.")] = USUAL,
    ) -> Response:
        """Answer with what still stands in the owner's tables, page by page, as events with the ids they had.

        For `ombud run reporter --rebuild`. What was erased is not in it. A page may hold fewer events than rows.
        """
        told = await tell(place_of(cursor, *kinds), limit)
        place = b"null" if told.last is None else b'"' + cursor_of(*told.last).encode() + b'"'
        body = b'{"events":[' + b",".join(event.wire() for event in told.events) + b'],"next":' + place + b"}"
        return Response(body, media_type="application/json", headers=HEADERS)

    router.add_api_route(
        export.path,
        give_out,
        methods=["GET"],
        operation_id=f"export_{export.name}",
        response_model=ExportPage,
        summary=f"Export {export.name}",
        dependencies=[Depends(require(keys, Scope.ADMIN))],
    )


def page_of(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """Return the rows of a page out of those that were asked for, one more than `limit`; and whether more follow."""
    return rows[:limit], len(rows) > limit
