"""The page of a shared report: for who holds its link, has signed in, and may read posts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.contexts.sharing import shared_of
from services.reporter.console.members import Member
from services.reporter.console.pages.reports import load_of, standing_of
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.report import follow_up
from shared.errors import not_found
from shared.ids import digest

Link = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{20,64}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the page of shared reports."""
    router = parts.router()

    @router.get("/shared/{link}", summary="A shared report")
    async def shared(
        request: Request,
        member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER, Role.AUDITOR))],
        link: Link,
    ) -> Response:
        """Show the report a link leads to, as it is now; a link that was taken back leads nowhere."""
        async with parts.store.read() as connection:
            row = await parts.store.shared_report(connection, digest(link.encode()))
            if row is None:
                raise not_found("shared report")
            found = await load_of(parts, connection, row)
        became = follow_up(found.evidence, standing_of(found.posts))
        context = shared_of(row, found.report, found.evidence, found.posts, member.preferences.veil, became)
        return parts.pages.render(request, member, "sharing.html", context)

    return router
