"""Leads change what holds for everybody who did not choose otherwise."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.members import TEAM_VEIL, team_veil
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
    ) -> Response:
        """Keep the default from now on."""

        async def work() -> Answer:
            async with parts.store.begin() as connection:
                before = team_veil(await parts.store.team_settings(connection))
                await parts.store.keep_team_setting(connection, TEAM_VEIL, veil.value, utcnow())
            return Answer("/settings/team?saved=true", before={"veil": before.value}, after={"veil": veil.value})

        return answered(request, await parts.commands.once(request, command, work))

    return router
