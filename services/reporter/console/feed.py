"""/events: what happens, told to open pages. One reader per process, which the API's feed has, too.

Invariant: each event is told with its position, in order, and to whom it is for; none holds a word of a post.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse

from services.reporter.broadcast import Said
from services.reporter.console.contexts.event import HELD, TOPICS, held, told
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.presence import News
from services.reporter.console.roles import Role
from services.reporter.feed import PATTERN, Filters, Position
from shared.clock import millis, monotonic, utcnow
from shared.errors import Problem, Unavailable

SSE = "text/event-stream"
HEARTBEAT_S = 15.0
COME_BACK_MS = 1_000
BEHIND_S = 30.0
"""Age of the oldest event that the reporter has not applied, from which what pages show counts as old."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def build_router(parts: Parts) -> APIRouter:
    """Return the route of the feed."""
    router = parts.router()
    kept_ms = parts.platform.settings.bus.retain_for_s * 1000

    @router.get("/events", summary="What happens, for open pages")
    async def events(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.VIEWER))],
        topics: Annotated[str, Query(max_length=400)] = "",
        after: Annotated[str, Query(pattern=f"^({PATTERN})?$")] = "",
        last_event_id: Annotated[str | None, Header(pattern=f"^{PATTERN}$")] = None,
    ) -> Response:
        """Stream what comes after the position a page was made at, or after the last event it heard."""
        if SSE not in request.headers.get("Accept", ""):
            raise Problem(406, "not_acceptable", "This is a stream of events.")
        parts.broadcast.check_room()
        begin = last_event_id or after
        position = Position.read(begin) if begin else None
        wanted = [name for name in TOPICS if not topics or name in topics.split(",")]
        gone = position is not None and position.ms < millis() - kept_ms
        return EventSourceResponse(_stream(parts, member, tuple(wanted), position, gone), headers=HEADERS)

    return router


async def _stream(
    parts: Parts, member: Member, streams: tuple[str, ...], after: Position | None, gone: bool
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % COME_BACK_MS
    if gone:
        yield b"event: gap\ndata: {}\n\n"
    async with parts.broadcast.listening(Filters(streams)) as listener:
        with parts.presence.listening(listener.news.set) as news:
            beaten = float("-inf")
            with suppress(Unavailable, Problem):  # they come back, and are told
                async for said in parts.broadcast.follow(listener, after):
                    yield b"".join([*_frames(member.role, said), *_held(member, news)])
                    if monotonic() - beaten >= HEARTBEAT_S:
                        if beaten > 0 and await parts.sessions.find(member.token) is None:
                            return
                        yield _beat(parts, said.position)
                        beaten = monotonic()


def _frames(role: Role, said: Said) -> list[bytes]:
    found = []
    for each in said.items:
        facts = told(role, each.stream, each.event)
        if facts is not None:
            place, name = str(each.position).encode(), each.stream.encode()
            found.append(b"id: %s\nevent: %s\ndata: %s\n\n" % (place, name, orjson.dumps(facts)))
    return found


def _held(member: Member, news: deque[News]) -> list[bytes]:
    """Return what there is to say of leases; without an id, because nobody can ask for it again."""
    found = []
    while news:
        one = news.popleft()
        facts = held(member.role, member.id, one.post_id, one.person_id, one.name, one.left_s, one.by)
        if facts is not None:
            found.append(b"event: %s\ndata: %s\n\n" % (HELD.encode(), orjson.dumps(facts)))
    return found


def _beat(parts: Parts, position: Position) -> bytes:
    """Return the heartbeat: an event, because scripts do not see comments; `behind` says since when data are old."""
    oldest = parts.waiting_s
    behind = (utcnow() - timedelta(seconds=oldest)).isoformat() if oldest > BEHIND_S else None
    return b"id: %s\nevent: beat\ndata: %s\n\n" % (str(position).encode(), orjson.dumps({"behind": behind}))
