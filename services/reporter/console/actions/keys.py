"""API keys are made and revoked, by ingest. A new key is shown on the answer to its form and nowhere else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.pages.keys import show_keys
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.vocabulary import Scope

KEYS = "/admin/keys"
NONE: list[Scope] = []


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of API keys."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.ADMIN))]  # noqa: N806 - a type

    @router.post("/admin/keys", summary="Make an API key")
    async def make(
        request: Request,
        command: Doing,
        name: Annotated[str, Form(max_length=200)] = "",
        scope: Annotated[list[Scope], Form(max_length=len(Scope))] = NONE,
    ) -> Response:
        """Show a new key this once."""
        name, chosen = name.strip(), sorted({each.value for each in scope})
        fault = "name_missing" if not name or "\x00" in name else "" if chosen else "scopes_missing"
        if fault:
            return await show_keys(parts, request, command.member, 422, fault=fault, name=name, chosen=chosen)
        made: list[str] = []

        async def work() -> Answer:
            wanted = {"name": name, "scopes": chosen}
            answer = await parts.services.ask("ingest", "POST", "/v1/keys", command.member.token, json=wanted)
            made.append(answer["key"])
            return Answer(KEYS, object=answer["id"], after=wanted)

        answer = await parts.commands.once(request, command, work)
        if not made:  # the same form again: the key was shown the first time
            return answered(request, answer)
        return await show_keys(parts, request, command.member, made=made[0], made_name=name)

    @router.post("/admin/keys/{key_id}/revoke", summary="Revoke an API key")
    async def revoke(
        request: Request, command: Doing, key_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
    ) -> Response:
        """Make a key worthless, within two seconds."""

        async def work() -> Answer:
            await parts.services.ask("ingest", "DELETE", f"/v1/keys/{key_id}", command.member.token)
            return Answer(f"{KEYS}?done=true")

        return answered(request, await parts.commands.once(request, command, work))

    return router
