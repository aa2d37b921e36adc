"""People who review leave notes on posts for each other, change them and take them away. Nothing else hears of it."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from services.reporter.console.actions.reviewing import QueryOf, filters_of
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.notes import LONGEST, readable
from services.reporter.console.guard import Command
from services.reporter.console.pages.post import PostId, show
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from services.reporter.store import Connection
from shared.clock import utcnow
from shared.errors import Problem, not_found

MOST = 100
"""Notes on one post."""
NoteId = Annotated[str, Path(pattern="^[0-9a-f-]{36}$")]
Text = Annotated[str, Form(max_length=2 * LONGEST)]


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of notes."""
    router = parts.router()
    noting = _Noting(parts)

    @router.post("/posts/{post_id}/notes", summary="Leave a note for colleagues")
    async def add(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        text: Text = "",
        query: QueryOf = "",
    ) -> Response:
        """Keep a note on a post."""
        said = _said(text)

        async def work() -> Answer:
            return await noting.add(command, post_id, said, query)

        answer = await parts.commands.once(request, command, work)
        return await _back(parts, request, command, post_id, query, answer)

    @router.post("/posts/{post_id}/notes/{note_id}", summary="Change a note")
    async def change(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        note_id: NoteId,
        text: Text = "",
        query: QueryOf = "",
    ) -> Response:
        """Let an own note say something else."""
        said = _said(text)

        async def work() -> Answer:
            return await noting.change(command, post_id, note_id, said, query)

        answer = await parts.commands.once(request, command, work)
        return await _back(parts, request, command, post_id, query, answer)

    @router.post("/posts/{post_id}/notes/{note_id}/remove", summary="Remove a note")
    async def remove(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        note_id: NoteId,
        query: QueryOf = "",
    ) -> Response:
        """Forget an own note."""

        async def work() -> Answer:
            return await noting.change(command, post_id, note_id, None, query)

        answer = await parts.commands.once(request, command, work)
        return await _back(parts, request, command, post_id, query, answer)

    return router


def _said(text: str) -> str:
    said = readable(text)
    if not said:
        raise Problem(422, "missing", "Write something.", field="text")
    if len(said) > LONGEST:
        raise Problem(422, "too_long", f"A note has at most {LONGEST} characters.", field="text")
    return said


async def _back(parts: Parts, request: Request, command: Command, post_id: str, query: str, answer: Answer) -> Response:
    """Return to the post: to a browser its address, to a script its page."""
    if wants_fragment(request):
        return await show(parts, request, command.member, post_id, filters_of(query))
    return answered(request, answer)


class _Noting:
    """What the forms do."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store

    async def add(self, command: Command, post_id: str, text: str, query: str) -> Answer:
        """Keep a note, unless the post is gone."""
        note = str(uuid4())
        row = {"id": note, "post_id": post_id, "person_id": command.member.id, "text": text, "at": utcnow()}
        async with self._store.begin() as connection:
            await self._reach(connection, post_id)
            if await self._store.count_notes(connection, post_id) >= MOST:
                raise Problem(422, "too_many", f"A post has at most {MOST} notes.", field="text")
            await self._store.add_note(connection, row)
        return _answer(post_id, note, query)

    async def change(self, command: Command, post_id: str, note_id: str, text: str | None, query: str) -> Answer:
        """Let a note say something else, or nothing any more. Raises Problem 403 for a note of somebody else."""
        async with self._store.begin() as connection:
            await self._reach(connection, post_id)
            row = await self._store.note(connection, note_id)
            if row is None or row.post_id != post_id:
                raise not_found("note")
            if row.person_id != command.member.id:
                raise Problem(403, "not_yours", "Only who wrote a note changes it.")
            if text is None:
                await self._store.drop_note(connection, note_id)
            else:
                await self._store.change_note(connection, note_id, text, utcnow())
        return _answer(post_id, note_id, query)

    async def _reach(self, connection: Connection, post_id: str) -> None:
        """Let nobody erase meanwhile. Raises Problem 404 for a post that is not there any more."""
        await self._store.pass_gate(connection)
        row = await self._store.reviewed_post(connection, post_id)
        if row is None or row.own_overall is None or row.deleted_at is not None:
            raise not_found("post")


def _answer(post_id: str, note_id: str, query: str) -> Answer:
    return Answer(f"/posts/{post_id}{filters_of(query).query()}#notes", {"note_id": note_id})
