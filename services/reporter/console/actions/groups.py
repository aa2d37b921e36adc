"""Auditors ask how a group differs from the crowd, or every group of an axis; what was ticked travels in bodies."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import StringConstraints

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.groups import Size, read_traits
from services.reporter.console.guard import Command
from services.reporter.console.pages.groups import axes_asked, show_groups
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import Problem

GROUPS = "/audits/groups"
Ticked = Annotated[list[Annotated[str, StringConstraints(max_length=140)]], Form(max_length=100)]
NOTHING: list[str] = []


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of groups."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.AUDITOR))]  # noqa: N806 - a type

    async def ask(command: Command, path: str, traits: dict[str, list[str]]) -> Any:
        return await parts.services.ask("trainer", "POST", path, command.member.token, json={"traits": traits})

    @router.post("/audits/groups", summary="Compare a group with the crowd")
    async def compare(
        request: Request,
        command: Doing,
        trait: Ticked = NOTHING,
        act: Annotated[Literal["size", "compare"], Form()] = "size",
    ) -> Response:
        """Say how large a group would be, or compare it; a small one gets a reason and no number."""
        traits = read_traits(trait, await axes_asked(parts, command.member))
        if not traits:
            return await show_groups(parts, request, command.member, 422, empty=True)
        said = await ask(command, "/v1/groups/size", traits)
        size = Size(said["allowed"], said["size"], said["reason"] or "")
        if act == "size" or not size.allowed:
            status = 200 if act == "size" else 422
            return await show_groups(parts, request, command.member, status, chosen=traits, size=size)

        async def work() -> Answer:
            made = await ask(command, "/v1/groups", traits)
            return Answer(f"{GROUPS}/{made['group_id']}", {"id": made["group_id"]}, object=made["group_id"])

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/audits/groups/axis", summary="Compare every group of an axis")
    async def compare_axis(
        request: Request, command: Doing, axis: Annotated[str, Form(max_length=64)] = ""
    ) -> Response:
        """Compare each group of an axis with the crowd; those that are too small are named with the reason."""
        chosen = next((each for each in await axes_asked(parts, command.member) if each.name == axis), None)
        if chosen is None:
            raise Problem(422, "unknown_axis", "There is no such axis.", field="axis")
        refused: dict[tuple[str, str], str] = {}

        async def work() -> Answer:
            for value in chosen.values:
                try:
                    await ask(command, "/v1/groups", {chosen.name: [value]})
                except Problem as problem:
                    if problem.reason != "group_refused":
                        raise
                    refused[chosen.name, value] = problem.detail
            counts = {"compared": len(chosen.values) - len(refused), "refused": len(refused)}
            return Answer(GROUPS, counts)

        answer = await parts.commands.once(request, command, work)
        if not refused:
            return answered(request, answer)
        return await show_groups(parts, request, command.member, refused=refused)

    return router
