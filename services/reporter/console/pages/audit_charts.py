"""The charts of audits by their keys, asked anew of the auditor in the name of whoever looks."""

import re

from fastapi import Request

from services.reporter.console.contexts import audits as shown
from services.reporter.console.contexts.drawing import Sketch, map_sketches, place_sketch, post_sketch
from services.reporter.console.members import Member
from services.reporter.console.pages.audits import line_of, versions_asked
from services.reporter.console.pages.judging import here_of
from services.reporter.console.parts import Parts
from services.reporter.console.roles import Role
from shared.errors import Problem, not_found

KEYS = ("topics", "plane", "gaps", "versions", "others", "posts")
AUDIT = re.compile(r"^[0-9a-f-]{36}$")


async def audit_sketch(parts: Parts, request: Request, member: Member, key: str) -> Sketch:
    """Return a chart of an audit. Raises Problem 403 for other roles, 404 for one that there is not."""
    if not member.may(Role.AUDITOR):
        raise Problem(403, "missing_role", "Your role does not open this chart.", roles=[Role.AUDITOR])
    given = request.query_params
    audit = given.get("audit", "")
    if not AUDIT.match(audit):
        raise not_found("chart")
    sketch = await _sketch(parts, member, key, audit, dict(given))
    if sketch is None:
        raise not_found("chart")
    return sketch


async def _sketch(parts: Parts, member: Member, key: str, audit: str, given: dict[str, str]) -> Sketch | None:
    ask, path, token = parts.services.ask, f"/v1/audits/{audit}", member.token
    error = shown.one_of(given.get("error"), shown.ERRORS, "error", [])
    if key == "others":
        return place_sketch(await ask("auditor", "GET", f"{path}/compare", token), "")
    if key == "posts":
        topic, words = given.get("topic", ""), given.get("q", "").replace("\0", "")[:200]
        of = f"/topics/{topic}" if re.fullmatch(r"-1|\d{1,9}", topic) else "/search"
        query = {"q": words} if words and of == "/search" else {}
        found = await ask("auditor", "GET", path + of, token, params=query | {"error": error, "limit": "1"})
        return post_sketch(await line_of(parts, member, audit), found["chart"], here_of(audit, of, query, error), "")
    statistic = shown.one_of(given.get("statistic"), shown.STATISTICS, "statistic", [])
    found = await ask("auditor", "GET", path, token, params={"error": error, "statistic": statistic})
    versions = shown.versions_of(await versions_asked(parts, member, found["model"])) if key == "versions" else ()
    return map_sketches(found, "", versions).get(key)
