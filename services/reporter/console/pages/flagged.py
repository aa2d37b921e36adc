"""The review list: flagged posts by filters, page by page, with what each filter would leave."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts import flagged as page
from services.reporter.console.contexts.reviewing import Card, Held, card, last
from services.reporter.console.leases import Lease
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.queue import PAGE, Filters, Place, asked, from_cursor, to_cursor
from services.reporter.store import Connection, Stored
from shared.clock import utcnow

OURS = ("cursor", "since", "done")
"""Parameters of the address that are no filters: the place of a page, since when news are counted, what was done."""


def build_router(parts: Parts) -> APIRouter:
    """Return the review list."""
    router = parts.router()

    @router.get("/analysis/flagged", summary="Review list")
    async def flagged(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER))],
        cursor: Annotated[str, Query(max_length=600)] = "",
        since: Annotated[str, Query(max_length=40)] = "",
        done: Annotated[str, Query(max_length=80)] = "",
    ) -> Response:
        """Show a page of the queue that the address describes."""
        said = asked(request.query_params.multi_items(), OURS)
        wrong = said.wrong
        async with parts.store.read() as connection:
            secret = await parts.store.cursor_secret(connection)
            place = from_cursor(cursor, said.filters.sort, secret) if cursor else None
            if cursor and place is None:
                wrong = (*wrong, "cursor")
            context = await _context(parts, connection, member, said.filters, place, secret, wrong, since, done)
        return parts.pages.render(request, member, "flagged.html", context, Around(waiting=context.waiting))

    return router


async def _context(
    parts: Parts,
    connection: Connection,
    member: Member,
    filters: Filters,
    place: Place | None,
    secret: str,
    wrong: tuple[str, ...],
    since: str,
    done: str,
) -> page.Flagged:
    store = parts.store
    rows = await store.page_of_queue(connection, filters, place, PAGE + 1)
    facets = await store.facets(connection, filters)
    shown = rows[:PAGE]
    more = None
    if len(rows) > PAGE:
        end = Place(shown[-1].sorted_by, shown[-1].post_id)
        more = page.PATH + filters.query(cursor=to_cursor(end, filters.sort, secret))
    counts = {}
    if not shown and filters.active:
        for name, value in filters.pairs():
            counts[name, value] = await store.count_queue(connection, filters.without(name, value))
    total = sum(facets.review_status.values())
    waiting = facets.review_status.get("unreviewed", 0)
    moment = _moment(since)
    word: Any = await store.word(connection, done) if done else None
    return page.Flagged(
        cards=tuple(await cards(parts, connection, member, shown)),
        filters=filters,
        query=filters.query(),
        waiting=waiting,
        done=total - waiting,
        total=total,
        found=await store.count_queue(connection, filters),
        newer=await store.newer_in_queue(connection, filters, moment) if moment else 0,
        since=utcnow().isoformat(),
        categories=page.categories(filters, facets),
        statuses=page.statuses(filters, facets),
        languages=page.languages(filters, facets),
        sources=page.sources(filters, facets),
        sorts=page.sorts(),
        chips=page.chips(filters, counts),
        wrong=wrong,
        next=more,
        first=page.PATH + filters.query() if place is not None else None,
        last=last(done, word, member.principal),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


async def cards(parts: Parts, connection: Connection, member: Member, rows: Sequence[Stored]) -> list[Card]:
    """Return posts as they are shown to somebody: under their veil, with who holds each."""
    leases = await parts.leases.of([row.post_id for row in rows])
    names = await parts.store.names_of(connection, [each.person_id for each in leases.values()])
    alike = await parts.store.alike(connection, [row.text_key for row in rows])
    level = member.preferences.veil
    return [
        card(
            row,
            level,
            high=parts.settings.severity_high,
            held=held_by(member, leases.get(row.post_id), names),
            alike=alike.get(row.text_key or "", 1),
        )
        for row in rows
    ]


def held_by(member: Member, lease: Lease | None, names: Mapping[str, str]) -> Held | None:
    """Return who holds a post as somebody reads it."""
    if lease is None:
        return None
    return Held("" if lease.person_id == member.id else names.get(lease.person_id, "?"), lease.left_s)
