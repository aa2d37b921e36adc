"""Draws the charts of a page: what is ready in time stands in the page, the rest comes after it."""

import asyncio
from collections.abc import Mapping

from fastapi import Request

from services.reporter.console.contexts.drawing import INLINE, Drawn, Sketch
from services.reporter.console.marking import called
from services.reporter.console.members import Member
from services.reporter.console.parts import Parts

READY_S = 0.15
"""What is not drawn by then is fetched by the page later."""


async def drawn(parts: Parts, request: Request, member: Member, sketches: Mapping[str, Sketch]) -> dict[str, Drawn]:
    """Return charts as a page shows them."""

    async def one(sketch: Sketch) -> Drawn:
        small = len(sketch.marks) <= INLINE
        svg = await picture(parts, request, member, sketch, READY_S) if small else None
        return Drawn(sketch.chart, sketch.query, sketch.marks, parts.charts.there, svg)

    made = await asyncio.gather(*(one(each) for each in sketches.values()))
    return dict(zip(sketches, made, strict=True))


async def picture(parts: Parts, request: Request, member: Member, sketch: Sketch, within_s: float) -> str | None:
    """Return a drawing in which every mark has its name; None if it is not ready within that time."""
    svg = await parts.charts.svg(sketch.chart.spec, parts.pages.language(request, member).code, within_s)
    if svg is None or not sketch.marks:
        return svg
    lines = parts.pages.lines(request, member, "_audits_marks.html", sketch.marks)
    return called(svg, {mark.href: line for mark, line in zip(sketch.marks, lines, strict=True)})
