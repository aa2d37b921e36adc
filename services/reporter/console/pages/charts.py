"""Every chart by its key, in the forms a page and a program want: SVG, the spec, CSV."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.charts import Chart
from services.reporter.console.contexts.overview import more_charts, toxicity_of
from services.reporter.console.contexts.period import read_period
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.clock import utcnow
from shared.errors import not_found

WAIT_S = 15.0
Key = Annotated[str, Path(pattern=r"^[a-z-]{1,40}$")]


def build_router(parts: Parts) -> APIRouter:
    """Return the routes of charts."""
    router = parts.router()
    viewer = parts.entrance(Role.VIEWER)

    @router.get("/charts/{key}.svg", summary="A chart as a picture")
    async def picture(request: Request, member: Annotated[Member, Depends(viewer)], key: Key) -> Response:
        """Answer with SVG, whose colours are those of the page it is put into; 404 without the extra `charts`."""
        chart = await _chart(parts, request, key)
        svg = await parts.charts.svg(chart.spec, parts.pages.language(request, member).code, WAIT_S)
        if svg is None:
            raise not_found("picture of this chart")
        return Response(svg, media_type="image/svg+xml")

    @router.get("/charts/{key}.vl.json", summary="A chart as a Vega-Lite spec", dependencies=[Depends(viewer)])
    async def spec(request: Request, key: Key) -> Response:
        """Answer with the spec, data included."""
        return Response(orjson.dumps((await _chart(parts, request, key)).spec), media_type="application/json")

    @router.get("/charts/{key}.csv", summary="The numbers of a chart", dependencies=[Depends(viewer)])
    async def numbers(request: Request, key: Key) -> Response:
        """Answer with the numbers as CSV: decimal points in every language."""
        chart = await _chart(parts, request, key)
        lines = [",".join(chart.columns), *(",".join(_cell(value) for value in row) for row in chart.rows)]
        return Response("\r\n".join([*lines, ""]), media_type="text/csv; charset=utf-8")

    return router


async def _chart(parts: Parts, request: Request, key: str) -> Chart:
    period = read_period(request.query_params, utcnow().date(), models=True)
    async with parts.store.read() as connection:
        rows = await parts.store.days(connection, period.since, period.until, period.language, period.model)
    charts = {"toxicity": toxicity_of(rows, period)[1]} | more_charts(rows, period)
    if key not in charts:
        raise not_found("chart")
    return charts[key]


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
