"""What administrators do with people. A link is shown on the answer to its form and nowhere else."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.pages.people import PersonId, show_people, show_person
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from shared.errors import Problem

PEOPLE = "/admin/people"
SAID = {"last_admin", "person_disabled", "provider_account"}
"""Refusals that the page itself explains."""


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of the pages of people."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.ADMIN))]  # noqa: N806 - a type

    async def changing(
        request: Request, command: Command, person_id: str, work: Callable[[], Awaitable[Answer]]
    ) -> Response:
        """Do something with a person; a refusal is explained on their page."""
        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Problem as problem:
            if problem.reason not in SAID or wants_fragment(request):
                raise
            status = problem.status
            return await show_person(parts, request, command.member, person_id, status, fault=problem.reason)

    @router.post("/admin/people/invitations", summary="Make a link that makes an account")
    async def invite(request: Request, command: Doing, role: Annotated[Role, Form()] = Role.VIEWER) -> Response:
        """Show a link that works once."""
        made: list[str] = []

        async def work() -> Answer:
            made.append((await parts.sessions.invite(role, command.member.principal))[0])
            return Answer(PEOPLE, after={"role": role.value})

        answer = await parts.commands.once(request, command, work)
        if not made:  # the same form again: the link was shown the first time
            return answered(request, answer)
        return await show_people(parts, request, command.member, made=made[0], made_role=role)

    @router.post("/admin/people/invitations/{link}/withdraw", summary="Make a link worthless")
    async def withdraw(
        request: Request, command: Doing, link: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
    ) -> Response:
        """Withdraw a link that was not used yet."""

        async def work() -> Answer:
            role = await parts.people.withdraw(link)
            return Answer(PEOPLE, object=link[:12], before={"role": role})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/admin/people/{person_id}/role", summary="Give a person another role")
    async def change_role(
        request: Request, command: Doing, person_id: PersonId, role: Annotated[Role, Form()]
    ) -> Response:
        """Change what a person may do, also in what they have open."""

        async def work() -> Answer:
            before = await parts.people.change_role(person_id, role)
            to = f"{PEOPLE}/{person_id}?done=role"
            if person_id == command.member.id and role is not Role.ADMIN:
                to = "/settings"  # who gave the role away may not look here any more
            return Answer(to, before={"role": before.value}, after={"role": role.value})

        return await changing(request, command, person_id, work)

    @router.post("/admin/people/{person_id}/access", summary="Keep a person out, or let them in again")
    async def change_access(
        request: Request, command: Doing, person_id: PersonId, access: Annotated[Literal["in", "out"], Form()]
    ) -> Response:
        """Disable or enable an account."""

        async def work() -> Answer:
            await (parts.people.disable(person_id) if access == "out" else parts.people.enable(person_id))
            to = "/signin" if access == "out" and person_id == command.member.id else f"{PEOPLE}/{person_id}"
            return Answer(f"{to}?done={access}" if to != "/signin" else to, after={"access": access})

        return await changing(request, command, person_id, work)

    @router.post("/admin/people/{person_id}/sessions/end", summary="Sign a person out everywhere")
    async def end_sessions(request: Request, command: Doing, person_id: PersonId) -> Response:
        """End what a person has open."""

        async def work() -> Answer:
            ended = await parts.people.end_sessions(person_id)
            to = "/signin" if person_id == command.member.id else f"{PEOPLE}/{person_id}?done=sessions"
            return Answer(to, after={"sessions": ended})

        return await changing(request, command, person_id, work)

    @router.post("/admin/people/{person_id}/reset", summary="Make a link that sets a password anew")
    async def reset(request: Request, command: Doing, person_id: PersonId) -> Response:
        """Show a link under which this person chooses another password, once."""
        made: list[str] = []

        async def work() -> Answer:
            made.append(await parts.people.reset(person_id, command.member.principal))
            return Answer(f"{PEOPLE}/{person_id}")

        answer = await changing(request, command, person_id, work)
        return await show_person(parts, request, command.member, person_id, made=made[0]) if made else answer

    return router
