"""How a post came to stand where it stands, as a page and as a part of the post's own page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.notes import notes
from services.reporter.console.contexts.post import words
from services.reporter.console.contexts.timeline import Timeline, band, events
from services.reporter.console.members import Member
from services.reporter.console.pages.flagged import held_by
from services.reporter.console.pages.post import PostId, speakers
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from services.reporter.queue import asked
from shared.clock import utcnow
from shared.errors import Problem, Unavailable, not_found


def build_router(parts: Parts) -> APIRouter:
    """Return the page of a post's history."""
    router = parts.router()

    @router.get("/posts/{post_id}/history", summary="How a post came to stand where it stands")
    async def history(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER, Role.AUDITOR))],
        post_id: PostId,
    ) -> Response:
        """Show every moment of a post, oldest first."""
        log = await _log(parts, member, post_id)
        async with parts.store.read() as connection:
            row = await parts.store.reviewed_post(connection, post_id)
            if row is None or row.own_overall is None:
                raise not_found("post")
            said = await parts.store.words_on(connection, post_id)
            leases = await parts.leases.of([post_id])
            noted = await parts.store.notes_on(connection, post_id)
            people = [*speakers(said), *(each.person_id for each in noted)]
            people += [each.person_id for each in leases.values()]
            people += [str(each["actor"]).removeprefix("user:") for each in (log or {}).get("log", ()) if each["actor"]]
            names = await parts.store.names_of(connection, people)
        spoken, told = words(said, names, member.principal), notes(noted, names, member.id)
        found = events(row.written_at, spoken, (log or {}).get("log", ()), names, told)
        context = Timeline(
            post_id,
            asked(request.query_params.multi_items()).filters.query(),
            found,
            band(found, utcnow()),
            missing=log is None,
            more=bool(log and log["previous"]),
            held=held_by(member, leases.get(post_id), names),
        )
        template = "_timeline.html" if wants_fragment(request) else "timeline.html"
        return parts.pages.render(request, member, template, context)

    return router


async def _log(parts: Parts, member: Member, post_id: str) -> Any:
    """Return what the auditor says of a post; nothing where nobody judged it, None where it cannot be asked."""
    try:
        return await parts.services.ask("auditor", "GET", f"/v1/posts/{post_id}/history", member.token)
    except Unavailable:
        return None
    except Problem as problem:
        if problem.status != 404:
            raise
        return {"log": [], "previous": None}
