"""A lead puts other thresholds in force, at the classifier, in their own name."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.thresholds import Tried, heard
from services.reporter.console.guard import Command
from services.reporter.console.pages.thresholds import PATH, show
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from shared.errors import Problem, Unavailable


def build_router(parts: Parts) -> APIRouter:
    """Return the form."""
    router = parts.router()

    @router.post(PATH, summary="Change thresholds")
    async def change(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.LEAD))],
        version: Annotated[int, Form(ge=0, le=2**31 - 2)],
        changes: Annotated[str, Form(max_length=400)] = "",
        reason: Annotated[str, Form(max_length=500)] = "",
    ) -> Response:
        """Ask the classifier; somebody else's change or no answer shows the page again with what was typed."""
        try:
            wanted = heard(changes)
        except ValueError:
            raise Problem(422, "no_threshold", "A threshold is from 0.01 to 0.99.", field="changes") from None

        async def work() -> Answer:
            told = {"version": version, "thresholds": wanted} | ({"reason": reason.strip()} if reason.strip() else {})
            if wanted:
                await parts.services.ask(
                    "classifier", "POST", "/v1/thresholds", command.member.token, json=told, key=command.id
                )
            return Answer(f"{PATH}?saved=true")

        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Unavailable:
            fault, status = "unavailable", 503
        except Problem as problem:
            if problem.status not in (409, 422) or wants_fragment(request):
                raise
            fault, status = problem.reason, problem.status
        tried = Tried(wanted, (), saved=False)
        return await show(parts, request, command.member, tried, fault=fault, typed=reason, status=status)

    return router
