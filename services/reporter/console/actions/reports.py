"""What authors do with reports: begin one out of an audit, change, complete, send, send again, reopen."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import StringConstraints

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.drafting import MOST, Draft, begun_of, draft_of, pieces_of, typed_into
from services.reporter.console.contexts.reports import lacks_of
from services.reporter.console.guard import Command
from services.reporter.console.pages.audits import line_of
from services.reporter.console.pages.reports import ReportId, load, person_of, report_page, submission_page
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.report import AuditCategory, missing
from shared.errors import Problem

Version = Annotated[int, Form(ge=1, le=2**31 - 1)]
PostIds = Annotated[list[Annotated[str, StringConstraints(max_length=128)]], Form(max_length=MOST)]
Words = Annotated[list[Annotated[str, StringConstraints(max_length=2_000)]], Form(max_length=MOST)]
NOTHING: list[str] = []
AUDIT = r"^([0-9a-f-]{36})?$"
TOLD = {409, 422, 429}
"""Refusals that the page itself explains."""


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of reports."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.AUDITOR))]  # noqa: N806 - a type
    writing, owning, submitting = parts.reporting.writing, parts.reporting.owning, parts.reporting.submitting

    @router.post("/reports", summary="Begin a report")
    async def begin(request: Request, command: Doing, audit_id: Annotated[str, Form(pattern=AUDIT)] = "") -> Response:
        """Make a draft, with the evidence of an audit if one is named."""

        async def work() -> Answer:
            draft = await _out_of(parts, command, audit_id) if audit_id else Draft()
            values: dict[str, Any] = draft.values() | {"sep": [], "audit_id": audit_id or None, "scaffold": None}
            author = person_of(command.member)
            made = await writing.begin(author, values, draft.posts, draft.judgements, draft.notes)
            return Answer(f"/reports/{made}", {"id": made})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/reports/{report_id}", summary="Change a draft")
    async def change(
        request: Request,
        command: Doing,
        report_id: ReportId,
        version: Version,
        title: Annotated[str, Form(max_length=200)] = "",
        error_type: Annotated[str, Form(max_length=60)] = "",
        category: Annotated[AuditCategory, Form()] = AuditCategory.OTHER,
        unequal_for: Annotated[Literal["", "group", "similar_posts"], Form()] = "",
        summary: Annotated[str, Form(max_length=10_000)] = "",
        post: PostIds = NOTHING,
        judgement: Words = NOTHING,
        note: Words = NOTHING,
        drop: PostIds = NOTHING,
        auto: Annotated[bool, Form()] = False,
    ) -> Response:
        """Keep what was written; if somebody saved in between both are shown and nothing is lost.

        `auto`: the page saved itself, and the history tells saves like that that follow each other as one.
        """
        try:
            said = pieces_of(post, judgement, note, drop)
        except ValueError as error:
            raise Problem(422, "form_incomplete", f"Nothing was changed: {error}.", field="post") from error
        draft = draft_of(title, error_type, category, unequal_for, summary, said)

        async def work() -> Answer:
            author = person_of(command.member)
            await writing.change(report_id, version, author, draft.values(), draft.posts, draft.judgements, draft.notes)
            found = await load(parts, command.member, report_id)
            facts = {
                "id": report_id,
                "version": found.row.version,
                "lacks": lacks_of(missing(found.report, found.evidence)),
            }
            after = {"version": found.row.version}
            return Answer(f"/reports/{report_id}?saved=true", facts, after=after, joins=auto)

        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Problem as problem:
            if problem.reason not in ("stale_version", "already_complete"):
                raise
        return await conflict(request, command, report_id, draft)

    async def conflict(request: Request, command: Command, report_id: str, draft: Draft) -> Response:
        """Return the page with what was typed and, beside it, what is saved by now."""
        saved = report_page(await load(parts, command.member, report_id), command.member)
        mine = typed_into(saved, draft)
        return parts.pages.render(request, command.member, "reports_one.html", mine, Around(status=409))

    async def sending(request: Request, command: Command, report_id: str, act: Any, to: str = "/submit") -> Response:
        """Do something with a report on its way out; what is refused is explained on its page."""

        async def work() -> Answer:
            await act(person_of(command.member))
            return Answer(f"/reports/{report_id}{to}", {"id": report_id})

        try:
            return answered(request, await parts.commands.once(request, command, work))
        except Problem as problem:
            if problem.status not in TOLD or problem.reason in ("in_flight", "command_reused"):
                raise
            return await submission_page(parts, request, command.member, report_id, problem.reason, problem.status)

    @router.post("/reports/{report_id}/complete", summary="Complete a report")
    async def complete(
        request: Request,
        command: Doing,
        report_id: ReportId,
        version: Version,
        credit: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        """Freeze a draft and its document; nothing leaves by this."""

        async def act(author: Any) -> None:
            named = credit.strip() or None
            await writing.complete(report_id, version, author, named, send=False, **_trace(request))

        return await sending(request, command, report_id, act)

    @router.post("/reports/{report_id}/submit", summary="Send a report to AVID")
    async def submit(request: Request, command: Doing, report_id: ReportId, version: Version) -> Response:
        """Queue the very document that the page shows."""

        async def act(author: Any) -> None:
            await submitting.submit(report_id, version, author, **_trace(request))

        return await sending(request, command, report_id, act)

    @router.post("/reports/{report_id}/redeliver", summary="Send a report again")
    async def redeliver(request: Request, command: Doing, report_id: ReportId) -> Response:
        """Queue what failed, or what nobody knows the end of, once more."""

        async def act(author: Any) -> None:
            await submitting.send_again(report_id, author)

        return await sending(request, command, report_id, act)

    @router.post("/reports/{report_id}/reopen", summary="Make a report a draft again")
    async def reopen(request: Request, command: Doing, report_id: ReportId, version: Version) -> Response:
        """Thaw a report; what waits to be sent is withdrawn."""

        async def act(author: Any) -> None:
            await owning.reopen(report_id, version, author)

        return await sending(request, command, report_id, act, to="")

    return router


async def _out_of(parts: Parts, command: Command, audit_id: str) -> Draft:
    """Return a draft out of an audit's evidence, as far as its posts are still there."""
    audit = await line_of(parts, command.member, audit_id)
    path = f"/v1/audits/{audit_id}/evidence"
    found = (await parts.services.ask("auditor", "GET", path, command.member.token))["evidence"]
    async with parts.store.read() as connection:
        posts = await parts.store.scored_posts(connection, [each["post_id"] for each in found])
    there = {post_id for post_id, row in posts.items() if row.deleted_at is None and not row.hidden}
    return begun_of(audit["title"], [each for each in found if each["post_id"] in there])


def _trace(request: Request) -> dict[str, str | None]:
    state = request.state
    return {
        "correlation_id": getattr(state, "correlation_id", None),
        "traceparent": getattr(state, "traceparent", None),
    }
