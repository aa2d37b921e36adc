"""Leads change what holds for everybody who did not choose otherwise."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.members import Defaults, defaults
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.console.veil import Veil
from shared.clock import utcnow


def build_router(parts: Parts) -> APIRouter:
    """Return the form of the team's settings."""
    router = parts.router()

    @router.post("/settings/team", summary="Change the settings of the team")
    async def change(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.LEAD))],
        veil: Annotated[Veil, Form()] = Veil.SPANS,
        language: Annotated[Literal["", "en", "nl"], Form()] = "",
        theme: Annotated[Literal["system", "light", "dark"], Form()] = "system",
        breaks: Annotated[bool, Form()] = False,
    ) -> Response:
        """Keep the defaults from now on; the history tells those that are others than before."""
        wanted = Defaults(veil, language or None, theme, breaks).row()

        async def work() -> Answer:
            async with parts.store.begin() as connection:
                before = defaults(await parts.store.team_settings(connection)).row()
                changed = [name for name, value in wanted.items() if before[name] != value]
                for name in changed:
                    await parts.store.keep_team_setting(connection, name, wanted[name], utcnow())
            told = ({name: each[name] for name in changed} for each in (before, wanted))
            return Answer("/settings/team?saved=true", before=next(told), after=next(told))

        return answered(request, await parts.commands.once(request, command, work))

    return router
