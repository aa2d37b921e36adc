"""Several posts decided alike, in one batch that is taken back with one act.

Invariant: each post gets a verdict of its own, on the version that was seen; one that was judged meanwhile is left.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from pydantic import StringConstraints

from services.reporter.console.actions.reviewing import HOLD_S, LOOK_EVERY_S, QueryOf
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.bulk import (
    MOST,
    SAMPLE,
    Chosen,
    Preview,
    batch_of,
    chosen,
    words_of,
)
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.contexts.reviewing import command as told
from services.reporter.console.contexts.reviewing import flagged_categories, spoken
from services.reporter.console.guard import Command
from services.reporter.console.leases import DECIDED_MS
from services.reporter.console.pages.flagged import cards
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.queue import filters_in
from shared.errors import Problem, Unavailable, not_found
from shared.vocabulary import CATEGORIES, Verdict

AT_ONCE = 4
"""Requests to ingest that are under way at the same time."""
PATIENCE_S = 2.0
"""How long an answer waits for our own tables to hear of a batch."""
Proof = Annotated[str, StringConstraints(max_length=120)]
BatchId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{8,64}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of batches."""
    router = parts.router()
    bulk = Bulk(parts)

    @router.post("/bulk/reviews", summary="Decide several posts alike")
    async def decide(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        verdict: Annotated[Verdict, Form()],
        post: Annotated[list[Proof], Form(max_length=900)] = [],  # noqa: B006 - the framework copies it
        expected: Annotated[list[str], Form(max_length=12)] = [],  # noqa: B006
        query: QueryOf = "",
        alike: Annotated[str, Form(max_length=64)] = "",
        sure: Annotated[bool, Form()] = False,
    ) -> Response:
        """Show a sample first; once somebody is sure, tell ingest of each post under one batch id."""
        if len(post) > MOST:
            raise Problem(422, "too_many", f"At most {MOST} posts are decided at once.", field="post")
        picked = await bulk.picked(command, post)
        if not picked:
            raise Problem(422, "missing", "Choose at least one post.", field="post")
        where = filters_in(query)
        boxes = [each for each in expected if each in CATEGORIES]

        async def work() -> Answer:
            facts = await bulk.decide(command, picked, verdict, boxes or None)
            counts = {name: facts[name] for name in ("verdict", "stale", "failed")} | {"posts": len(facts["words"])}
            return Answer(PATH + where.query(batch=command.id), facts, object=command.id, after=counts)

        failed = False
        if sure:
            try:
                return answered(request, await parts.commands.once(request, command, work))
            except Unavailable:
                failed = True
        ids = [each.post_id for each in picked[:SAMPLE]]
        async with parts.store.read() as connection:
            rows = await parts.store.reviewed_posts(connection, ids)
            sample = await cards(parts, connection, command.member, [rows[each] for each in ids if each in rows])
        page = Preview(
            verdict=verdict.value,
            proofs=tuple(post),
            sample=tuple(sample),
            left=0,
            alike=alike,
            expected=tuple(boxes),
            query=where.query(),
            back=PATH + where.query(),
            failed=failed,
        )
        return parts.pages.render(request, command.member, "bulk.html", page, Around(status=503 if failed else 200))

    @router.post("/bulk/{batch}/retract", summary="Take a batch back")
    async def retract(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        batch: BatchId,
        query: QueryOf = "",
    ) -> Response:
        """Say that every verdict of an own batch is taken back; the history keeps both."""

        async def work() -> Answer:
            facts = await bulk.take_back(command, batch)
            return Answer(PATH + filters_in(query).query(), facts)

        return answered(request, await parts.commands.once(request, command, work))

    return router


class Bulk:
    """What the forms of batches do."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def picked(self, command: Command, proofs: Sequence[str]) -> tuple[Chosen, ...]:
        """Return the posts somebody chose. Raises Problem 422 for one that was not on their page."""
        async with self._parts.store.read() as connection:
            secret = await self._parts.store.cursor_secret(connection)
        try:
            return chosen(command.member.id, proofs, secret)
        except ValueError:
            raise Problem(422, "not_seen", "A post was chosen that was not on your page.", field="post") from None

    async def decide(
        self, command: Command, picked: Sequence[Chosen], verdict: Verdict, ticked: list[str] | None
    ) -> dict[str, Any]:
        """Give every post the same verdict; return facts. Raises Unavailable if none of them could be told."""
        async with self._parts.store.read() as connection:
            rows = await self._parts.store.reviewed_posts(connection, [each.post_id for each in picked])

        async def one(each: Chosen) -> str | None:
            row = rows.get(each.post_id)
            if row is None:
                return None
            said = spoken(verdict, flagged_categories(row), ticked)
            words = told(said, verdict, each.post_id, each.version, HOLD_S, command.id)
            try:
                return await self._tell(command, words, each.post_id)
            except Problem as problem:
                if problem.reason != "stale_version":
                    raise
                return None

        results = await self._all([one(each) for each in picked])
        words = [(name, each.post_id) for name, each in zip(results, picked, strict=True) if isinstance(name, str)]
        failed = sum(isinstance(each, Unavailable) for each in results)
        if failed and not words:
            raise Unavailable("ingest")
        for _, post_id in words:
            await self._parts.leases.take(command.member, post_id, DECIDED_MS)
        await self._heard([name for name, _ in words], taken_back=False)
        stale = len(picked) - len(words) - failed
        return {"batch": command.id, "verdict": verdict.value, "words": words, "stale": stale, "failed": failed}

    async def take_back(self, command: Command, batch: str) -> dict[str, Any]:
        """Take back every verdict of an own batch. Raises Problem 404, and Unavailable if not all could be told."""
        store = self._parts.store
        async with store.read() as connection:
            first = await store.command(connection, command.member.id, batch)
            found = batch_of(first)
            if found is None:
                raise not_found("batch of yours")
            known = await store.words(connection, [name for name, _ in words_of(first)])
        words = [each for each in words_of(first) if each[0] not in known or not known[each[0]].retracted]

        async def one(name: str, post_id: str) -> str | None:
            back = {"post_id": post_id, "verdict": found.verdict, "retracts": name, "hold_s": HOLD_S}
            return await self._tell(command, back, name)

        results = await self._all([one(name, post_id) for name, post_id in words])
        if any(isinstance(each, Unavailable) for each in results):
            raise Unavailable("ingest")
        await self._heard([name for name, _ in words], taken_back=True)
        return {"taken_back": len(words)}

    async def _tell(self, command: Command, words: dict[str, Any], about: str) -> str:
        answer = await self._parts.services.ask(
            "ingest", "POST", "/v1/feedback", command.member.token, json=words, key=f"{command.id}-{about}"
        )
        return str(answer["id"])

    async def _all(self, acts: Sequence[Any]) -> list[str | Unavailable | None]:
        """Do acts, a few at a time; what could not be reached comes back as Unavailable."""
        few = asyncio.Semaphore(AT_ONCE)

        async def one(act: Any) -> str | Unavailable | None:
            async with few:
                try:
                    name: str | None = await act
                except Unavailable as error:
                    return error
                except Problem as problem:
                    if problem.status == 429:
                        return Unavailable("ingest")
                    raise
                return name

        return list(await asyncio.gather(*(one(act) for act in acts)))

    async def _heard(self, names: Sequence[str], *, taken_back: bool) -> None:
        """Wait a while until our tables know these verdicts, or that they were taken back."""
        for _ in range(round(PATIENCE_S / LOOK_EVERY_S)):
            async with self._parts.store.read() as connection:
                known = await self._parts.store.words(connection, names)
            if all(
                name in known and known[name].post_id is not None and known[name].retracted >= taken_back
                for name in names
            ):
                return
            await asyncio.sleep(LOOK_EVERY_S)
