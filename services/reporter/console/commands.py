"""One act per command id: the same form again, from a double click or a lost answer, gets the first answer.

Invariant: what is kept of an answer is where it led and facts about it, never a word of a post.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from services.reporter.console.guard import Command
from services.reporter.console.rendering import wants_fragment
from services.reporter.store import Store
from shared.clock import utcnow
from shared.errors import Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: the page to go to, and facts for a script (JSON)."""

    location: str
    facts: dict[str, Any] = field(default_factory=dict)


class Commands:
    """Remembers what people did."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def once(self, request: Request, command: Command, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer of `work`, or the one it gave before.

        Raises Problem 409 while the first one is still under way and 422 if the id was used for something else. What
        raises may be tried again under the same id.
        """
        person, route = command.member.id, request.url.path
        row = {"person_id": person, "command_id": command.id, "route": route, "answer": None, "at": utcnow()}
        async with self._store.begin() as connection:
            first = await self._store.begin_command(connection, row)
            known = None if first else await self._store.command(connection, person, command.id)
        if not first:
            return _again(known, route)
        try:
            answer = await work()
        except BaseException:
            async with self._store.begin() as connection:
                await self._store.forget_command(connection, person, command.id)
            raise
        async with self._store.begin() as connection:
            kept = {"location": answer.location, "facts": answer.facts}
            await self._store.answer_command(connection, person, command.id, kept)
        return answer


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
