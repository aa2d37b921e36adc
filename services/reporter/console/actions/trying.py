"""Scores a text that somebody typed, at the classifier, in their name. Nothing is stored: scoring again is no act."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.contexts.trying import Trying, result
from services.reporter.console.guard import Command
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around, wants_fragment
from services.reporter.console.roles import Role
from shared.errors import Problem, Unavailable


def build_router(parts: Parts) -> APIRouter:
    """Return the form."""
    router = parts.router()
    limit = parts.platform.settings.max_text_bytes

    @router.post("/try/score", summary="Score a text")
    async def score_text(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        text: Annotated[str, Form(max_length=200_000)] = "",
    ) -> Response:
        """Show the scores, or the form again with what was typed and what is wrong."""
        text = text.replace("\r\n", "\n")
        size = len(text.encode())
        found, fault, status = None, "", 200
        if not text.strip():
            fault, status = "empty", 422
        elif size > limit:
            fault, status = "too_long", 422
        else:
            try:
                said = await parts.services.ask("classifier", "POST", "/try", command.member.token, json={"text": text})
                found = result(text, said, parts.settings.severity_high)
            except Unavailable:
                fault, status = "unavailable", 503
            except Problem as problem:
                fault, status = problem.reason, problem.status
        context = Trying(text, limit, size, found, fault)
        template = "_trying_result.html" if wants_fragment(request) else "trying.html"
        around = Around(status=200 if wants_fragment(request) else status)
        return parts.pages.render(request, command.member, template, context, around)

    return router
