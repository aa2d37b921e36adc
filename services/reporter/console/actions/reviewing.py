"""People decide: verdicts, taking them back, showing a veiled text, holding a post, going on to the next one."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.flagged import PATH
from services.reporter.console.contexts.reviewing import command as told
from services.reporter.console.contexts.reviewing import flagged_categories, spoken
from services.reporter.console.guard import Command
from services.reporter.console.leases import DECIDED_MS
from services.reporter.console.members import Member
from services.reporter.console.pages.flagged import decides_blind, handed_to
from services.reporter.console.pages.focus import Focus
from services.reporter.console.pages.post import More, PostId, show
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import wants_fragment
from services.reporter.console.roles import Role
from services.reporter.mixing import Part
from services.reporter.queue import PAGE, Filters, Place, asked
from shared.clock import utcnow
from shared.errors import Problem, Unavailable, not_found
from shared.vocabulary import CATEGORIES, Verdict

HOLD_S = 30
"""How long nothing outside follows from a verdict, so that it can be taken back (L5)."""
PATIENCE_S, LOOK_EVERY_S = 0.3, 0.02
"""How long an answer waits for our own tables to hear of what was accepted (R3)."""
LOOKED_AT = 8
"""Pages of a queue that are searched for a post nobody else holds."""
Back = Annotated[Literal["list", "post"], Form()]
QueryOf = Annotated[str, Form(max_length=2000)]


def filters_of(query: str) -> Filters:
    """Return the filters of the address somebody came from."""
    return asked(parse_qsl(query.removeprefix("?")), ("cursor", "since", "done")).filters


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of reviewers."""
    router = parts.router()
    reviewing = Reviewing(parts)

    @router.post("/posts/{post_id}/reviews", summary="Give a verdict")
    async def review(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        verdict: Annotated[Verdict, Form()],
        seen_version: Annotated[int, Form(ge=0, le=2**31 - 2)],
        query: QueryOf = "",
        back: Back = "post",
        boxes: Annotated[bool, Form()] = False,
        category: Annotated[list[str], Form(max_length=12)] = [],  # noqa: B006 - the framework copies it
    ) -> Response:
        """Tell ingest, wait for our tables, go on; a word that somebody overtook shows both."""
        filters = filters_of(query)

        async def work() -> Answer:
            ticked = [each for each in category if each in CATEGORIES] if boxes else None
            name = await reviewing.speak(command, post_id, verdict, seen_version, ticked)
            await parts.leases.take(command.member, post_id, DECIDED_MS)
            await parts.leases.settle(command.member, post_id)
            facts = {"correction_id": name, "verdict": verdict.value}
            if back == "list":
                await reviewing.heard(name)
                return Answer(PATH + filters.query(done=name), facts)
            going = reviewing.next(command.member, filters, post_id, decided=True)
            _, after = await asyncio.gather(reviewing.heard(name), going)
            if after is None:
                return Answer(PATH + filters.query(done=name), facts)
            return Answer(f"/posts/{after}{filters.query(done=name)}", facts | {"next": after})

        try:
            answer = await parts.commands.once(request, command, work)
            after = answer.facts.get("next")
            if after is None or not wants_fragment(request):
                return answered(request, answer)
            return await show(parts, request, command.member, after, filters, done=answer.facts["correction_id"])
        except Unavailable:
            more = More(failed=verdict.value, status=503)
        except Problem as problem:
            if problem.reason != "stale_version":
                raise
            more = More(conflict=verdict.value, status=409)
        if wants_fragment(request) and (more.failed or back == "list"):
            raise Problem(more.status, "stale_version" if more.conflict else "unavailable", "It was not saved.")
        return await show(parts, request, command.member, post_id, filters, more=more)

    @router.post("/posts/{post_id}/retractions", summary="Take a verdict back")
    async def retract(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        correction_id: Annotated[str, Form(max_length=64)],
        query: QueryOf = "",
        back: Back = "post",
    ) -> Response:
        """Say that an own verdict is taken back; the history keeps both."""

        async def work() -> Answer:
            await reviewing.take_back(command, post_id, correction_id)
            where = filters_of(query).query()
            return Answer(PATH + where if back == "list" else f"/posts/{post_id}{where}")

        answer = await parts.commands.once(request, command, work)
        if back == "list" or not wants_fragment(request):
            return answered(request, answer)
        return await show(parts, request, command.member, post_id, filters_of(query))

    @router.post("/posts/{post_id}/reveals", summary="Show a veiled text")
    async def reveal(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER, Role.AUDITOR))],
        post_id: PostId,
        query: QueryOf = "",
        masks: Annotated[int, Form(ge=0, le=1000)] = 0,
    ) -> Response:
        """Count it and show the page with the text; no address leads there, so moving on veils it again.

        `masks`: only so many masked places; a post counts once, with the first of them.
        """

        async def work() -> Answer:
            async with parts.store.begin() as connection:
                if await parts.store.reviewed_post(connection, post_id) is None:
                    raise not_found("post")
                if masks <= 1:
                    await parts.store.count_reveal(connection, command.member.id, utcnow().date().isoformat())
            return Answer(f"/posts/{post_id}{filters_of(query).query()}")

        await parts.commands.once(request, command, work)
        return await show(
            parts, request, command.member, post_id, filters_of(query), more=More(revealed=not masks, opened=masks)
        )

    @router.post("/posts/{post_id}/lease", summary="Hold a post while deciding it")
    async def hold(
        request: Request, command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))], post_id: PostId
    ) -> Response:
        """Take or renew the lease; `held` says whether nobody else has it."""
        held = await parts.leases.take(command.member, post_id)
        return answered(request, Answer(f"/posts/{post_id}", {"held": held}))

    @router.post("/posts/{post_id}/lease/release", summary="Give a post back")
    async def give_back(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        post_id: PostId,
        token: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """Release the lease, if it is this session's."""
        released = await parts.leases.release(command.member, post_id, token or None)
        return answered(request, Answer(PATH, {"released": released}))

    @router.post("/analysis/flagged/next", summary="Start with the next post that nobody holds")
    async def go_on(
        request: Request,
        command: Annotated[Command, Depends(parts.acting(Role.REVIEWER))],
        query: QueryOf = "",
        after: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """Lease the next post of a queue and go there."""
        filters = filters_of(query)

        async def work() -> Answer:
            found = await reviewing.begin(command.member, filters, after or None)
            return Answer(f"/posts/{found}{filters.query()}" if found else PATH + filters.query())

        return answered(request, await parts.commands.once(request, command, work))

    return router


class Reviewing:
    """What the forms of reviewers do."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def speak(
        self, command: Command, post_id: str, verdict: Verdict, seen_version: int, ticked: list[str] | None
    ) -> str:
        """Tell ingest a verdict and return its id. Raises Problem and Unavailable."""
        async with self._parts.store.read() as connection:
            row = await self._parts.store.reviewed_post(connection, post_id)
        if row is None or row.own_overall is None or row.deleted_at is not None:
            raise not_found("post")
        said = spoken(verdict, flagged_categories(row), ticked)
        name = await self._tell(command, told(said, verdict, post_id, seen_version, HOLD_S))
        if decides_blind(command.member, row):
            async with self._parts.store.begin() as connection:
                await self._parts.store.note_blind(connection, name)
        return name

    async def take_back(self, command: Command, post_id: str, correction_id: str) -> None:
        """Tell ingest that somebody takes their own word back. Raises Problem 403 for a word of somebody else."""
        async with self._parts.store.read() as connection:
            word = await self._parts.store.word(connection, correction_id)
        if word is None or word.post_id != post_id:
            raise not_found("verdict")
        if word.reviewer != command.member.principal:
            raise Problem(403, "not_yours", "Only who gave a verdict takes it back.")
        if word.retracted:
            return
        told = {"post_id": post_id, "verdict": word.verdict, "retracts": correction_id, "hold_s": HOLD_S}
        name = await self._tell(command, told)
        await self.heard(name, gone=correction_id)
        await self._parts.leases.take(command.member, post_id)

    async def begin(self, member: Member, filters: Filters, after: str | None) -> str | None:
        """Take the lease of what a colleague handed over, else that of the next post of a queue."""
        async with self._parts.store.read() as connection:
            handed = await handed_to(self._parts, connection, member, but=after or "")
        for each in handed:
            if await self._parts.leases.take(member, each.post_id):
                return each.post_id
        return await self.next(member, filters, after)

    async def next(self, member: Member, filters: Filters, after: str | None, *, decided: bool = False) -> str | None:
        """Take the lease of the next post of a queue that nobody else holds; from its start when its end is reached.

        The post `after` itself is not given again; `decided`: a verdict was just given on it.
        """
        async with self._parts.store.read() as connection:
            way = await Focus(self._parts, member, filters, utcnow()).after(connection, after, decided=decided)
        for part, place in way.steps:
            found = await self._free(member, filters, part, place, after)
            if found:
                return found
        return None

    async def _free(
        self, member: Member, filters: Filters, part: Part, place: Place | None, but: str | None
    ) -> str | None:
        for _ in range(LOOKED_AT):
            async with self._parts.store.read() as connection:
                rows = await self._parts.store.page_of_queue(connection, filters, place, PAGE, part)
            for row in rows:
                if row.post_id != but and await self._parts.leases.take(member, row.post_id):
                    return str(row.post_id)
            if len(rows) < PAGE:
                return None
            place = Place(rows[-1].sorted_by, rows[-1].post_id)
        return None

    async def heard(self, name: str, gone: str | None = None) -> None:
        """Wait a moment until our tables have a word, or that the word `gone` was taken back."""
        for _ in range(round(PATIENCE_S / LOOK_EVERY_S)):
            async with self._parts.store.read() as connection:
                word = await self._parts.store.word(connection, gone or name)
            if word is not None and word.post_id is not None and (gone is None or word.retracted):
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _tell(self, command: Command, words: dict[str, object]) -> str:
        answer = await self._parts.services.ask(
            "ingest", "POST", "/v1/feedback", command.member.token, json=words, key=command.id
        )
        return str(answer["id"])
