"""Groups of people beside the crowd: choose one by what people say of themselves, and see whether it differs.

Invariant: what people say of themselves never stands in an address; a page of one group is found by its opaque id.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter.console.contexts import groups as shown
from services.reporter.console.contexts.audits import topic_name
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role

GroupId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
NOTHING: Mapping[tuple[str, str], str] = {}


async def axes_asked(parts: Parts, member: Member) -> tuple[shown.Axis, ...]:
    """Return the axes that groups are chosen by. Raises Unavailable."""
    return shown.axes_of(await parts.services.ask("trainer", "GET", "/v1/groups/axes", member.token))


async def show_groups(
    parts: Parts,
    request: Request,
    member: Member,
    status: int = 200,
    refused: Mapping[tuple[str, str], str] = NOTHING,
    **typed: Any,
) -> Response:
    """Return the page of groups; `typed`: what was ticked, and what was said of it. Raises Problem, Unavailable."""
    axes, found = await asyncio.gather(
        axes_asked(parts, member), parts.services.ask("trainer", "GET", "/v1/groups", member.token)
    )
    context = replace(shown.groups_of(axes, found, refused), **typed)
    return parts.pages.render(request, member, "audits_groups.html", context, Around(status=status))


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of groups."""
    router = parts.router()
    Auditor = Annotated[Member, Depends(parts.entrance(Role.AUDITOR))]  # noqa: N806 - a type

    @router.get("/audits/groups", summary="Groups beside the crowd")
    async def groups(request: Request, member: Auditor) -> Response:
        """Show how groups are chosen, those a person asked about, and the groups of an axis beside each other."""
        return await show_groups(parts, request, member)

    @router.get("/audits/groups/{group_id}", summary="A group beside the crowd")
    async def group(
        request: Request, member: Auditor, group_id: GroupId, waiting: Annotated[bool, Query()] = False
    ) -> Response:
        """Show how a group differs from the crowd, if that can be told, and let an audit take its view."""
        found, own, choices = await asyncio.gather(
            parts.services.ask("trainer", "GET", f"/v1/groups/{group_id}", member.token),
            parts.services.ask("trainer", "GET", "/v1/groups", member.token),
            parts.services.ask("auditor", "GET", "/v1/audits/new", member.token),
        )
        traits: shown.Traits = next((each["traits"] for each in own if each["group_id"] == group_id), {})
        topics = [*choices["topics"]["tuned"], *choices["topics"]["others"]]
        names = {each["topic"]: topic_name(each["name"], each["topic"]) for each in topics}
        context = shown.page_of(found, traits, names, waiting)
        return parts.pages.render(request, member, "audits_group.html", context)

    return router
