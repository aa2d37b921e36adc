"""What several posts would be decided as: a sample of them, before anything is done."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.reporter.console.contexts.bulk import MOST, SAMPLE, Preview, proof
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.members import Member
from services.reporter.console.pages.flagged import cards
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.queue import asked
from services.reporter.store import Connection, Stored
from shared.errors import not_found
from shared.ids import NO_NUL

Word = Annotated[str, Query(max_length=64, pattern=NO_NUL)]


def build_router(parts: Parts) -> APIRouter:
    """Return the page of near-duplicates."""
    router = parts.router()

    @router.get("/bulk/alike", summary="Near-duplicates of a post that was just decided")
    async def alike(
        request: Request, member: Annotated[Member, Depends(parts.entrance(Role.REVIEWER))], word: Word = ""
    ) -> Response:
        """Show what would be decided as the reader's own verdict `word` decided its post."""
        filters = asked(request.query_params.multi_items(), ("word",)).filters
        async with parts.store.read() as connection:
            said: Any = await parts.store.word(connection, word)
            mine = said is not None and said.post_id is not None and said.reviewer == member.principal
            if not mine or said.retracted:
                raise not_found("verdict of yours")
            rows, left = await followers(parts, connection, member, said.post_id)
            secret = await parts.store.cursor_secret(connection)
            page = Preview(
                verdict=said.verdict,
                proofs=tuple(proof(member.id, row.post_id, row.review_version, secret) for row in rows),
                sample=tuple(await cards(parts, connection, member, rows[:SAMPLE])),
                left=left,
                alike=said.correction_id,
                expected=tuple(said.expected or ()) if said.verdict == "incorrect" else (),
                query=filters.query(),
                back=PATH + filters.query(),
            )
        return parts.pages.render(request, member, "bulk.html", page, Around())

    return router


async def followers(parts: Parts, connection: Connection, member: Member, post_id: str) -> tuple[Sequence[Stored], int]:
    """Return the near-duplicates of a post that wait and that nobody else holds, and how many more there are."""
    row = await parts.store.reviewed_post(connection, post_id)
    if row is None or row.text_key is None:
        return [], 0
    rows = await parts.store.waiting_alike(connection, row.text_key, post_id, MOST)
    total = await parts.store.count_waiting_alike(connection, row.text_key, post_id)
    leases = await parts.leases.of([each.post_id for each in rows])
    free = [each for each in rows if each.post_id not in leases or leases[each.post_id].person_id == member.id]
    return free, total - len(free)
