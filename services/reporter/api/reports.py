"""HTTP: reports, their exports and their deliveries. Reading needs the scope `read`, changing `report`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from services.reporter import avid_export
from services.reporter.api.shapes import (
    Completion,
    MissingView,
    NewReport,
    ReportChange,
    ReportLine,
    ReportPage,
    ReportView,
    delivery_view,
    evidence_view,
)
from services.reporter.avid import AvidReport
from services.reporter.markdown import to_markdown
from services.reporter.report import ReportState, missing, to_evidence, to_report
from services.reporter.store import Store
from services.reporter.writing import Writing
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.ids import digest
from shared.vocabulary import Scope

ReportId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="Id of a report.")]
OWN_CATEGORIES = {"title", "error_type", "audit_category", "summary", "unequal_for", "sep"}
QUIET = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def build_router(store: Store, writing: Writing, keys: KeyRing) -> APIRouter:
    """Return the routes of reports."""
    router = APIRouter(tags=["reports"])
    reading = [Depends(require(keys, Scope.READ))]
    reporting = [Depends(require(keys, Scope.REPORT))]

    @router.post("/v1/reports", status_code=201, summary="Begin a report", dependencies=reporting)
    async def begin_report(body: NewReport, request: Request) -> ReportView:
        """Make a draft; its evidence is copied from the posts as they stand now."""
        values = body.model_dump(mode="json", include=OWN_CATEGORIES)
        author = request.state.principal.id
        return await _view(store, await writing.begin(author, values, body.post_ids, body.judgements, body.notes))

    @router.get("/v1/reports", summary="List reports", dependencies=reading)
    async def list_reports(
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        after: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
    ) -> ReportPage:
        """Answer with reports, newest first, each with its deliveries."""
        async with store.read() as connection:
            rows = await store.page_of_reports(connection, after=after, limit=limit)
            sent = await store.deliveries_of(connection, [row.id for row, _ in rows])
        lines = [_line(row, pieces, sent.get(row.id, [])) for row, pieces in rows]
        return ReportPage(reports=lines, next=lines[-1].id if len(lines) == limit else None)

    @router.get("/v1/reports/{report_id}.md", summary="A report as Markdown", dependencies=reading)
    async def report_as_markdown(report_id: ReportId) -> PlainTextResponse:
        """Answer with the whole report for people; personal data of strangers is masked."""
        async with store.read() as connection:
            row = await store.report(connection, report_id)
            if row is None:
                raise not_found("report")
            evidence = [to_evidence(each) for each in await store.evidence_of(connection, report_id)]
        text = to_markdown(
            to_report(row), evidence, state=row.state, version=row.version, completed_at=row.completed_at
        )
        return PlainTextResponse(text, media_type="text/markdown; charset=utf-8", headers=QUIET)

    @router.get("/v1/reports/{report_id}/avid.json", summary="A report as AVID document", dependencies=reading)
    async def report_as_avid(report_id: ReportId) -> Response:
        """Answer with the exact document; of a draft, with what it would become now."""
        data = avid_export.to_bytes(await writing.export(report_id))
        return Response(data, media_type="application/json", headers={**QUIET, "ETag": f'"{digest(data)}"'})

    @router.get("/v1/reports/{report_id}", summary="Read a report", dependencies=reading)
    async def read_report(report_id: ReportId) -> ReportView:
        """Answer with a report, its evidence, its deliveries and what it still lacks."""
        return await _view(store, report_id)

    @router.patch("/v1/reports/{report_id}", summary="Change a draft", dependencies=reporting)
    async def change_report(report_id: ReportId, body: ReportChange) -> ReportView:
        """Change what is given. Answers 409 `stale_version` if somebody saved the draft in between."""
        given = body.model_dump(mode="json", include=OWN_CATEGORIES & body.model_fields_set)
        values = {name: value for name, value in given.items() if value is not None or name == "unequal_for"}
        await writing.change(report_id, body.version, values, body.post_ids, body.judgements, body.notes)
        return await _view(store, report_id)

    @router.post("/v1/reports/{report_id}/complete", summary="Complete a report", dependencies=reporting)
    async def complete_report(report_id: ReportId, body: Completion, request: Request) -> ReportView:
        """Freeze a draft and announce it. Answers 422 with every reason if it is not eligible."""
        await writing.complete(report_id, body.version, body.credit, **_trace(request))
        return await _view(store, report_id)

    @router.post(
        "/v1/reports/{report_id}/redeliver", status_code=202, summary="Send a report again", dependencies=reporting
    )
    async def redeliver_report(report_id: ReportId, request: Request) -> ReportView:
        """Queue a delivery that failed or whose outcome is unknown; a person's decision, never a timer's."""
        await writing.send_again(report_id, **_trace(request))
        return await _view(store, report_id)

    @router.get("/v1/avid/schema", summary="Schema of the AVID document")
    async def avid_schema() -> dict[str, Any]:
        """Answer with the JSON schema every exported document passes."""
        return AvidReport.model_json_schema()

    return router


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


async def _view(store: Store, report_id: str) -> ReportView:
    async with store.read() as connection:
        row = await store.report(connection, report_id)
        if row is None:
            raise not_found("report")
        evidence = [to_evidence(each) for each in await store.evidence_of(connection, report_id)]
        sent = (await store.deliveries_of(connection, [report_id])).get(report_id, [])
    lacks = missing(to_report(row), evidence) if row.state == ReportState.DRAFT else []
    made = {"missing", "evidence", "deliveries"}
    return ReportView(
        missing=[MissingView(field=each.field, reason=each.reason, detail=each.detail) for each in lacks],
        evidence=[evidence_view(each) for each in evidence],
        deliveries=[delivery_view(each) for each in sent],
        **{name: getattr(row, name) for name in ReportView.model_fields if name not in made},
    )
