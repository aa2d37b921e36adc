"""What a browser is told of an event: ids and numbers, by the role of whoever listens."""

from collections.abc import Mapping
from typing import Any

from services.reporter.console.roles import Role, may

TOPICS: Mapping[str, tuple[Role, ...]] = {
    "posts.scored": (Role.VIEWER,),
    "posts.status_changed": (Role.VIEWER,),
    "posts.corrected": (Role.VIEWER,),
    "posts.deleted": (Role.VIEWER,),
    "models.promoted": (Role.VIEWER,),
    "reports.completed": (Role.AUDITOR,),
    "reports.submitted": (Role.AUDITOR,),
}
"""Stream -> whose browsers hear of it."""
OF_POSTS = ("post_id", "overall", "flagged", "status", "verdict")
OF_MODELS = ("model_version",)
OF_REPORTS = ("report_id", "state")
POSTS_FOR = (Role.REVIEWER, Role.AUDITOR)
HELD = "held"
"""Topic of leases, which are no events of the feed: told as they happen, and not again."""


def told(role: Role, stream: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what somebody is told of an event, None if it is not for them. A viewer hears that, not which post."""
    if stream not in TOPICS or not may(role, TOPICS[stream]):
        return None
    data = event["data"]
    if stream.startswith("models."):
        return {name: data[name] for name in OF_MODELS if name in data}
    if stream.startswith("reports."):
        return {name: data[name] for name in OF_REPORTS if name in data}
    if not may(role, POSTS_FOR):
        return {}
    facts = {**data, "post_id": data.get("post", data).get("post_id")}
    return {name: facts[name] for name in OF_POSTS if facts.get(name) is not None}


def held(
    role: Role, reader: str, post_id: str, person_id: str, name: str, left_s: int, by: str = ""
) -> dict[str, Any] | None:
    """Return what somebody is told of a lease, None if it is not for them. `name` is empty for the reader's own.

    `by`: who handed the post over; only who gets it is told.
    """
    if not may(role, POSTS_FOR):
        return None
    if person_id != reader:
        return {"post_id": post_id, "name": name, "left_s": left_s}
    return {"post_id": post_id, "name": "", "left_s": left_s, **({"by": by} if by else {})}
