"""A reviewer leaves a category out for a day. No reason is asked, and only they see it."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.actions.reviewing import QueryOf, Reviewing, filters_of
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.guard import Command
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.clock import utcnow
from shared.errors import Problem
from shared.vocabulary import CATEGORIES


def build_router(parts: Parts) -> APIRouter:
    """Return the form."""
    router = parts.router()
    reviewing = Reviewing(parts)

    @router.post("/settings/skips", summary="Skip a category for a day")
    async def skip(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        category: Annotated[str, Form(max_length=40)] = "",
        query: QueryOf = "",
        after: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """Leave it out of what comes next, and go on to the next post; lists go on showing it."""
        if category not in CATEGORIES:
            raise Problem(422, "invalid", "There is no such category.", field="category")
        member, filters = command.member, filters_of(query)

        async def work() -> Answer:
            wanted = member.preferences.skipping(category, utcnow())
            await parts.sessions.keep_preferences(member, wanted)
            found = await reviewing.next(replace(member, preferences=wanted), filters, after or None)
            return Answer(f"/posts/{found}{filters.query()}" if found else PATH + filters.query())

        return answered(request, await parts.commands.once(request, command, work))

    return router
