"""The review list: flagged posts by filters, page by page, with what each filter would leave."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts import flagged as page
from services.reporter.console.contexts.bulk import Batch, batch_of, choices, words_of
from services.reporter.console.contexts.reviewing import Card, Handed, Held, Last, card, hides_scores, last, level_of
from services.reporter.console.contexts.views import View
from services.reporter.console.contexts.views import views as page_views
from services.reporter.console.leases import Lease
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.queue import PAGE, Filters, Place, ReviewStatus, asked, filters_in, from_cursor, to_cursor
from services.reporter.store import Connection, Stored
from shared.clock import utcnow

OURS = ("cursor", "done", "batch")
"""Parameters of the address that are no filters: the place of a page, and what was done last."""
VIEWS = 40
"""Views that are offered; more than these make a list of their own."""


def build_router(parts: Parts) -> APIRouter:
    """Return the review list, and what of it changes in place."""
    router = parts.router()
    reviewer = parts.entrance(Role.REVIEWER)

    @router.get("/analysis/flagged", summary="Review list")
    async def flagged(
        request: Request,
        member: Annotated[Member, Depends(reviewer)],
        cursor: Annotated[str, Query(max_length=600)] = "",
        done: Annotated[str, Query(max_length=80)] = "",
        batch: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        """Show a page of the queue that the address describes; another form of the address leads to its one form."""
        said = asked(request.query_params.multi_items(), OURS)
        if not said.canonical and not said.wrong:
            return RedirectResponse(page.PATH + said.filters.query(**_more(cursor=cursor, done=done, batch=batch)), 303)
        position = await parts.position()
        async with parts.store.read() as connection:
            context = await _List(parts, connection, member, said.filters).page(cursor, said.wrong, done, batch)
            everything = await parts.store.count_queue(connection, Filters())
        around = Around(position, waiting=everything)
        return parts.pages.render(request, member, "flagged.html", context, around)

    @router.get("/analysis/flagged/new", summary="How many posts came into a queue")
    async def fresh(
        request: Request, member: Annotated[Member, Depends(reviewer)], since: Annotated[str, Query(max_length=40)] = ""
    ) -> Response:
        """Show how many posts came since a page was made; the page itself does not move."""
        filters = asked(request.query_params.multi_items(), ("since",)).filters
        moment = _moment(since)
        async with parts.store.read() as connection:
            newer = await parts.store.newer_in_queue(connection, filters, moment) if moment else 0
        return parts.pages.render(request, member, "_flagged_new.html", page.news(filters, newer, since))

    return router


def _more(**given: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


class _List:
    """A page of a queue for somebody, asked on one connection."""

    def __init__(self, parts: Parts, connection: Connection, member: Member, filters: Filters) -> None:
        self._parts, self._store, self._connection = parts, parts.store, connection
        self._member, self._filters = member, filters

    async def page(self, cursor: str, wrong: tuple[str, ...], done: str, batch: str) -> page.Flagged:
        """Return what stands on the page."""
        store, connection, filters, member = self._store, self._connection, self._filters, self._member
        secret = await store.cursor_secret(connection)
        place = from_cursor(cursor, filters.sort, secret) if cursor else None
        if cursor and place is None:
            wrong = (*wrong, "cursor")
        rows = await store.page_of_queue(connection, filters, place, PAGE + 1)
        shown = rows[:PAGE]
        end = Place(shown[-1].sorted_by, shown[-1].post_id) if len(rows) > PAGE else None
        facets = await store.facets(connection, filters)
        total = sum(facets.review_status.values())
        waiting = facets.review_status.get("unreviewed", 0)
        saved = await store.views_for(connection, member.id, VIEWS)
        views = page_views(saved, member.id, filters.query(), lead=member.may(Role.LEAD))
        ready = tuple(await cards(self._parts, connection, member, shown))
        since = await store.newest_in_queue(connection, filters) or utcnow()
        over = not shown and place is None and filters.review_status is ReviewStatus.UNREVIEWED and total > 0
        return page.Flagged(
            cards=ready,
            filters=filters,
            query=filters.query(),
            waiting=waiting,
            done=total - waiting,
            total=total,
            found=await store.count_queue(connection, filters),
            news=page.news(filters, 0, since.isoformat()),
            categories=page.categories(filters, facets),
            statuses=page.statuses(filters, facets),
            languages=page.languages(filters, facets),
            sources=page.sources(filters, facets),
            sorts=page.sorts(),
            chips=page.chips(filters, {} if shown else await self._without()),
            views=views,
            decided=page.Decided(page.agreement(facets), await self._next_view(views)) if over else None,
            wrong=wrong,
            next=page.PATH + filters.query(cursor=to_cursor(end, filters.sort, secret)) if end else None,
            first=page.PATH + filters.query() if place is not None else None,
            here=page.PATH + filters.query(**_more(cursor=cursor if place else "")),
            last=await last_of(self._parts, connection, member, done),
            choices=choices(ready, member.id, secret),
            batch=await self._batch(batch) if batch else None,
            handed=await handed_to(self._parts, connection, member),
        )

    async def _batch(self, name: str) -> Batch | None:
        """Return what became of the reader's batch, None if it is not theirs or was taken back."""
        command = await self._store.command(self._connection, self._member.id, name)
        found = batch_of(command)
        if found is None or not found.posts:
            return found
        words = await self._store.words(self._connection, [word for word, _ in words_of(command)])
        return None if words and all(each.retracted for each in words.values()) else found

    async def _without(self) -> dict[tuple[str, str], int]:
        """Return how many posts there are without each filter that is on."""
        return {
            (name, value): await self._store.count_queue(self._connection, self._filters.without(name, value))
            for name, value in self._filters.pairs()
            if name != "sort"
        }

    async def _next_view(self, views: Sequence[View]) -> View | None:
        """Return the first view in which something waits."""
        for each in views:
            if not each.here:
                found = await self._store.count_queue(self._connection, filters_in(each.query))
                if found:
                    return replace(each, waiting=found)
        return None


async def cards(parts: Parts, connection: Connection, member: Member, rows: Sequence[Stored]) -> list[Card]:
    """Return posts as they are shown to somebody: under their veil, with who holds each."""
    leases = await parts.leases.of([row.post_id for row in rows])
    names = await parts.store.names_of(connection, [each.person_id for each in leases.values()])
    alike = await parts.store.alike(connection, [row.text_key for row in rows])
    return [
        card(
            row,
            level_of(member.preferences, row),
            high=parts.settings.severity_high,
            held=held_by(member, leases.get(row.post_id), names),
            alike=alike.get(row.text_key or "", 1),
            blind=decides_blind(member, row),
        )
        for row in rows
    ]


def decides_blind(member: Member, row: Stored) -> bool:
    """Return whether scores and reasons of a post are hidden from somebody until it is decided."""
    return member.may(Role.REVIEWER) and hides_scores(member.id, row)


async def handed_to(parts: Parts, connection: Connection, member: Member, but: str = "") -> tuple[Handed, ...]:
    """Return what colleagues handed to somebody and still waits for a verdict, but for one post."""
    found = await parts.leases.handed(member)
    rows = await parts.store.reviewed_posts(connection, [post for post in found if post != but])
    names = await parts.store.names_of(connection, [each.person_id for each in found.values()])
    return tuple(
        Handed(post, names.get(found[post].person_id, ""), found[post].left_s, f"/posts/{post}")
        for post, row in sorted(rows.items())
        if row.correction_verdict is None
    )


def held_by(member: Member, lease: Lease | None, names: Mapping[str, str]) -> Held | None:
    """Return who holds a post as somebody reads it."""
    if lease is None:
        return None
    return Held("" if lease.person_id == member.id else names.get(lease.person_id, "?"), lease.left_s)


async def last_of(parts: Parts, connection: Connection, member: Member, done: str) -> Last:
    """Return what somebody said last, as the address names it, and how many posts that say the same wait."""
    word: Any = await parts.store.word(connection, done) if done else None
    alike = 0
    if word is not None and word.post_id is not None:
        row = await parts.store.reviewed_post(connection, word.post_id)
        if row is not None and row.text_key is not None:
            alike = await parts.store.count_waiting_alike(connection, row.text_key, row.post_id)
    return last(done, word, member.principal, alike)
