"""Records, steps, judgements and rounds as rows of tables, and back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.auditor.status.churn import Flips
from services.auditor.status.gating import Decision, Round, State, System
from services.auditor.status.live import Policy, PostRecord, Step, due_at, hold_until, millis
from services.auditor.status.posts import (
    MODEL,
    NO_RATINGS,
    REVIEWER,
    Judgement,
    Opinion,
    Opinions,
    Rating,
)
from services.auditor.status.record import NEVER, Change, Kind, StatusRecord
from shared.vocabulary import Status

MARKS = (
    "created_at",
    "first_at",
    "first_status",
    "last_judged_at",
    "status",
    "latest_at",
    "latest_status",
    "locked_at",
    "locked_status",
    "rule",
    "changed_at",
    "hold",
    "first_hold",
    "opened_at",
)
"""Fields of a StatusRecord that a post has; an empty one is left out."""
EXTRA = ("edited_at", "toxic", "reason", "actor", "round_id")
"""Fields of a judgement that are kept as JSON."""


def record_of(row: Mapping[Any, Any]) -> PostRecord:
    """Return a record from its row, with its newest correction only."""
    opinions = row["opinions"]
    reviewer = _opinion(opinions.get(REVIEWER))
    ratings = {
        rater: Rating(each["toxic"], datetime.fromisoformat(each["at"]), each["id"])
        for rater, each in (row["ratings"] or {}).items()
    }
    held = Opinions(
        _opinion(opinions.get(MODEL)),
        (reviewer,) if reviewer is not None else (),
        frozenset(),
        ratings or NO_RATINGS,
    )
    marks = row["marks"]
    return PostRecord(
        row["post_id"],
        held,
        StatusRecord(row["post_id"], **marks) if marks is not None else _earlier(row),
        row["sequence"],
        Status(row["first_status"]) if row["first_status"] else None,
        row["first_changed_at"],
        row["changed_at"],
    )


def _earlier(row: Mapping[Any, Any]) -> StatusRecord:
    """Return the marks of a row that an earlier release wrote: what can be told of them."""
    record = StatusRecord(row["post_id"])
    if row["status"] is None:
        return record
    record.status, record.rule = row["status"], row["rule"]
    record.created_at = millis(row["first_changed_at"])
    record.changed_at = millis(row["changed_at"])
    record.last_judged_at = millis(row["last_judged_at"] or row["changed_at"])
    if row["status"] == Status.NEEDS_REVIEW and row["sequence"] == 1:
        record.changed_at = NEVER
    if row["first_status"] != Status.NEEDS_REVIEW:
        record.first_status, record.first_at = row["first_status"], record.created_at
    if row["status"] != Status.NEEDS_REVIEW:
        record.latest_status, record.latest_at = row["status"], record.changed_at
    return record


def row_of(record: PostRecord, policy: Policy) -> dict[str, Any]:
    """Return the row of a record."""
    held, marks = record.held, record.marks
    model, reviewer = held.model, held.reviewer
    opinions: dict[str, dict[str, Any]] = {}
    if model is not None:
        opinions[MODEL] = {
            "status": model.status.value,
            "judged_at": model.judged_at,
            "id": model.id,
            "revision": model.revision,
            "edited_at": model.edited_at,
            "model_version": model.model_version,
        }
    if reviewer is not None:
        opinions[REVIEWER] = {"status": reviewer.status.value, "judged_at": reviewer.judged_at, "id": reviewer.id}
    ratings = {
        rater: {"toxic": each.toxic, "at": each.rated_at, "id": each.id} for rater, each in sorted(held.ratings.items())
    }
    return {
        "post_id": record.post_id,
        "status": marks.status,
        "rule": record.rule,
        "opinions": opinions,
        "ratings": ratings or None,
        "marks": {name: value for name in MARKS if (value := getattr(marks, name)) is not None},
        "revision": model.revision if model is not None else 0,
        "model_version": model.model_version if model is not None else None,
        "sequence": record.sequence,
        "first_status": record.first_status and record.first_status.value,
        "first_changed_at": record.first_changed_at,
        "changed_at": record.changed_at,
        "last_judged_at": held.last_judged_at,
        "locked": marks.locked,
        "hold_until": hold_until(record, policy),
        "due_at": due_at(record, policy),
    }


def _opinion(stored: Mapping[str, Any] | None) -> Opinion | None:
    if stored is None:
        return None
    edited_at = stored.get("edited_at")
    return Opinion(
        Status(stored["status"]),
        datetime.fromisoformat(stored["judged_at"]),
        stored["id"],
        stored.get("revision", 0),
        datetime.fromisoformat(edited_at) if edited_at else None,
        stored.get("model_version"),
    )


def step_row(step: Step, *, said: bool) -> dict[str, Any]:
    """Return the row of a step; `said` tells that it leaves with the event that caused it."""
    return {
        "post_id": step.post_id,
        "sequence": step.sequence,
        "status": step.status.value,
        "previous": step.previous and step.previous.value,
        "rule": step.rule,
        "model_version": step.model_version,
        "cause_id": step.cause_id,
        "changed_at": step.changed_at,
        "changes": [[each.kind.value, each.before, each.after] for each in step.changes],
        "locked": step.locked,
        "hold_until": step.hold_until,
        "policy": step.policy,
        "round_id": step.round_id,
        "actor": step.actor,
        "reason": step.reason,
        "announced_at": step.changed_at if said else None,
        "first_status": None if said else step.first_status.value,
        "first_changed_at": None if said else step.first_changed_at,
    }


def step_of(row: Mapping[Any, Any], first_status: str, first_changed_at: datetime) -> Step:
    """Return a step from its row; one of an earlier release changed the status and says no more."""
    changes = tuple(Change(Kind(kind), before, after) for kind, before, after in row["changes"] or ())
    return Step(
        row["post_id"],
        row["sequence"],
        Status(row["status"]),
        Status(row["previous"]) if row["previous"] else None,
        row["rule"],
        row["model_version"],
        row["cause_id"],
        row["changed_at"],
        Status(first_status),
        first_changed_at,
        changes or (Change(Kind.STATUS_CHANGED, row["previous"], row["status"]),),
        bool(row["locked"]),
        row["hold_until"],
        row["policy"] or "",
        row["round_id"],
        row["actor"],
        row["reason"],
    )


def judgement_row(said: Judgement, policy: Policy) -> dict[str, Any]:
    """Return the row of a judgement as it was received."""
    extra = {name: value for name in EXTRA if (value := getattr(said, name)) is not None}
    return {
        "cause_id": said.cause_id,
        "post_id": said.post_id,
        "rule": said.rule,
        "id": said.id,
        "judged_at": said.judged_at,
        "status": said.status and said.status.value,
        "taken_back": "retracts" if said.retracts else "void" if said.void else None,
        "revision": said.revision,
        "model_version": said.model_version,
        "rater": said.rater,
        "extra": extra or None,
        "policy": policy.version,
    }


def judgement_of(row: Mapping[Any, Any]) -> Judgement:
    """Return a judgement from its row."""
    extra = dict(row["extra"] or {})
    if "edited_at" in extra:
        extra["edited_at"] = datetime.fromisoformat(extra["edited_at"])
    return Judgement(
        row["post_id"],
        row["rule"],
        row["id"],
        row["judged_at"],
        row["cause_id"],
        Status(row["status"]) if row["status"] else None,
        row["taken_back"] == "retracts",
        row["taken_back"] == "void",
        row["revision"],
        model_version=row["model_version"],
        rater=row["rater"],
        **extra,
    )


def staged_row(said: Judgement, subsets: Sequence[str]) -> dict[str, Any]:
    """Return the row of a score that waits in a round."""
    return {
        "cause_id": said.cause_id,
        "post_id": said.post_id,
        "judged_at": said.judged_at,
        "status": said.status and said.status.value,
        "revision": said.revision,
        "edited_at": said.edited_at,
        "model_version": said.model_version,
        "subsets": list(subsets),
    }


def staged_judgement(row: Mapping[Any, Any]) -> Judgement:
    """Return the judgement of a score that waits, with its round."""
    return Judgement(
        row["post_id"],
        MODEL,
        row["cause_id"],
        row["judged_at"],
        row["cause_id"],
        Status(row["status"]),
        revision=row["revision"],
        edited_at=row["edited_at"],
        model_version=row["model_version"],
        round_id=row["round_id"],
    )


def round_of_row(row: Mapping[Any, Any]) -> Round:
    """Return a round from its row."""
    return Round(
        row["round_id"],
        row["version"],
        row["number"],
        State(row["state"]),
        Decision(row["decision"]) if row["decision"] else None,
        row["last_heard_at"],
        row["decided_at"],
        row["rows"],
        tuple(Flips(**each) for each in row["flips"] or ()),
    )


def flips_rows(found: Iterable[Flips]) -> list[dict[str, Any]]:
    """Return what flip checks found as it is kept."""
    return [asdict(each) for each in found]


def system_of(row: Mapping[Any, Any]) -> System:
    """Return a model that was put in force; one of an earlier release has a lineage of its own and no gate."""
    return System(row["model_version"], row["root"] or row["model_version"], bool(row["gated"]), row["promoted_at"])
