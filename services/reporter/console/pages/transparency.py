"""What an operator publishes about moderation, as a page, as JSON, as CSV. Not there unless switched on."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.reporter.console.contexts.period import Period, read_period
from services.reporter.console.contexts.transparency import facts, transparency
from services.reporter.console.parts import Parts
from services.reporter.disclosing import Disclosed, disclosed
from services.reporter.transparency import to_csv
from shared.clock import monotonic, utcnow
from shared.errors import not_found

KEPT_S, KEPT = 60.0, 50
"""How long, and of how many periods, an answer is kept: anybody may ask, and each answer is read from many rows."""


class Published:
    """What was read lately."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: dict[tuple[str, str], tuple[float, Disclosed]] = {}

    async def read(self, request: Request) -> tuple[Period, Disclosed]:
        """Return the period that is asked for and what is published of it. Raises Problem 404 where nothing is."""
        if not self._parts.settings.transparency_page:
            raise not_found("page")
        asked = {name: value for name, value in request.query_params.items() if name != "lang"}
        period = read_period(asked, utcnow().date())
        key, now = (period.first.isoformat(), period.last.isoformat()), monotonic()
        at, known = self._kept.get(key, (float("-inf"), None))
        if known is None or now - at > KEPT_S:
            known = await disclosed(self._parts.store, period.since, period.until)
            self._kept[key] = (now, known)
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
        return period, known


def build_router(parts: Parts) -> APIRouter:
    """Return the public page in its three forms."""
    router = parts.router()
    published = Published(parts)

    @router.get("/transparency", summary="What is published about moderation")
    async def page(request: Request) -> Response:
        """Show counts, how often people reversed the score, how long they took, and what followed."""
        period, found = await published.read(request)
        context = transparency(period, found.lines, found.models)
        return parts.pages.render(request, None, "transparency.html", context)

    @router.get("/transparency.json", summary="The same as JSON")
    async def as_json(request: Request) -> Response:
        """Answer with the same numbers."""
        period, found = await published.read(request)
        return JSONResponse(facts(period, found.lines, found.models))

    @router.get("/transparency.csv", summary="The same as CSV")
    async def as_csv(request: Request) -> Response:
        """Answer with the same numbers, a line each."""
        period, found = await published.read(request)
        about = {"since": period.since.date().isoformat(), "until": period.until.date().isoformat()}
        headers = {"Content-Disposition": 'attachment; filename="transparency.csv"'}
        return Response(to_csv(found.lines, about), media_type="text/csv; charset=utf-8", headers=headers)

    return router
