"""One post in its queue: what it says under its veil, why it was flagged, what people said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter.console.contexts import post as page
from services.reporter.console.contexts.notes import notes
from services.reporter.console.contexts.original import original
from services.reporter.console.contexts.reviewing import Colleague, Held, card, level_of
from services.reporter.console.contexts.skipping import skips_of
from services.reporter.console.members import Member
from services.reporter.console.pages.flagged import cards, decides_blind, handed_to, held_by, last_of
from services.reporter.console.pages.focus import Focus
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around, wants_fragment
from services.reporter.console.roles import INCLUDES, Role
from services.reporter.console.veil import Veil
from services.reporter.queue import PAGE, Filters, asked
from services.reporter.store import Connection
from shared.clock import utcnow
from shared.errors import not_found
from shared.ids import NO_NUL

OURS = ("done",)
RECENT = 10
ALIKE = 10
PostId = Annotated[str, Path(max_length=64, pattern=NO_NUL)]


@dataclass(frozen=True, slots=True)
class More:
    """What an act wants the page to say besides: what became of it. `opened`: so many masks are lifted."""

    revealed: bool = False
    opened: int = 0
    conflict: str = ""
    failed: str = ""
    status: int = 200


def build_router(parts: Parts) -> APIRouter:
    """Return the page of one post."""
    router = parts.router()

    @router.get("/posts/{post_id}", summary="One post, to be reviewed")
    async def post(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER, Role.AUDITOR))],
        post_id: PostId,
        done: Annotated[str, Query(max_length=80)] = "",
    ) -> Response:
        """Show a post in the queue that the address describes."""
        filters = asked(request.query_params.multi_items(), OURS).filters
        return await show(parts, request, member, post_id, filters, done=done)

    return router


async def show(
    parts: Parts,
    request: Request,
    member: Member,
    post_id: str,
    filters: Filters,
    *,
    done: str = "",
    more: More | None = None,
) -> Response:
    """Return the page of a post, or for a script what stands in it. Raises Problem 404."""
    more = more or More()
    async with parts.store.read() as connection:
        row = await parts.store.reviewed_post(connection, post_id)
        if row is None or row.own_overall is None:
            raise not_found("post")
        context = await _context(parts, connection, member, row, filters, done, more)
    if wants_fragment(request):
        return parts.pages.render(request, member, "_post.html", context, Around(status=more.status))
    around = Around(position=await parts.position(), waiting=context.waiting, status=more.status)
    return parts.pages.render(request, member, "post.html", context, around)


async def _context(
    parts: Parts, connection: Connection, member: Member, row: Any, filters: Filters, done: str, more: More
) -> page.PostPage:
    store = parts.store
    now = utcnow()
    focus = Focus(parts, member, filters, now)
    queue = await focus.first(connection, PAGE)
    leases = await parts.leases.of([row.post_id, *(each.post_id for each in queue)])
    said = await store.words_on(connection, row.post_id)
    noted = await store.notes_on(connection, row.post_id)
    people = [*(each.person_id for each in leases.values()), *speakers(said), *(each.person_id for each in noted)]
    names = await store.names_of(connection, people)
    facets = await store.facets(connection, filters)
    level = Veil.OFF if more.revealed else level_of(member.preferences, row)
    held = held_by(member, leases.get(row.post_id), names)
    same = await store.posts_alike(connection, row.text_key, row.post_id, ALIKE) if row.text_key else []
    blind = decides_blind(member, row)
    shown = card(
        row, level, high=parts.settings.severity_high, held=held, alike=1 + len(same), blind=blind, opened=more.opened
    )
    total = sum(facets.review_status.values())
    waiting = facets.review_status.get("unreviewed", 0)
    account = (0, 0)
    if row.author and row.platform:
        account = await store.posts_of_author(connection, row.platform, row.author)
    holders = {name: held_by(member, each, names) for name, each in leases.items()}
    rail = _rail(member, queue, row.post_id, holders, filters)
    before, after = _beside(rail)
    word = await last_of(parts, connection, member, done)
    recent = await store.last_words(connection, member.principal, RECENT)
    return page.PostPage(
        card=shown,
        query=filters.query(),
        revealed=more.revealed,
        opened=more.opened,
        bars=() if blind else page.bars(row.own_scores, row.thresholds),
        boxes=page.boxes(() if blind else shown.categories),
        queue=rail,
        handed=await handed_to(parts, connection, member, but=row.post_id),
        colleagues=await colleagues(parts, connection, member) if member.may(Role.REVIEWER) else (),
        done=total - waiting,
        total=total,
        waiting=waiting,
        next=after,
        previous=before,
        words=page.words(said, names, member.principal),
        notes=notes(noted, names, member.id),
        original=original(row.url),
        recent=tuple(page.Recent(each.correction_id, each.post_id, each.verdict) for each in recent if each.post_id),
        account_posts=account[0],
        account_flagged=account[1],
        alike=tuple(await cards(parts, connection, member, same)),
        reveals_today=await store.revealed(connection, member.id, now.date().isoformat()),
        deleted_at=row.deleted_at,
        model=row.model_version,
        last=word,
        reviews=member.may(Role.REVIEWER),
        skips=skips_of(member.preferences, shown, now),
        catch_up=f"/posts/{row.post_id}{filters.query(done=done)}" if word.verdict == "saving" else "",
        conflict=more.conflict,
        failed=more.failed,
    )


async def colleagues(parts: Parts, connection: Connection, member: Member) -> tuple[Colleague, ...]:
    """Return everybody else who may decide posts, by name."""
    roles = [role.value for role in Role if Role.REVIEWER in INCLUDES[role]]
    rows = await parts.store.active_people(connection, roles)
    return tuple(Colleague(row.id, row.name) for row in rows if row.id != member.id)


def speakers(said: Sequence[Any]) -> list[str]:
    """Return the ids of the people who said something or took it back."""
    found = [*(each.reviewer for each in said), *(each.retracted_by for each in said)]
    return [each.removeprefix("user:") for each in found if each]


def _rail(
    member: Member, queue: Sequence[Any], here: str, held: Mapping[str, Held | None], filters: Filters
) -> tuple[page.InQueue, ...]:
    query = filters.query()
    return tuple(
        page.InQueue(
            each.post_id,
            None if decides_blind(member, each) else each.own_overall,
            each.post_id == here,
            held.get(each.post_id),
            f"/posts/{each.post_id}{query}",
            each.correction_verdict,
        )
        for each in queue
    )


def _beside(rail: Sequence[page.InQueue]) -> tuple[str | None, str | None]:
    """Return the posts before and after the one that is open; the first of the queue, if it is not in sight."""
    at = next((n for n, each in enumerate(rail) if each.here), None)
    if at is None:
        return None, rail[0].link if rail else None
    return (rail[at - 1].link if at else None), (rail[at + 1].link if at + 1 < len(rail) else None)
