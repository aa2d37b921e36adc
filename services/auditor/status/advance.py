"""The transition of one record by one judgement. Pure: no clock, no look at other records.

Invariant: a judgement applies wholly, or raises and leaves the record as it was; everything that can be refused is
refused before the first write. The order of the steps is Community Notes' (status-history specification, section 4).
"""

from services.auditor.status.policy import HoldOrder, Policy
from services.auditor.status.record import (
    CREATED_DIFFERS,
    NEVER,
    STATUS_MISSING,
    UNKNOWN_STATUS,
    Change,
    Judgement,
    Kind,
    StatusRecord,
    rejected,
)

BY_JUDGEMENT, BY_LOCK = "judgement", "lock"


def advance(record: StatusRecord, judgement: Judgement, policy: Policy) -> list[Change]:
    """Move a record by a judgement and return what changed, in order. Raises Rejected."""
    return _strictly(record, judgement, policy) if policy.strict else _as_notes(record, judgement, policy)


def _as_notes(record: StatusRecord, judgement: Judgement, policy: Policy) -> list[Change]:
    """As Community Notes' own code does, surprises included: a lock is not enforced, -1 may be a first hold."""
    final, now, created, seen = judgement.status, judgement.judged_at, record.created_at, judgement.created_at_seen
    if final is None:
        raise rejected(STATUS_MISSING, (record.id,))
    early = policy.tracked_from is not None and created is not None and created < policy.tracked_from
    tracked = seen is not None and not early
    if tracked and seen != created:
        raise rejected(CREATED_DIFFERS, (record.id,))
    changes: list[Change] = []
    hold, before, held = judgement.hold, record.status, record.hold
    record.output_minute = None
    if hold is not None and policy.hold_order is HoldOrder.BEFORE_LOCK:
        record.hold = hold
        if record.first_hold is None:
            record.first_hold = hold
    if final != before:
        record.changed_at = now
        changes.append(Change(Kind.STATUS_CHANGED, before, final))
    elif record.changed_at is None:
        record.changed_at = NEVER
    record.status = final
    record.opinions = judgement.opinions
    record.rule = judgement.rule
    record.group = judgement.group
    record.subgroup = judgement.subgroup
    record.last_judged_at = now
    if (
        record.locked_status is None
        and judgement.rule in policy.trusted
        and created is not None
        and now - created > policy.lock_age
    ):
        record.locked_status = final
        record.locked_at = now
        changes.append(Change(Kind.LOCKED, None, final))
    if record.locked_status is not None:
        record.hold = NEVER
        if policy.has_threshold_time:
            record.above_threshold_at = NEVER
    elif policy.hold_order is HoldOrder.UNLOCKED_ONLY:
        if hold is not None:
            record.hold = hold
            if record.first_hold is None:
                record.first_hold = hold
        if judgement.above_threshold_at is not None and policy.has_threshold_time:
            record.above_threshold_at = judgement.above_threshold_at
    if record.hold != held:
        _note_hold(changes, held, record.hold, BY_LOCK if record.locked_status is not None else BY_JUDGEMENT)
    if tracked and final != policy.undecided:
        _decided(record, final, now, changes)
    return changes


def _strictly(record: StatusRecord, judgement: Judgement, policy: Policy) -> list[Change]:
    """As Ombud means it: a lock stays until a person opens it, and only a real start begins a hold."""
    final, now, created, seen = judgement.status, judgement.judged_at, record.created_at, judgement.created_at_seen
    if final is None:
        raise rejected(STATUS_MISSING, (record.id,))
    if policy.statuses is not None and final not in policy.statuses:
        raise rejected(UNKNOWN_STATUS, (record.id,))
    if seen is not None and seen != created:
        raise rejected(CREATED_DIFFERS, (record.id,))
    if not judgement.in_scope:
        return []
    changes: list[Change] = []
    record.last_judged_at = now
    if record.locked:
        if final != record.status:
            changes.append(Change(Kind.LOCK_CONFLICT, record.status, final))
        return changes
    record.opinions, record.rule = judgement.opinions, judgement.rule
    record.group, record.subgroup = judgement.group, judgement.subgroup
    before = record.status if record.status is not None else policy.undecided
    if final != before:
        record.changed_at = now
        changes.append(Change(Kind.STATUS_CHANGED, before, final))
    elif record.changed_at is None:
        record.changed_at = NEVER
    record.status = final
    held = record.hold
    if judgement.hold is not None and _runs(judgement.hold):
        record.hold = judgement.hold
        record.first_hold = judgement.hold if record.first_hold is None else record.first_hold
    elif judgement.hold is not None and _runs(held):
        record.hold = NEVER
    why = BY_JUDGEMENT
    began = record.opened_at if record.opened_at is not None else created
    if judgement.rule in policy.trusted and began is not None and now - began > policy.lock_age:
        record.locked_status, record.locked_at = final, now
        changes.append(Change(Kind.LOCKED, None, final))
        if _runs(record.hold):
            record.hold, why = NEVER, BY_LOCK
    _note_hold(changes, held, record.hold, why)
    if final != policy.undecided:
        _decided(record, final, now, changes)
    return changes


def unlock(record: StatusRecord) -> list[Change]:
    """Open a lock: a person said so. The next judgement moves the status again."""
    if not record.locked:
        return []
    before, record.locked_status, record.locked_at = record.locked_status, None, None
    return [Change(Kind.UNLOCKED, before, None)]


def _decided(record: StatusRecord, final: str, now: float, changes: list[Change]) -> None:
    if record.first_status is None:
        record.first_status = record.latest_status = final
        record.first_at = record.latest_at = now
        changes.append(Change(Kind.FIRST_DECIDED, None, final))
    elif final != record.latest_status:
        changes.append(Change(Kind.LATEST_CHANGED, record.latest_status, final))
        record.latest_status, record.latest_at = final, now


def _runs(hold: float | None) -> bool:
    return hold is not None and hold >= 0


def _note_hold(changes: list[Change], before: float | None, after: float | None, why: str) -> None:
    if _runs(after) and after != before:
        changes.append(Change(Kind.HOLD_STARTED, None, f"{after:.17g}"))
    elif _runs(before) and not _runs(after):
        changes.append(Change(Kind.HOLD_ENDED, f"{before:.17g}", why))
