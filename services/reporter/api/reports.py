"""HTTP: reports and their exports. Everything of a report is its author's, and of whoever has the scope `admin`.

Invariant: somebody else's report is answered like one that does not exist.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from services.reporter import avid_export
from services.reporter.api.shapes import (
    AtVersion,
    Completion,
    LinkView,
    MissingView,
    NewReport,
    ReportChange,
    ReportHistory,
    ReportLine,
    ReportPage,
    ReportView,
    SharedReport,
    StepView,
    delivery_view,
    evidence_view,
    follow_up_view,
    shared_evidence,
)
from services.reporter.avid import AvidReport
from services.reporter.markdown import to_markdown
from services.reporter.owning import Owning
from services.reporter.report import (
    Evidence,
    Person,
    ReportState,
    Standing,
    follow_up,
    missing,
    to_evidence,
    to_report,
)
from services.reporter.store import Connection, Store, Stored
from services.reporter.submitting import Submitting
from services.reporter.writing import Writing
from shared.auth import KeyRing, Principal, require
from shared.errors import not_found
from shared.ids import digest
from shared.masking import mask
from shared.vocabulary import Scope

ReportId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="Id of a report.")]
Link = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{20,64}$", description="The secret end of a shared link.")]
OWN_CATEGORIES = {"title", "error_type", "audit_category", "summary", "unequal_for", "sep", "measurements"}
OF_A_NEW_ONE = OWN_CATEGORIES | {"audit_id", "scaffold"}
QUIET = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def build_router(store: Store, writing: Writing, owning: Owning, submitting: Submitting, keys: KeyRing) -> APIRouter:
    """Return the routes of reports."""
    router = APIRouter(tags=["reports"])
    Author = Annotated[Principal, Depends(require(keys, Scope.REPORT))]  # noqa: N806 - a type

    @router.post("/v1/reports", status_code=201, summary="Begin a report")
    async def begin_report(body: NewReport, author: Author) -> ReportView:
        """Make a draft; its evidence is copied from the posts as they stand now."""
        values = body.model_dump(mode="json", include=OF_A_NEW_ONE)
        report_id = await writing.begin(
            _person(author), values, body.post_ids, body.judgements, body.notes, body.predictions
        )
        return await _view(store, report_id, _person(author))

    @router.get("/v1/reports", summary="List your reports")
    async def list_reports(
        author: Author,
        everybody: Annotated[
            bool, Query(description="Everybody's; needs the scope admin, and is else ignored.")
        ] = False,
        limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
        after: Annotated[
            str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next` of the page before.")
        ] = None,
    ) -> ReportPage:
        """Answer with your reports, newest first, each with its deliveries."""
        whose = None if everybody and author.may(Scope.ADMIN) else author.id
        async with store.read() as connection:
            rows = await store.page_of_reports(connection, whose, after=after, limit=limit)
            sent = await store.deliveries_of(connection, [row.id for row, _ in rows])
        lines = [_line(row, pieces, sent.get(row.id, [])) for row, pieces in rows]
        return ReportPage(reports=lines, next=lines[-1].id if len(lines) == limit else None)

    @router.get("/v1/reports/{report_id}.md", summary="A report as Markdown")
    async def report_as_markdown(report_id: ReportId, author: Author) -> PlainTextResponse:
        """Answer with the whole report for people; personal data of strangers is masked."""
        async with store.read() as connection:
            row, evidence, _ = await _load(store, connection, report_id, _person(author))
        text = to_markdown(
            to_report(row), evidence, state=row.state, version=row.version, completed_at=row.completed_at
        )
        return PlainTextResponse(text, media_type="text/markdown; charset=utf-8", headers=QUIET)

    @router.get("/v1/reports/{report_id}/avid.json", summary="A report as AVID document")
    async def report_as_avid(report_id: ReportId, author: Author) -> Response:
        """Answer with the exact document; of a draft, with what it would become now."""
        data = avid_export.to_bytes(await writing.export(report_id, _person(author)))
        return Response(data, media_type="application/json", headers={**QUIET, "ETag": f'"{digest(data)}"'})

    @router.get("/v1/reports/{report_id}/history", summary="What was done with a report")
    async def report_history(report_id: ReportId, author: Author) -> ReportHistory:
        """Answer with every step, oldest first: who did what at which version, never what was written."""
        async with store.read() as connection:
            if await store.report(connection, report_id, _person(author)) is None:
                raise not_found("report")
            steps = await store.steps_of(connection, report_id)
        return ReportHistory(steps=[StepView.model_validate(each, from_attributes=True) for each in steps])

    @router.get("/v1/reports/{report_id}", summary="Read a report")
    async def read_report(report_id: ReportId, author: Author) -> ReportView:
        """Answer with a report, its evidence, its deliveries, what it lacks and what became of its cases since."""
        return await _view(store, report_id, _person(author))

    @router.patch("/v1/reports/{report_id}", summary="Change a draft")
    async def change_report(report_id: ReportId, body: ReportChange, author: Author) -> ReportView:
        """Change what is given. Answers 409 `stale_version` if somebody saved the draft in between."""
        given = body.model_dump(mode="json", include=OWN_CATEGORIES & body.model_fields_set)
        values = {name: value for name, value in given.items() if value is not None or name == "unequal_for"}
        await writing.change(
            report_id,
            body.version,
            _person(author),
            values,
            body.post_ids,
            body.judgements,
            body.notes,
            body.predictions,
        )
        return await _view(store, report_id, _person(author))

    @router.delete("/v1/reports/{report_id}", status_code=204, summary="Remove a draft")
    async def remove_report(
        report_id: ReportId,
        author: Author,
        version: Annotated[int, Query(ge=1, le=2**31 - 1, description="The version you saw.")],
    ) -> Response:
        """Put a draft away. It can be restored for a day; one that was ever submitted is kept (409 `was_submitted`)."""
        await owning.remove(report_id, version, _person(author))
        return Response(status_code=204)

    @router.post("/v1/reports/{report_id}/restore", summary="Take a removal back")
    async def restore_report(report_id: ReportId, author: Author) -> ReportView:
        """Bring a removed draft back; 404 once it is gone for good."""
        await owning.restore(report_id, _person(author))
        return await _view(store, report_id, _person(author))

    @router.post("/v1/reports/{report_id}/complete", summary="Complete a report")
    async def complete_report(report_id: ReportId, body: Completion, author: Author, request: Request) -> ReportView:
        """Freeze a draft and announce it. Answers 422 with every reason if it is not eligible."""
        if body.send:
            await submitting.check(_person(author))
        trace = _trace(request)
        await writing.complete(report_id, body.version, _person(author), body.credit, send=body.send, **trace)
        return await _view(store, report_id, _person(author))

    @router.post("/v1/reports/{report_id}/reopen", summary="Make a complete report a draft again")
    async def reopen_report(report_id: ReportId, body: AtVersion, author: Author) -> ReportView:
        """Thaw a report; what waits to be sent is withdrawn, what was sent stays sent at its version."""
        await owning.reopen(report_id, body.version, _person(author))
        return await _view(store, report_id, _person(author))

    @router.post("/v1/reports/{report_id}/submit", status_code=202, summary="Send a report to AVID")
    async def submit_report(report_id: ReportId, body: AtVersion, author: Author, request: Request) -> ReportView:
        """Queue the very document that `avid.json` shows. Asking again for the same version sends nothing twice."""
        await submitting.submit(report_id, body.version, _person(author), **_trace(request))
        return await _view(store, report_id, _person(author))

    @router.post("/v1/reports/{report_id}/redeliver", status_code=202, summary="Send a report again")
    async def redeliver_report(report_id: ReportId, author: Author) -> ReportView:
        """Queue a delivery that failed or whose outcome is unknown; a _person(author)'s decision, never a timer's."""
        await submitting.send_again(report_id, _person(author))
        return await _view(store, report_id, _person(author))

    @router.post("/v1/reports/{report_id}/link", status_code=201, summary="Share a report by a link")
    async def share_report(report_id: ReportId, author: Author) -> LinkView:
        """Answer with a new link, told only once; an earlier one stops working."""
        return LinkView(path=f"/v1/shared/{await owning.share(report_id, _person(author))}")

    @router.delete("/v1/reports/{report_id}/link", status_code=204, summary="Stop sharing a report")
    async def unshare_report(report_id: ReportId, author: Author) -> Response:
        """Let no link lead to the report."""
        await owning.unshare(report_id, _person(author))
        return Response(status_code=204)

    @router.get("/v1/shared/{link}", summary="A shared report", dependencies=[Depends(require(keys, Scope.READ))])
    async def shared_report(link: Link, response: Response) -> SharedReport:
        """Answer with the report a link leads to, as it is now."""
        async with store.read() as connection:
            row = await store.shared_report(connection, digest(link.encode()))
            if row is None:
                raise not_found("shared report")
            _, evidence, now = await _load(store, connection, row.id, Person(row.created_by))
        response.headers.update(QUIET | {"Referrer-Policy": "no-referrer"})
        words = {name: mask(getattr(row, name)) for name in ("title", "error_type", "summary")}
        plain = ("audit_category", "state", "version", "updated_at", "completed_at")
        return SharedReport(
            follow_up=follow_up_view(follow_up(evidence, now)),
            evidence=[shared_evidence(each) for each in evidence],
            **words,
            **{name: getattr(row, name) for name in plain},
        )

    @router.get("/v1/avid/schema", summary="Schema of the AVID document")
    async def avid_schema() -> dict[str, Any]:
        """Answer with the JSON schema every exported document passes."""
        return AvidReport.model_json_schema()

    return router


def _person(author: Principal) -> Person:
    return Person(author.id, author.may(Scope.ADMIN))


def _trace(request: Request) -> dict[str, str | None]:
    state = request.state
    return {
        "correlation_id": getattr(state, "correlation_id", None),
        "traceparent": getattr(state, "traceparent", None),
    }


def _line(row: Any, pieces: int, sent: list[Any]) -> ReportLine:
    made = {"evidence", "deliveries"}
    return ReportLine(
        evidence=pieces,
        deliveries=[delivery_view(each) for each in sent],
        **{name: getattr(row, name) for name in ReportLine.model_fields if name not in made},
    )


async def _load(
    store: Store, connection: Connection, report_id: str, person: Person
) -> tuple[Stored, list[Evidence], dict[str, Standing]]:
    """Return a report, its evidence and how its posts stand now. Raises Problem 404."""
    row = await store.report(connection, report_id, person)
    if row is None:
        raise not_found("report")
    evidence = [to_evidence(each) for each in await store.evidence_of(connection, report_id)]
    posts = await store.scored_posts(connection, [each.post_id for each in evidence])
    now = {
        post_id: Standing(each.text, each.overall, each.flagged, each.model_version)
        for post_id, each in posts.items()
        if each.deleted_at is None and not each.hidden
    }
    return row, evidence, now


async def _view(store: Store, report_id: str, person: Person) -> ReportView:
    async with store.read() as connection:
        row, evidence, now = await _load(store, connection, report_id, person)
        sent = (await store.deliveries_of(connection, [report_id])).get(report_id, [])
    lacks = missing(to_report(row), evidence) if row.state == ReportState.DRAFT else []
    made = {"missing", "evidence", "deliveries", "follow_up", "shared", "measurements"}
    return ReportView(
        missing=[MissingView(field=each.field, reason=each.reason, detail=each.detail) for each in lacks],
        follow_up=follow_up_view(follow_up(evidence, now)),
        evidence=[evidence_view(each, now.get(each.post_id)) for each in evidence],
        deliveries=[delivery_view(each) for each in sent],
        shared=row.link_hash is not None,
        measurements=row.measurements or [],
        **{name: getattr(row, name) for name in ReportView.model_fields if name not in made},
    )
