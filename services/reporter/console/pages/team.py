"""The settings of the team, for leads."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.team import DAYS, team
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.clock import utcnow


def build_router(parts: Parts) -> APIRouter:
    """Return the page of the team's settings."""
    router = parts.router()

    @router.get("/settings/team", summary="Settings of the team")
    async def show(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.LEAD))],
        saved: Annotated[bool, Query()] = False,
    ) -> Response:
        """Show defaults, roles, and what the team was exposed to."""
        since = (utcnow() - timedelta(days=DAYS - 1)).date().isoformat()
        async with parts.store.read() as connection:
            settings = await parts.store.team_settings(connection)
            given = await parts.store.roles_given(connection)
            exposure = await parts.store.exposure(connection, since)
        return parts.pages.render(request, member, "team.html", team(settings, given, exposure, saved=saved))

    return router
