"""Steps in the words of `posts.status_changed`, people's decisions about rounds in those of `rounds.decided`."""

from functools import lru_cache
from typing import Any

from services.auditor.rows import step_of
from services.auditor.status.live import Step
from services.auditor.status.record import Kind
from shared.db import Stored
from shared.events import Event, PostStatusChanged, RoundDecided, StatusChange, said
from shared.trusted import trusted


def said_of(step: Step) -> PostStatusChanged:
    """Return what is said about a step; from our own rows: checking it again would cost more than saying it."""
    return trusted(
        PostStatusChanged,
        post_id=step.post_id,
        status=step.status,
        previous=step.previous,
        rule=step.rule,
        sequence=step.sequence,
        first_status=step.first_status,
        first_changed_at=step.first_changed_at,
        locked=step.locked,
        hold_until=step.hold_until,
        model_version=step.model_version,
        changed_at=step.changed_at,
        changes=tuple(_change(each.kind, each.before, each.after) for each in step.changes),
        round_id=step.round_id,
        policy=step.policy or None,
        actor=step.actor,
        reason=step.reason,
    )


@lru_cache(1_024)
def _change(kind: Kind, before: str | None, after: str | None) -> StatusChange:
    """Return a change as it is said; most steps say one of a few."""
    return trusted(StatusChange, kind=kind.value, before=before, after=after)


def events_of(row: Stored) -> list[Event[Any]]:
    """Return the event of a step that no event of a stream caused: time, a person or a round's end did."""
    step = step_of(row._mapping, row.first_status, row.first_changed_at)
    return [said(said_of(step), by="auditor", cause=step.cause_id)]


def decided_of(row: Stored) -> list[Event[Any]]:
    """Return the event of a person's decision about a held round; a round is decided once."""
    data = RoundDecided(
        round_id=row.round_id,
        model_version=row.version,
        decision=row.decision,
        actor=row.decided_by,
        reason=row.reason,
        decided_at=row.decided_at,
    )
    return [said(data, by="auditor", cause=f"{row.round_id}|decided")]
