"""Reports: the list, one report, and what would leave with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.reporter import avid_export
from services.reporter.console.contexts import reports as shown
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.markdown import to_markdown
from services.reporter.report import (
    Evidence,
    Person,
    Report,
    ReportState,
    Standing,
    follow_up,
    missing,
    to_evidence,
    to_report,
)
from services.reporter.store import Connection, Stored
from shared.errors import Problem, not_found

ReportId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
AFTER = r"^[0-9a-f-]{36}$"
OF_A_PAGE = 50
KINDS = {"md": "text/markdown; charset=utf-8", "json": "application/json"}


@dataclass(frozen=True)
class Loaded:
    """A report with everything that its pages show."""

    row: Stored
    report: Report
    evidence: list[Evidence]
    posts: Mapping[str, Any]
    deliveries: list[Stored]
    steps: Sequence[Stored]


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of reports."""
    router = parts.router()
    Auditor = Annotated[Member, Depends(parts.entrance(Role.AUDITOR))]  # noqa: N806 - a type

    @router.get("/reports", summary="Your reports")
    async def reports(
        request: Request,
        member: Auditor,
        after: Annotated[str | None, Query(pattern=AFTER)] = None,
        removed: Annotated[str | None, Query(pattern=AFTER)] = None,
    ) -> Response:
        """List a person's reports, newest first; what was put away just now can be taken back."""
        async with parts.store.read() as connection:
            found = await parts.store.page_of_reports(connection, member.principal, after=after, limit=OF_A_PAGE)
            sent = await parts.store.deliveries_of(connection, [row.id for row, _ in found])
        lines = tuple(shown.line_of(row, pieces, sent.get(row.id, [])) for row, pieces in found)
        context = shown.Reports(
            lines,
            sum(each.state == "draft" for each in lines),
            lines[-1].id if len(lines) == OF_A_PAGE else None,
            removed or "",
        )
        return parts.pages.render(request, member, "reports.html", context)

    @router.get("/reports/{report_id}", summary="A report")
    async def report(
        request: Request,
        member: Auditor,
        report_id: ReportId,
        saved: Annotated[bool, Query()] = False,
        measured: Annotated[int | None, Query(ge=0, le=20)] = None,
        unshared: Annotated[bool, Query()] = False,
    ) -> Response:
        """Show a report: a draft as a form, a complete one as it was frozen."""
        found = await load(parts, member, report_id)
        context = replace(report_page(found, member, saved=saved, measured=measured), unshared=unshared)
        return parts.pages.render(request, member, "reports_one.html", context)

    @router.get("/reports/{report_id}/file.{kind}", summary="A report as a file")
    async def file(member: Auditor, report_id: ReportId, kind: Annotated[Literal["md", "json"], Path()]) -> Response:
        """Answer with the report for people, or with the AVID document, whatever its state."""
        if kind == "json":
            body = avid_export.to_bytes(await parts.reporting.writing.export(report_id, person_of(member)))
        else:
            found = await load(parts, member, report_id)
            row = found.row
            facts = {"state": row.state, "version": row.version, "completed_at": row.completed_at}
            body = to_markdown(found.report, found.evidence, **facts).encode()
        name = f'attachment; filename="report-{report_id}.{kind}"'
        return Response(body, media_type=KINDS[kind], headers={"Content-Disposition": name})

    @router.get("/reports/{report_id}/submit", summary="What would leave")
    async def submission(request: Request, member: Auditor, report_id: ReportId) -> Response:
        """Show the exact document, what it lacks, and how far it is on its way."""
        return await submission_page(parts, request, member, report_id)

    return router


def person_of(member: Member) -> Person:
    """Return who asks; administrators see everybody's reports."""
    return Person(member.principal, member.role is Role.ADMIN)


async def load(parts: Parts, member: Member, report_id: str) -> Loaded:
    """Return a report of this person. Raises Problem 404."""
    async with parts.store.read() as connection:
        row = await parts.store.report(connection, report_id, person_of(member))
        if row is None:
            raise not_found("report")
        return await load_of(parts, connection, row)


async def load_of(parts: Parts, connection: Connection, row: Stored) -> Loaded:
    """Return a report that was found with everything that its pages show."""
    evidence = [to_evidence(each) for each in await parts.store.evidence_of(connection, row.id)]
    posts = await parts.store.scored_posts(connection, [each.post_id for each in evidence])
    sent = (await parts.store.deliveries_of(connection, [row.id])).get(row.id, [])
    steps = await parts.store.steps_of(connection, row.id)
    return Loaded(row, to_report(row), evidence, posts, sent, steps)


def standing_of(posts: Mapping[str, Any]) -> dict[str, Standing]:
    """Return how posts that are still there are judged now, by id."""
    return {
        post_id: Standing(each.text, each.overall, each.flagged, each.model_version)
        for post_id, each in posts.items()
        if each.deleted_at is None and not each.hidden
    }


def report_page(
    found: Loaded, member: Member, *, saved: bool = False, measured: int | None = None, link: str = ""
) -> shown.ReportPage:
    """Return the page of a report; `link` is one that was just made, which is shown this once."""
    return shown.page_of(
        found.row,
        found.report,
        found.evidence,
        found.posts,
        member.preferences.veil,
        missing=missing(found.report, found.evidence) if found.row.state == ReportState.DRAFT else [],
        became=follow_up(found.evidence, standing_of(found.posts)),
        deliveries=found.deliveries,
        steps=found.steps,
        me=member.principal,
        saved=saved,
        measured=measured,
        link=link,
    )


async def submission_page(
    parts: Parts, request: Request, member: Member, report_id: str, refused: str = "", status: int = 200
) -> Response:
    """Return what would leave; `refused` says why a command on it was not carried out."""
    found = await load(parts, member, report_id)
    row, document = found.row, ""
    try:
        whole = await parts.reporting.writing.export(report_id, person_of(member))
        body = avid_export.submission(whole, decimals_as_text=parts.settings.avid_decimals_as_text)
        document = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except Problem as problem:
        if problem.reason != "no_evidence":
            raise
    sent = shown.sent_of(found.deliveries, row.version)
    context = shown.Submission(
        id=row.id,
        version=row.version,
        title=row.title,
        state=shown.state_of(row.state, row.version, sent),
        lacks=shown.lacks_of(missing(found.report, found.evidence)) if row.state == ReportState.DRAFT else (),
        document=document,
        document_hash=row.document_hash,
        configured=parts.reporting.configured,
        sent=sent,
        refused=refused,
    )
    return parts.pages.render(request, member, "reports_submit.html", context, Around(status=status))
