"""HTTP: the event feed, as a stream of Server-Sent Events or page by page. Needs the scope `read`.

Invariant: no text of a post is in it; who needs the text asks for the post.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from services.reporter.broadcast import Broadcast, Said
from services.reporter.feed import OLDEST, PATTERN, STREAMS, Filters, Position
from services.reporter.settings import ReporterSettings
from shared.auth import KeyRing, require
from shared.clock import millis, monotonic
from shared.errors import Problem, Unavailable
from shared.vocabulary import Scope, Status

SSE = "text/event-stream"
QUIET = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody keeps a feed, and no proxy gathers it."""
COME_BACK_MS = 1_000
START = "oldest"
CURSOR = rf"^({PATTERN}|{START})$"

StreamName = Literal[
    "posts.ingested",
    "posts.deleted",
    "posts.scored",
    "posts.corrected",
    "posts.rated",
    "models.trained",
    "models.promoted",
    "posts.status_changed",
    "reports.completed",
    "reports.submitted",
]


class EventView(BaseModel):
    """One event: where it stands, its stream, and the CloudEvents document without a post's text."""

    position: str
    stream: str
    event: dict[str, Any]


class EventPage(BaseModel):
    """Events in order. `next` is the cursor of what follows; with `more` it is there already.

    `gap`: the cursor is older than what streams keep for sure, so something before these events may be missing.
    """

    events: list[EventView]
    next: str
    more: bool
    gap: bool = Field(description="Whether events before these may be missing.")


def wanted(
    types: Annotated[
        list[StreamName] | None, Query(max_length=len(STREAMS), description="Only these streams; default: all.")
    ] = None,
    platform: Annotated[str | None, Query(max_length=64, description="Only events of posts of this platform.")] = None,
    post: Annotated[str | None, Query(max_length=128, description="Only events about this post, by id.")] = None,
    language: Annotated[str | None, Query(max_length=35, description="Only events of posts in this language.")] = None,
    status: Annotated[Status | None, Query(description="Only changes to this status.")] = None,
    flagged: Annotated[bool | None, Query(description="Only scores that are, or are not, flagged.")] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1, description="Only scores of at least this.")] = None,
) -> Filters:
    """Return which events are asked for."""
    streams = tuple(name for name in STREAMS if not types or name in types)
    return Filters(streams, platform, post, language, status.value if status else None, flagged, min_score)


def build_router(broadcast: Broadcast, keys: KeyRing, settings: ReporterSettings, *, kept_s: float) -> APIRouter:
    """Return the route of the feed. Streams keep what everybody has read for `kept_s`."""
    router = APIRouter(tags=["events"])
    reading = require(keys, Scope.READ)

    def gap(after: Position | None) -> bool:
        return after is not None and after != OLDEST and after.ms < millis() - kept_s * 1000

    @router.get(
        "/v1/events",
        summary="Follow what is said",
        response_model=EventPage,
        responses={200: {"content": {SSE: {"schema": {"type": "string"}}}}},
        dependencies=[Depends(reading)],
    )
    async def follow_events(
        request: Request,
        filters: Annotated[Filters, Depends(wanted)],
        cursor: Annotated[str | None, Query(pattern=CURSOR, description="`next` of a page, or `oldest`.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most events of one page.")] = 100,
        last_event_id: Annotated[
            str | None, Header(pattern=f"^{PATTERN}$", description="Id of the last event a stream brought.")
        ] = None,
    ) -> Response:
        """Answer with events in the order they were said, without post texts.

        With `Accept: text/event-stream` an endless stream: what came after `Last-Event-ID` (or `cursor`), else what
        comes from now on. Otherwise a page: what came after `cursor`, else from the oldest event that is kept.
        """
        begin = last_event_id or cursor
        after = None if begin is None else OLDEST if begin == START else Position.read(begin)
        if SSE in request.headers.get("Accept", ""):
            broadcast.check_room()
            stream = _stream(broadcast, filters, after, settings.feed_heartbeat_s, lambda: reading.check(request))
            first = await anext(stream)  # what fails now still has an answer of its own
            notice = _gap_frame(begin) if gap(after) else b""
            return StreamingResponse(_after(first + notice, stream), media_type=SSE, headers=QUIET)
        said, more = await broadcast.page(filters, after or OLDEST, limit)
        return JSONResponse(_page(said, more, gap(after)), headers=QUIET)

    return router


def _page(said: Said, more: bool, missing: bool) -> dict[str, Any]:
    events = [{"position": str(each.position), "stream": each.stream, "event": each.event} for each in said.items]
    return {"events": events, "next": str(said.position), "more": more, "gap": missing}


def _gap_frame(begin: str | None) -> bytes:
    return b'event: gap\ndata: {"after":"%s"}\n\n' % (begin or "").encode()


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _stream(
    broadcast: Broadcast, filters: Filters, after: Position | None, heartbeat_s: float, still_allowed: Any
) -> AsyncIterator[bytes]:
    """Yield frames; an id without data moves the listener's place on and is no event."""
    async with broadcast.listening(filters) as listener:
        quiet_since = asked = monotonic()
        yield b"retry: %d\n\n" % COME_BACK_MS
        with suppress(Unavailable, Problem):  # they come back, and are told
            async for said in broadcast.follow(listener, after):
                if monotonic() - asked >= heartbeat_s:
                    await still_allowed()
                    asked = monotonic()
                if said.items:
                    yield b"".join(each.frame for each in said.items)
                elif monotonic() - quiet_since >= heartbeat_s:
                    yield b": still here\nid: %s\n\n" % str(said.position).encode()
                else:
                    continue
                quiet_since = monotonic()
