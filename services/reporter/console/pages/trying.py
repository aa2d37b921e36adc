"""The page where a text is tried out, and what somebody saved of that. Nothing is stored until somebody says so."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter.console.contexts import trying as page
from services.reporter.console.contexts.trying import Trying
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.store import Stored
from shared.clock import utcnow
from shared.errors import not_found

LISTED = 20
TryId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
WRONG = "/try/wrong"
"""Where somebody says that a score is wrong."""


def build_router(parts: Parts) -> APIRouter:
    """Return the page, and that of a saved try."""
    router = parts.router()
    reviewer = parts.entrance(Role.REVIEWER)

    @router.get("/try", summary="Try a text")
    async def try_page(request: Request, member: Annotated[Member, Depends(reviewer)]) -> Response:
        """Show the empty form, and what the visitor saved."""
        async with parts.store.read() as connection:
            rows = await parts.store.tries_of(connection, member.id, oldest(parts), LISTED)
        kept = page.kept(rows, parts.settings.severity_high)
        context = Trying("", parts.platform.settings.max_text_bytes, 0, kept=kept)
        return parts.pages.render(request, member, "trying.html", context)

    @router.get("/try/{try_id}", summary="A saved try")
    async def saved_try(
        request: Request,
        member: Annotated[Member, Depends(reviewer)],
        try_id: TryId,
        done: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        """Show a text and its scores as they were saved; others than who saved it see it under their veil."""
        return await show_saved(parts, request, member, try_id, done=done)

    return router


def oldest(parts: Parts) -> Any:
    """Return the moment before which nothing that was saved is kept."""
    return utcnow() - timedelta(seconds=parts.settings.tries_kept_s)


async def kept_try(parts: Parts, try_id: str) -> Stored:
    """Return a saved try. Raises Problem 404."""
    async with parts.store.read() as connection:
        row = await parts.store.saved_try(connection, try_id, oldest(parts))
    if row is None:
        raise not_found("saved text")
    return row


async def show_saved(
    parts: Parts,
    request: Request,
    member: Member,
    try_id: str,
    *,
    done: str = "",
    revealed: bool = False,
    fault: str = "",
    status: int = 200,
) -> Response:
    """Return the page of a saved try. `done`: the command by which the visitor said that it is wrong. Raises 404."""
    row = await kept_try(parts, try_id)
    said = done if done and await spoken_by(parts, member, done) else ""
    settings = parts.settings
    context = page.saved(
        row,
        member.id,
        member.preferences.veil,
        high=settings.severity_high,
        kept_s=settings.tries_kept_s,
        revealed=revealed,
        said=said,
    )
    return parts.pages.render(
        request, member, "trying_saved.html", replace(context, fault=fault), Around(status=status)
    )


async def spoken_by(parts: Parts, member: Member, command_id: str) -> str | None:
    """Return the correction that a command of somebody's became; None if it became none, or is somebody else's."""
    async with parts.store.read() as connection:
        known: Any = await parts.store.command(connection, member.id, command_id)
    if known is None or known.route != WRONG or not known.answer:
        return None
    return str(known.answer["facts"]["correction_id"])
