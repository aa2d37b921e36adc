"""Where to look in an audit: what a scaffold suggests, what disagreements have in common, posts by chance or alike."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response

from services.reporter.console.contexts.audits import audit_of, one_of
from services.reporter.console.contexts.judging import shown_of
from services.reporter.console.contexts.suggesting import Sample, around_of, suggestions_of
from services.reporter.console.members import Member
from services.reporter.console.pages.audits import AuditId, Loose, drawer_of, line_of, posts_of
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import Problem, Unavailable

ORDERS = ("drawn", "mildest", "worst")
SEEDS = 2**31


def build_router(parts: Parts) -> APIRouter:
    """Return the pages that suggest where to look."""
    router = parts.router()
    Auditor = Annotated[Member, Depends(parts.entrance(Role.AUDITOR))]  # noqa: N806 - a type

    async def ask(member: Member, path: str, **params: str) -> Any:
        return await parts.services.ask("auditor", "GET", path, member.token, params=params)

    @router.get("/audits/{audit_id}/suggestions", summary="Where to look")
    async def suggestions(request: Request, member: Auditor, audit_id: AuditId, scaffold: Loose = None) -> Response:
        """Show a scaffold's items for the topics of today, and clusters of what is decided differently."""
        notices: list[str] = []
        audit, listed, (drawer, _), clusters = await asyncio.gather(
            line_of(parts, member, audit_id),
            ask(member, "/v1/scaffolds"),
            drawer_of(parts, member, audit_id),
            _clusters(parts, member, audit_id),
        )
        names = (audit["scaffold"], *(each["name"] for each in listed))
        chosen = one_of(scaffold, names, "scaffold", notices)
        found = await ask(member, f"/v1/scaffolds/{chosen}", audit=audit_id)
        examples = [
            each["post_id"] for cluster in (clusters or {"clusters": ()})["clusters"] for each in cluster["examples"]
        ]
        context = suggestions_of(
            audit,
            found,
            listed,
            clusters,
            await posts_of(parts, examples),
            drawer,
            level=member.preferences.veil,
            language=parts.pages.language(request, member).code,
            notices=notices,
        )
        return parts.pages.render(request, member, "audits_suggestions.html", context)

    @router.get("/audits/{audit_id}/around", summary="Posts by chance, or like one")
    async def around(
        request: Request,
        member: Auditor,
        audit_id: AuditId,
        like: Loose = None,
        seed: Loose = None,
        sort: Loose = None,
    ) -> Response:
        """Show twenty posts drawn by chance, or those whose words are about the same as a post's."""
        notices: list[str] = []
        order = one_of(sort, ORDERS, "sort", notices)
        number = int(seed) if seed and seed.isdecimal() and int(seed) < SEEDS else 0
        if seed and str(number) != seed:
            notices.append("seed")
        path = f"/v1/posts/{quote(like[:128], safe='')}/similar" if like else "/v1/posts/sample"
        params = {} if like else {"n": "20", "seed": str(number), "sort": order}
        audit, (drawer, kept), found = await asyncio.gather(
            line_of(parts, member, audit_id), drawer_of(parts, member, audit_id), ask(member, path, **params)
        )
        ids = [each["post_id"] for each in found["posts"]] + ([like] if like else [])
        posts, level = await posts_of(parts, ids), member.preferences.veil
        known = posts.get(like) if like else None
        asked = {"like": like} if like else {"seed": str(number)} | ({"sort": order} if order != ORDERS[0] else {})
        context = Sample(
            audit_of(audit),
            None if like is None or known is None else shown_of(like, known.text, known, level),
            number,
            order,
            around_of(found["posts"], posts, level),
            kept,
            drawer,
            f"/audits/{audit_id}/around?{urlencode(asked)}",
            tuple(notices),
        )
        return parts.pages.render(request, member, "audits_around.html", context)

    return router


async def _clusters(parts: Parts, member: Member, audit_id: str) -> Any:
    """Return what disagreements have in common; None where that is not told just now."""
    try:
        return await parts.services.ask("auditor", "GET", f"/v1/audits/{audit_id}/clusters", member.token)
    except (Unavailable, Problem):
        return None
