"""What auditors do: begin an audit, draw posts, rate them, keep evidence."""

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.guard import Command
from services.reporter.console.pages.audits import AuditId, line_of
from services.reporter.console.pages.judging import labelling_page
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import Unavailable

PostId = Annotated[str, Form(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Rating = Literal["0", "1", "2", "3", "4", "unsure"]
PATIENCE_S, PAUSE_S = 0.3, 0.03
"""How long an action waits for its own word to come back before it leads on (R3)."""


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of audits."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.AUDITOR))]  # noqa: N806 - a type

    async def send(command: Command, service: str, path: str, body: Any, method: str = "POST") -> Any:
        return await parts.services.ask(service, method, path, command.member.token, json=body, key=command.id)

    @router.post("/audits", summary="Begin an audit")
    async def begin_audit(
        request: Request,
        command: Doing,
        title: Annotated[str, Form(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")],
        model: Annotated[str, Form(pattern="^[A-Za-z0-9_-]{0,64}$")] = "",
        topic: Annotated[str, Form(pattern=r"^\d{0,9}$")] = "",
        cut: Annotated[float, Form(gt=0, lt=4)] = 2.0,
        scaffold: Annotated[str, Form(max_length=64)] = "personal",
        group_id: Annotated[str, Form(pattern=r"^([0-9a-f-]{36})?$")] = "",
    ) -> Response:
        """Begin an audit of the system in force and go on to rate posts for it, or to the map of a group's view."""

        async def work() -> Answer:
            body: dict[str, Any] = {"title": title.strip(), "model": model, "cut": cut, "scaffold": scaffold}
            if topic:
                body |= {"kind": "topic", "topic": int(topic)}
            elif group_id:
                body |= {"kind": "group", "group_id": group_id}
            made = await send(command, "auditor", "/v1/audits", body)
            place = f"/audits/{made['id']}" if group_id else f"/audits/{made['id']}/label"
            return Answer(place, {"id": made["id"]})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/audits/{audit_id}/draws", summary="Draw posts to rate")
    async def draw(
        request: Request, command: Doing, audit_id: AuditId, n: Annotated[str, Form(pattern=r"^\d{0,2}$")] = ""
    ) -> Response:
        """Draw twenty posts at first, later as many as asked, or one for each that the person was unsure of."""

        async def work() -> Answer:
            body = {"n": int(n)} if n and int(n) else {}
            made = await send(command, "auditor", f"/v1/audits/{audit_id}/draws", body)
            return Answer(f"/audits/{audit_id}/label", {"drawn": len(made["posts"])})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/audits/{audit_id}/labels", summary="Rate a post")
    async def label(
        request: Request,
        command: Doing,
        audit_id: AuditId,
        post_id: PostId,
        rating: Annotated[Rating, Form()],
        i: Annotated[int, Form(ge=1, le=100_000)] = 1,
    ) -> Response:
        """Keep a rating, the last one of a post counts, and go on to the next post."""

        async def work() -> Answer:
            audit = await line_of(parts, command.member, audit_id)
            said = None if rating == "unsure" else int(rating)
            body = {"post_id": post_id, "rating": said} | ({"model": audit["model"]} if audit["model"] else {})
            await send(command, "ingest", f"/v1/audits/{audit_id}/labels", body)
            await _heard(parts, command, audit_id, i, said)
            return Answer(f"/audits/{audit_id}/label?i={i + 1}", {"post": post_id, "rating": said})

        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Unavailable:
            return await labelling_page(parts, request, command.member, audit_id, str(i), None, rating)

    @router.post("/audits/{audit_id}/reveals", summary="Show the text of a post to rate")
    async def reveal(
        request: Request,
        command: Doing,
        audit_id: AuditId,
        post_id: PostId,
        i: Annotated[int, Form(ge=1, le=100_000)] = 1,
    ) -> Response:
        """Let one post be read until the person moves on."""

        async def work() -> Answer:
            await line_of(parts, command.member, audit_id)
            place = f"/audits/{audit_id}/label?i={i}&opened={command.id}"
            return Answer(place, {"revealed": post_id})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/audits/{audit_id}/evidence", summary="Keep a post as evidence, or let it go")
    async def keep(
        request: Request,
        command: Doing,
        audit_id: AuditId,
        post_id: PostId,
        judgement: Annotated[Literal["agree", "disagree", "unsure", "drop"], Form()],
        here: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        """Keep a post with the person's own judgement of what the system says of it."""

        async def work() -> Answer:
            path = f"/v1/audits/{audit_id}/evidence"
            if judgement == "drop":
                await send(command, "auditor", f"{path}/{quote(post_id, safe='')}", None, "DELETE")
            else:
                await send(command, "auditor", path, {"post_id": post_id, "judgement": judgement})
            back = here if here.startswith(f"/audits/{audit_id}/") else f"/audits/{audit_id}"
            return Answer(f"{back}#p-{post_id}", {"post": post_id, "judgement": judgement})

        return answered(request, await parts.commands.once(request, command, work))

    return router


async def _heard(parts: Parts, command: Command, audit_id: str, place: int, said: int | None) -> None:
    """Wait a little until the auditor has heard a rating, so that the next page counts it."""
    path = f"/v1/audits/{audit_id}/label"
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while loop.time() < until:
        try:
            found = await parts.services.ask("auditor", "GET", path, command.member.token, params={"i": str(place)})
        except Unavailable:
            return
        post = found["post"]
        if post is None or (post["rated"] and post["rating"] == said):
            return
        await asyncio.sleep(PAUSE_S)
