"""Audits: the list, what one is begun with, the map of one, a person beside others, what another system changed."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.reporter.console.contexts import audits as shown
from services.reporter.console.contexts.beside import changes_of, comparison_of
from services.reporter.console.contexts.drawing import map_sketches, place_sketch
from services.reporter.console.members import Member
from services.reporter.console.pages.drawing import drawn
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from services.reporter.report import Person
from shared.errors import Problem, Unavailable, not_found

AuditId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Loose = Annotated[str | None, Query()]
"""A parameter of a page: what we do not know is told and left out, never refused (U2)."""
PLAIN = {"error": shown.ERRORS[0], "statistic": shown.STATISTICS[0]}
CLASSES = ("category", "topic", "severity")


def build_router(parts: Parts) -> APIRouter:
    """Return the pages of audits."""
    router = parts.router()
    Auditor = Annotated[Member, Depends(parts.entrance(Role.AUDITOR))]  # noqa: N806 - a type

    async def ask(member: Member, path: str, **params: str) -> Any:
        return await parts.services.ask("auditor", "GET", path, member.token, params=params)

    @router.get("/audits", summary="Your audits")
    async def audits(
        request: Request,
        member: Auditor,
        cursor: Loose = None,
        archived: Loose = None,
        away: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
    ) -> Response:
        """List a person's audits, with `archived=true` those that were put away, too; what was, can be brought back."""
        given = {"cursor": cursor or "", "archived": "true" if archived == "true" else ""}
        found = await ask(member, "/v1/audits", limit="50", **{name: value for name, value in given.items() if value})
        put = await _or_none(line_of(parts, member, away)) if away else None
        context = shown.audits_of(found, archived == "true", put if put and put["archived_at"] else None)
        return parts.pages.render(request, member, "audits.html", context)

    @router.get("/audits/new", summary="Begin an audit")
    async def new_audit(request: Request, member: Auditor) -> Response:
        """Show what an audit is begun with."""
        language = parts.pages.language(request, member).code
        context = shown.new_audit_of(await ask(member, "/v1/audits/new"), language)
        return parts.pages.render(request, member, "audits_new.html", context)

    @router.get("/audits/{audit_id}", summary="The map of an audit")
    async def audit_map(
        request: Request, member: Auditor, audit_id: AuditId, error: Loose = None, statistic: Loose = None
    ) -> Response:
        """Show how well the model knows the person, how far the system is from them, and every topic."""
        notices: list[str] = []
        errors = shown.one_of(error, shown.ERRORS, "error", notices)
        chosen = shown.one_of(statistic, shown.STATISTICS, "statistic", notices)
        path = f"/v1/audits/{audit_id}"
        try:
            found = await ask(member, path, error=errors, statistic=chosen)
        except Problem as problem:
            if problem.reason != "group_unknown":
                raise
            group = (await line_of(parts, member, audit_id))["group_id"]
            return RedirectResponse(f"/audits/groups/{group}?waiting=true", 303)
        own = found["kind"] != "group"  # what a group says is compared with nobody, and it has one version
        beside, versions, (drawer, _) = await asyncio.gather(
            _or_none(ask(member, f"{path}/compare") if own else None),
            _or_none(versions_asked(parts, member, found["model"]) if own else None),
            drawer_of(parts, member, audit_id),
        )
        known = shown.versions_of(versions or [])
        query = _query(audit_id, {"error": errors, "statistic": chosen}, PLAIN)
        charts = await drawn(parts, request, member, map_sketches(found, query, known))
        context = shown.map_of(found, known, beside, drawer, notices, charts)
        return parts.pages.render(request, member, "audits_map.html", context)

    @router.get("/audits/{audit_id}/compare", summary="You beside other people")
    async def compare(request: Request, member: Auditor, audit_id: AuditId, by: Loose = None) -> Response:
        """Show what a person and others call toxic, class by class."""
        notices: list[str] = []
        chosen = shown.one_of(by, CLASSES, "by", notices)
        audit, found, (drawer, _) = await asyncio.gather(
            line_of(parts, member, audit_id),
            ask(member, f"/v1/audits/{audit_id}/compare", by=chosen),
            drawer_of(parts, member, audit_id),
        )
        sketch = place_sketch(found, f"audit={audit_id}")
        charts = await drawn(parts, request, member, {"others": sketch} if sketch else {})
        context = comparison_of(audit, found, drawer, notices, charts)
        return parts.pages.render(request, member, "audits_compare.html", context)

    @router.get("/audits/{audit_id}/changes", summary="What another system changed")
    async def changes(request: Request, member: Auditor, audit_id: AuditId, before: Loose = None) -> Response:
        """Show an audit's figures under each system it has seen."""
        given = {"before": before} if before and before.isdecimal() and int(before) > 0 else {}
        audit, found, (drawer, _) = await asyncio.gather(
            line_of(parts, member, audit_id),
            ask(member, f"/v1/audits/{audit_id}/changes", **given),
            drawer_of(parts, member, audit_id),
        )
        return parts.pages.render(request, member, "audits_changes.html", changes_of(audit, found, drawer))

    return router


async def line_of(parts: Parts, member: Member, audit_id: str) -> Mapping[str, Any]:
    """Return an audit without its figures. Raises Problem 404 for one that is not there for this person."""
    asked = {"archived": "true", "limit": "200"}
    found = await parts.services.ask("auditor", "GET", "/v1/audits", member.token, params=asked)
    mine = next((each for each in found["audits"] if each["id"] == audit_id), None)
    if mine is None:  # an older one, or an administrator looks at somebody else's
        mine = await parts.services.ask("auditor", "GET", f"/v1/audits/{audit_id}", member.token)
    if not isinstance(mine, dict):
        raise not_found("audit")
    return mine


async def drawer_of(parts: Parts, member: Member, audit_id: str) -> tuple[shown.Drawer, dict[str, str]]:
    """Return an audit's evidence in numbers with its reports, and what was judged of each post."""
    path = f"/v1/audits/{audit_id}/evidence"
    found = await parts.services.ask("auditor", "GET", path, member.token)
    person = Person(member.principal)
    async with parts.store.read() as connection:
        rows = await parts.store.page_of_reports(connection, person.id, after=None, limit=200)
    reports = [
        shown.ReportName(row.id, row.title, row.state, pieces) for row, pieces in rows if row.audit_id == audit_id
    ]
    return shown.drawer_of(found, reports), {each["post_id"]: each["judgement"] for each in found["evidence"]}


async def posts_of(parts: Parts, ids: list[str]) -> dict[str, Any]:
    """Return posts as the reporter knows them: language, marks, and whether they are still there."""
    async with parts.store.read() as connection:
        return await parts.store.scored_posts(connection, ids)


async def versions_asked(parts: Parts, member: Member, model: str) -> Any:
    """Return the versions of one of a person's models, the newest first."""
    path = "/v1/models/personal/me/versions"
    params = {"limit": "50"} | ({"model": model} if model else {})
    return await parts.services.ask("trainer", "GET", path, member.token, params=params)


def _query(audit_id: str, asked: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Return what the other forms of a chart are found by: the audit, and what differs from the defaults."""
    return urlencode({"audit": audit_id} | {name: value for name, value in asked.items() if value != defaults[name]})


async def _or_none(asked: Any) -> Any:
    """Return what a service says, None where it is down, has nothing or is not asked: the page stands without it."""
    try:
        return await asked if asked is not None else None
    except (Unavailable, Problem):
        return None
