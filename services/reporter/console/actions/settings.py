"""A person changes their own settings."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.settings import Settings, all_keys, read_keys
from services.reporter.console.formats import LANGUAGES
from services.reporter.console.guard import Command
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.veil import Veil
from shared.clock import utcnow
from shared.vocabulary import CATEGORIES


def build_router(parts: Parts) -> APIRouter:
    """Return the form of settings."""
    router = parts.router()

    @router.post("/settings", summary="Change your settings")
    async def change_settings(
        request: Request,
        command: Annotated[Command, Depends(parts.acting())],
        language: Annotated[Literal["", "browser", "en", "nl"], Form()] = "",
        theme: Annotated[Literal["", "system", "light", "dark"], Form()] = "",
        veil: Annotated[Literal["", "spans", "whole", "off"], Form()] = "",
        keys_on: Annotated[bool, Form()] = False,
        mixed: Annotated[bool, Form()] = False,
        skip: Annotated[list[str] | None, Form(max_length=40)] = None,
        breaks: Annotated[Literal["", "true", "false"], Form()] = "",
        key_of: Annotated[list[str] | None, Form(max_length=40)] = None,
        key: Annotated[list[str] | None, Form(max_length=40)] = None,
        veiled: Annotated[list[str] | None, Form(max_length=40)] = None,
        veil_of: Annotated[list[Literal["", "spans", "whole", "off"]] | None, Form(max_length=40)] = None,
    ) -> Response:
        """Keep what is preferred from now on, or show the form again with what cannot be.

        Nothing said of language, theme, veil or breaks leaves them to the team. `skip`: what is left out until its day
        is over. `key_of` and `key`, `veiled` and `veil_of` belong together one by one: what, and its key; a category,
        its veil.
        """
        before, now = command.member.preferences, utcnow()
        typed = dict(zip(key_of or (), key or (), strict=False))
        keys, faults = read_keys(typed) if typed else (dict(before.keys), ())
        levels = dict(zip(veiled or (), veil_of or (), strict=False))
        given = {"language": language, "theme": theme, "breaks": breaks}
        wanted = replace(
            before,
            language=None if language == "browser" else language or before.language,
            theme=theme or before.theme,
            keys_on=keys_on,
            keys=keys,
            mixed=mixed,
            skips={name: until for name, until in before.skips.items() if name in (skip or ())},
            breaks=breaks == "true" if breaks else before.breaks,
            chosen=frozenset(name for name, said in given.items() if said),
            veil_of_team=not veil,
            veil=Veil(veil) if veil else before.veil,
            veil_of={name: Veil(levels[name]) for name in CATEGORIES if levels.get(name)},
        )
        if faults:
            shown = Settings(wanted, LANGUAGES, False, all_keys(typed), wanted.skipped(now), faults)
            return parts.pages.render(request, command.member, "settings.html", shown, Around(status=422))

        async def work() -> Answer:
            await parts.sessions.keep_preferences(command.member, wanted)
            return Answer("/settings?saved=true")

        return answered(request, await parts.commands.once(request, command, work))

    return router
