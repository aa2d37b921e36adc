"""A person changes their own settings."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.parts import Parts
from services.reporter.console.veil import Veil


def build_router(parts: Parts) -> APIRouter:
    """Return the form of settings."""
    router = parts.router()

    @router.post("/settings", summary="Change your settings")
    async def change_settings(
        request: Request,
        command: Annotated[Command, Depends(parts.acting())],
        language: Annotated[Literal["", "en", "nl"], Form()] = "",
        theme: Annotated[Literal["system", "light", "dark"], Form()] = "system",
        veil: Annotated[Literal["", "spans", "whole", "off"], Form()] = "",
        keys_on: Annotated[bool, Form()] = False,
    ) -> Response:
        """Keep what is preferred from now on."""

        async def work() -> Answer:
            before = command.member.preferences
            wanted = replace(before, language=language or None, theme=theme, keys_on=keys_on, veil_of_team=not veil)
            wanted = replace(wanted, veil=Veil(veil)) if veil else wanted
            await parts.sessions.keep_preferences(command.member, wanted)
            return Answer("/settings?saved=true")

        return answered(request, await parts.commands.once(request, command, work))

    return router
