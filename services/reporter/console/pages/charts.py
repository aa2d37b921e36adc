"""Every chart by its key, in the forms a page and a program want: SVG, the spec, CSV."""

import csv
import gzip
import io
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.contexts.drawing import Sketch
from services.reporter.console.contexts.drift import chart_of
from services.reporter.console.contexts.overview import more_charts, toxicity_of
from services.reporter.console.contexts.period import read_period
from services.reporter.console.contexts.runs import charts_of_runs
from services.reporter.console.members import Member
from services.reporter.console.pages import quality
from services.reporter.console.pages.audit_charts import KEYS, audit_sketch
from services.reporter.console.pages.drawing import picture
from services.reporter.console.pages.runs import LISTED, recent_runs
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.clock import utcnow
from shared.errors import not_found

WAIT_S = 15.0
OF_RUNS = ("run-costs", "run-churn")
FOREVER, SCRIPT = "private, max-age=31536000, immutable", "text/javascript; charset=utf-8"
RUNS = ("=", "+", "-", "@", "\t", "\r")
"""What a cell of words may not begin with, or a spreadsheet runs it."""
Key = Annotated[str, Path(pattern=r"^[a-z-]{1,40}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the routes of charts."""
    router = parts.router()
    viewer = parts.entrance(Role.VIEWER)

    @router.get("/charts/bundle-{edition}.js", summary="The library of charts", dependencies=[Depends(viewer)])
    async def library(request: Request, edition: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]) -> Response:
        """Answer with the library that brings a chart alive; 404 without the extra `charts` and for other editions."""
        packed = await parts.charts.library() if edition == parts.charts.edition else None
        if packed is None:
            raise not_found("library of charts")
        headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=SCRIPT)
        return Response(gzip.decompress(packed), headers=headers, media_type=SCRIPT)

    @router.get("/charts/{key}.svg", summary="A chart as a picture")
    async def drawing(request: Request, member: Annotated[Member, Depends(viewer)], key: Key) -> Response:
        """Answer with SVG, whose colours are those of the page it is put into; 404 without the extra `charts`."""
        svg = await picture(parts, request, member, await _sketch(parts, request, member, key), WAIT_S)
        if svg is None:
            raise not_found("picture of this chart")
        return Response(svg, media_type="image/svg+xml")

    @router.get("/charts/{key}.vl.json", summary="A chart as a Vega-Lite spec")
    async def spec(request: Request, member: Annotated[Member, Depends(viewer)], key: Key) -> Response:
        """Answer with the spec, data included."""
        found = (await _sketch(parts, request, member, key)).chart
        return Response(orjson.dumps(found.spec), media_type="application/json")

    @router.get("/charts/{key}.csv", summary="The numbers of a chart")
    async def numbers(request: Request, member: Annotated[Member, Depends(viewer)], key: Key) -> Response:
        """Answer with the numbers as CSV: decimal points in every language."""
        chart = (await _sketch(parts, request, member, key)).chart
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\r\n")
        lines.writerows([chart.columns, *([_cell(value) for value in row] for row in chart.rows)])
        return Response(out.getvalue(), media_type="text/csv; charset=utf-8")

    return router


async def _sketch(parts: Parts, request: Request, member: Member, key: str) -> Sketch:
    if key in KEYS:
        return await audit_sketch(parts, request, member, key)
    if key in OF_RUNS:
        drawn = charts_of_runs((await recent_runs(parts, member, LISTED))[0] or ())
        if key not in drawn:
            raise not_found("chart")
        return Sketch(drawn[key], "")
    if key == "drift":
        now = await quality.drift_now(parts, member)
        chart = chart_of(now) if now else None
        if chart is None:
            raise not_found("chart")
        return Sketch(chart, "")
    if key in quality.KEYS:
        found = await quality.chart(parts, request.query_params, key)
        if found is None:
            raise not_found("chart")
        return Sketch(found, request.url.query)
    period = read_period(request.query_params, utcnow().date(), models=True)
    async with parts.store.read() as connection:
        rows = await parts.store.days(connection, period.since, period.until, period.language, period.model)
    charts = {"toxicity": toxicity_of(rows, period)[1]} | more_charts(rows, period)
    if key not in charts:
        raise not_found("chart")
    return Sketch(charts[key], period.query)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in RUNS else text
