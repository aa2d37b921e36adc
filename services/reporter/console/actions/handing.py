"""People who review hand a post over to a colleague of their choice."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.actions.reviewing import QueryOf, Reviewing, filters_of
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.guard import Command
from services.reporter.console.pages.post import PostId, colleagues
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import Problem, not_found


def build_router(parts: Parts) -> APIRouter:
    """Return the form that hands a post over."""
    router = parts.router()
    reviewing = Reviewing(parts)

    @router.post("/posts/{post_id}/lease/hand-over", summary="Hand a post over to a colleague")
    async def hand_over(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        to: Annotated[str, Form(max_length=36)] = "",
        query: QueryOf = "",
    ) -> Response:
        """Give the lease to a colleague, tell them, and go on with the next post."""
        filters = filters_of(query)

        async def work() -> Answer:
            async with parts.store.read() as connection:
                row = await parts.store.reviewed_post(connection, post_id)
                if row is None or row.own_overall is None or row.deleted_at is not None:
                    raise not_found("post")
                people = await colleagues(parts, connection, command.member)
            chosen = next((each for each in people if each.id == to), None)
            if chosen is None:
                raise Problem(422, "no_colleague", "Choose somebody who reviews.", field="to")
            if not await parts.leases.hand_over(command.member, post_id, chosen.id, chosen.name):
                raise Problem(409, "held", "Somebody else is deciding this post.")
            after = await reviewing.next(command.member, filters, post_id)
            where = f"/posts/{after}" if after else PATH
            return Answer(where + filters.query(), {"to": chosen.id})

        return answered(request, await parts.commands.once(request, command, work))

    return router
