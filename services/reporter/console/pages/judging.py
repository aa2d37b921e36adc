"""Where an auditor reads posts: one at a time to rate, or those of a topic or with some words."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.contexts.audits import ERRORS, one_of
from services.reporter.console.contexts.drawing import post_sketch
from services.reporter.console.contexts.judging import labelling_of, table_of
from services.reporter.console.members import Member
from services.reporter.console.pages.audits import AuditId, Loose, drawer_of, line_of, posts_of
from services.reporter.console.pages.drawing import drawn
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from shared.errors import Problem

MOST = 100_000
"""Posts that are ever drawn for one model, as the auditor has it."""


def build_router(parts: Parts) -> APIRouter:
    """Return the pages where posts are rated and looked at."""
    router = parts.router()
    Auditor = Annotated[Member, Depends(parts.entrance(Role.AUDITOR))]  # noqa: N806 - a type

    @router.get("/audits/{audit_id}/label", summary="Rate posts, one at a time")
    async def label(
        request: Request, member: Auditor, audit_id: AuditId, i: Loose = None, opened: Loose = None
    ) -> Response:
        """Show the next post, or the one at place `i` of all that were drawn."""
        return await labelling_page(parts, request, member, audit_id, i, opened)

    async def table(
        request: Request,
        member: Member,
        audit_id: str,
        path: str,
        error: str | None,
        cursor: str | None,
        query: dict[str, str],
        at: str | None,
    ) -> Response:
        notices: list[str] = []
        errors = one_of(error, ERRORS, "error", notices)
        asked = query | {"error": errors, "chart": "false" if cursor else "true"} | ({"at": at[:128]} if at else {})
        audit, (drawer, kept), found = await asyncio.gather(
            line_of(parts, member, audit_id),
            drawer_of(parts, member, audit_id),
            _page(parts, member, f"/v1/audits/{audit_id}{path}", asked, cursor, notices),
        )
        posts = await posts_of(parts, [each["post_id"] for each in found["rows"]])
        here, chart = here_of(audit_id, path, query, errors), None
        if found["chart"] is not None:
            sketch = post_sketch(audit, found["chart"], here, chart_query(audit_id, found["topic"], query, errors))
            chart = (await drawn(parts, request, member, {"posts": sketch}))["posts"] if sketch else None
        context = table_of(
            audit,
            found,
            posts,
            kept,
            member.preferences.veil,
            drawer,
            errors=errors,
            query=query.get("q", ""),
            here=here,
            notices=notices,
            chart=chart,
        )
        return parts.pages.render(request, member, "audits_posts.html", context)

    @router.get("/audits/{audit_id}/topics/{topic}", summary="The posts of a topic")
    async def topic(
        request: Request,
        member: Auditor,
        audit_id: AuditId,
        topic: Annotated[int, Path(ge=-1, le=2**31 - 1)],
        error: Loose = None,
        cursor: Loose = None,
        at: Loose = None,
    ) -> Response:
        """Show the posts of a topic, those most surely decided differently first, or from one post on."""
        return await table(request, member, audit_id, f"/topics/{topic}", error, cursor, {}, at)

    @router.get("/audits/{audit_id}/search", summary="Posts with some words")
    async def search(
        request: Request,
        member: Auditor,
        audit_id: AuditId,
        q: Loose = None,
        error: Loose = None,
        cursor: Loose = None,
        at: Loose = None,
    ) -> Response:
        """Show the posts that hold some words."""
        words = (q or "").replace("\0", "")[:200]
        return await table(request, member, audit_id, "/search", error, cursor, {"q": words} if words else {}, at)

    return router


def here_of(audit_id: str, path: str, query: Mapping[str, str], errors: str) -> str:
    """Return the address of a table of posts, defaults left out (U1)."""
    given = dict(query) | ({"error": errors} if errors != ERRORS[0] else {})
    return f"/audits/{audit_id}{path}" + (f"?{urlencode(given)}" if given else "")


def chart_query(audit_id: str, topic: int | None, query: Mapping[str, str], errors: str) -> str:
    """Return what the other forms of a map of posts are found by."""
    given = {"audit": audit_id} | ({} if topic is None else {"topic": str(topic)}) | dict(query)
    return urlencode(given | ({"error": errors} if errors != ERRORS[0] else {}))


async def labelling_page(
    parts: Parts,
    request: Request,
    member: Member,
    audit_id: str,
    place: str | None,
    opened: str | None,
    failed: str = "",
) -> Response:
    """Return the page of one post to rate; `opened` is the command that revealed it, `failed` what was not kept."""
    at = int(place) if place and place.isdecimal() and 0 < int(place) <= MOST else None
    path, params = f"/v1/audits/{audit_id}/label", {} if at is None else {"i": str(at)}
    audit, found = await asyncio.gather(
        line_of(parts, member, audit_id),
        parts.services.ask("auditor", "GET", path, member.token, params=params),
    )
    post = found["post"]
    row, is_open = None, False
    if post is not None:
        row = (await posts_of(parts, [post["post_id"]])).get(post["post_id"])
        is_open = opened is not None and await _revealed(parts, member, opened, post["post_id"])
    context = labelling_of(audit, found, row, member.preferences.veil, opened=is_open, position=at, failed=failed)
    around = Around(status=503 if failed else 200)
    return parts.pages.render(request, member, "audits_label.html", context, around)


async def _revealed(parts: Parts, member: Member, command: str, post_id: str) -> bool:
    """Return whether a command of this person revealed this very post."""
    async with parts.store.read() as connection:
        row = await parts.store.command(connection, member.id, command[:64])
    return row is not None and row.answer is not None and row.answer["facts"].get("revealed") == post_id


async def _page(
    parts: Parts, member: Member, path: str, params: dict[str, str], cursor: str | None, notices: list[str]
) -> Any:
    """Return a page of a table; the first one, and a notice, for a cursor that is none of it."""
    if cursor:
        try:
            asked = params | {"cursor": cursor}
            return await parts.services.ask("auditor", "GET", path, member.token, params=asked)
        except Problem as problem:
            if problem.reason != "cursor_invalid":
                raise
            notices.append("cursor")
    return await parts.services.ask("auditor", "GET", path, member.token, params=params)
