"""What else authors do with reports: put a draft away, take that back, share it, add what their audit measured."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.measuring import measurements_of
from services.reporter.console.guard import Command
from services.reporter.console.pages.reports import ReportId, load, person_of, report_page
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role

Version = Annotated[int, Form(ge=1, le=2**31 - 1)]


def build_router(parts: Parts) -> APIRouter:
    """Return the forms of a report as a whole."""
    router = parts.router()
    Doing = Annotated[Command, Depends(parts.acting(Role.AUDITOR))]  # noqa: N806 - a type

    @router.post("/reports/{report_id}/remove", summary="Put a draft away")
    async def remove(request: Request, command: Doing, report_id: ReportId, version: Version) -> Response:
        """Put a draft away that never left; the list offers to take that back."""

        async def work() -> Answer:
            await parts.reporting.owning.remove(report_id, version, person_of(command.member))
            return Answer(f"/reports?removed={report_id}", {"id": report_id})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/reports/{report_id}/restore", summary="Take a removal back")
    async def restore(request: Request, command: Doing, report_id: ReportId) -> Response:
        """Bring a draft back that was put away a moment ago."""

        async def work() -> Answer:
            await parts.reporting.owning.restore(report_id, person_of(command.member))
            return Answer(f"/reports/{report_id}", {"id": report_id})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/reports/{report_id}/measurements", summary="Add what the audit measured")
    async def measure(request: Request, command: Doing, report_id: ReportId, version: Version) -> Response:
        """Put the tests of the report's audit, as they stand now, in the place of those it has."""

        async def work() -> Answer:
            member = command.member
            audit, values = (await load(parts, member, report_id)).row.audit_id, []
            if audit:
                path = f"/v1/audits/{audit}/compare"
                values = measurements_of(await parts.services.ask("auditor", "GET", path, member.token))
            if values:
                author, given = person_of(member), {"measurements": values}
                await parts.reporting.writing.change(report_id, version, author, given, None, {}, {})
            return Answer(f"/reports/{report_id}?measured={len(values)}", {"id": report_id, "measured": len(values)})

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/reports/{report_id}/link", summary="Share a report by a link")
    async def share(request: Request, command: Doing, report_id: ReportId) -> Response:
        """Show a new link this once; an earlier one leads nowhere from now on."""
        made: list[str] = []

        async def work() -> Answer:
            secret = await parts.reporting.owning.share(report_id, person_of(command.member))
            made.append(f"{parts.sessions.origin()}/shared/{secret}")
            return Answer(f"/reports/{report_id}", {"id": report_id})

        answer = await parts.commands.once(request, command, work)
        if not made:  # the same form again: the link was shown the first time
            return answered(request, answer)
        context = report_page(await load(parts, command.member, report_id), command.member, link=made[0])
        return parts.pages.render(request, command.member, "reports_one.html", context)

    @router.post("/reports/{report_id}/link/remove", summary="Stop sharing a report")
    async def unshare(request: Request, command: Doing, report_id: ReportId) -> Response:
        """Let no link lead to a report any more."""

        async def work() -> Answer:
            await parts.reporting.owning.unshare(report_id, person_of(command.member))
            return Answer(f"/reports/{report_id}?unshared=true", {"id": report_id})

        return answered(request, await parts.commands.once(request, command, work))

    return router
