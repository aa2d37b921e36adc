"""Sends items and reports to a Coop.

Invariant: who wrote a post is never sent; the key goes into one header and into no log and no reason. Source:
interfaces.md section 8; roostorg/coop docs/api/{items,report}.md.
"""

from datetime import datetime
from typing import Any

import orjson

from services.reporter.acts import Decided, Found, Later, Refused, Subject
from services.reporter.delivery import Reached
from services.reporter.outlets import Act, CoopOutlet
from services.reporter.outsider import ask, headers_of
from shared.clock import utcnow

READ_BYTES = 10_000
LONGEST_REASON = 300
TAKEN = {Act.ITEM: (200, 202, 204), Act.REPORT: (200, 201, 204)}
"""Coop's own pages name 201 and 204 for reports; both are taken."""
PASSING = (401, 403, 408, 429)
"""Answers that may be others later; a key can be given what it lacks."""


class CoopClient:
    """One Coop."""

    def __init__(self, outlet: CoopOutlet) -> None:
        self._outlet = outlet
        self._headers = headers_of(**{"X-API-KEY": outlet.api_key.get_secret_value()})

    async def find(self, act: Act, about: Subject, decided: Decided) -> list[Found]:
        """Return the item itself: Coop tells nobody what it has."""
        if about.text is None:
            raise Refused("the text of the post is gone")
        return [Found(about.external_id)]

    async def do(self, act: Act, target: str, about: Subject) -> str:
        """Send the post as an item, or report it; returns the item's id, or the report's where Coop tells it."""
        if act is Act.ITEM:
            await self._post(act, "api/v1/items/async/", {"items": [item(self._outlet, about)]})
            return target
        told = await self._post(act, "api/v1/report", report(self._outlet, about, utcnow()))
        return str(told["reportId"])[:200] if isinstance(told, dict) and told.get("reportId") else target

    async def take_back(self, act: Act, target: str) -> bool:
        """Coop takes nothing back: what a later decision says is sent as an item, where that is asked for."""
        return False

    async def _post(self, act: Act, path: str, body: dict[str, Any]) -> Any:
        answer = await ask(
            "POST",
            f"{self._outlet.base_url.rstrip('/')}/{path}",
            headers=self._headers,
            body=orjson.dumps(body),
            timeout_s=self._outlet.timeout_s,
            read_bytes=READ_BYTES,
            now=utcnow(),
        )
        if answer.reached is not Reached.ANSWERED:
            raise Later(answer.why)
        if answer.status in TAKEN[act]:
            return _json(answer.text)
        if answer.status in PASSING or answer.status >= 500:
            raise Later(f"answered {answer.status}", answer.retry_after_s if answer.status == 429 else None)
        raise Refused(f"answered {answer.status}{_titles(answer.text)}")


def item(outlet: CoopOutlet, about: Subject) -> dict[str, Any]:
    """Return a post as the item it is in Coop; fields that are unknown are left out."""
    known = {name: getattr(about, ours) for name, ours in outlet.fields.items()}
    data = {name: list(value) if isinstance(value, tuple) else value for name, value in known.items() if value}
    return {"id": about.external_id, "typeId": outlet.type_id, "data": data}


def report(outlet: CoopOutlet, about: Subject, now: datetime) -> dict[str, Any]:
    """Return the report about a post."""
    reason: dict[str, Any] = {"reason": about.why}
    if outlet.policy:
        reason["policyId"] = outlet.policy
    return {
        "reporter": {"kind": "user", "typeId": outlet.reporter_type, "id": outlet.reporter_id},
        "reportedAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reportedForReason": reason,
        "reportedItem": item(outlet, about),
    }


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _titles(text: str) -> str:
    """Return what Coop's own errors are called; details could repeat what we sent."""
    said = _json(text)
    errors = said.get("errors") if isinstance(said, dict) else None
    titles = [str(each.get("title", "")) for each in errors or () if isinstance(each, dict)]
    words = "".join(sign for sign in "; ".join(titles) if sign.isprintable())[:LONGEST_REASON]
    return f" ({words})" if words else ""
