"""One act per command id: the same form again, from a double click or a lost answer, gets the first answer.

This is also where acts are noted for the history: in the transaction that takes the command id, before anything is
done, so that nothing is done unnoted; what was refused is taken out again.
Invariant: what is kept of an answer is where it led and facts about it, never a word of a post and never a secret.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from services.reporter.console.guard import Command
from services.reporter.console.rendering import wants_fragment
from services.reporter.store import Store
from shared.clock import utcnow
from shared.errors import Problem

OBJECT = 200
"""Longest id that the history keeps."""
JOINED = timedelta(minutes=10)
"""What saves itself again within this is one act."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: the page to go to, and facts for a script (JSON).

    For the history: `object` is the id of what it was done to (without it, the one in the form's address), `before` and
    `after` are names and numbers of what changed (without `after`, the facts); `joins`: it is told as one with the same
    act of the last minutes.
    """

    location: str
    facts: dict[str, Any] = field(default_factory=dict)
    object: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    joins: bool = False


class Commands:
    """Remembers what people did."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def once(self, request: Request, command: Command, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer of `work`, or the one it gave before.

        Raises Problem 409 while the first one is still under way and 422 if the id was used for something else. What
        raises may be tried again under the same id; unless it was a refusal, the history says that its end is unknown.
        """
        person, route = command.member.id, request.url.path
        row = {"person_id": person, "command_id": command.id, "route": route, "answer": None, "at": utcnow()}
        async with self._store.begin() as connection:
            first = await self._store.begin_command(connection, row)
            known = None if first else await self._store.command(connection, person, command.id)
            act = await self._store.begin_act(connection, _begun(request, person)) if first else 0
        if not first:
            return _again(known, route)
        try:
            answer = await work()
        except BaseException as error:
            async with self._store.begin() as connection:
                await self._store.forget_command(connection, person, command.id)
                if isinstance(error, Problem):
                    await self._store.drop_act(connection, act)
            raise
        async with self._store.begin() as connection:
            kept = {"location": answer.location, "facts": answer.facts}
            await self._store.answer_command(connection, person, command.id, kept)
            done = _done(request, answer)
            joined = answer.joins and await self._store.join_act(connection, act, done, utcnow() - JOINED)
            if not joined:
                await self._store.finish_act(connection, act, done)
        return answer


def _begun(request: Request, person: str) -> dict[str, Any]:
    action = request.scope["route"].path
    return {"person_id": person, "action": action, "object": _object(request), "at": utcnow()}


def _done(request: Request, answer: Answer) -> dict[str, Any]:
    about = answer.object or _object(request)
    row = {"object": about, "before": answer.before, "after": answer.after or answer.facts or None}
    # a column of JSON that is not said stays empty; None would be written as the JSON null
    return {name: value for name, value in row.items() if value is not None} | {"finished_at": utcnow()}


def _object(request: Request) -> str:
    return next((str(value) for value in request.path_params.values()), "")[:OBJECT]


def _again(known: Any, route: str) -> Answer:
    if known is None or known.answer is None:
        raise Problem(409, "in_flight", "The same command is being carried out.", headers={"Retry-After": "1"})
    if known.route != route:
        raise Problem(422, "command_reused", "This command id came with something else before.", field="command_id")
    return Answer(known.answer["location"], known.answer["facts"])


def answered(request: Request, answer: Answer) -> Response:
    """Return 303 to a browser's form and JSON to a script (R2)."""
    if wants_fragment(request):
        return JSONResponse(answer.facts | {"location": answer.location})
    return RedirectResponse(answer.location, 303)
