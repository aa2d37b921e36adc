"""What is kept of a subject's status, what moves it, and what a move is. Pure.

Invariant: a time is one of four different things: empty (None), -1, 0, or a positive number of milliseconds; none of
them is ever folded into another. Names of Community Notes' columns are in services.auditor.status.communitynotes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

Millis = float
"""Milliseconds since the Unix epoch; whole but for a round whose clock carries a fraction."""

NEVER: Millis = -1
"""A time of change that says: not since this is written down. Of a hold it says: over, or locked."""


@dataclass(frozen=True, slots=True)
class Opinions:
    """What single models of a scorer said; empty where they said nothing."""

    core: str | None = None
    expansion: str | None = None
    group: str | None = None
    multi_group: str | None = None


NOBODY = Opinions()


@dataclass(slots=True)
class Judgement:
    """One verdict on a subject: a scored row, a model's score or a person's word.

    `rule` is the name of what decided, `hold` an instruction for the waiting time (None: leave it, -1: it is over, else
    since when), `created_at_seen` the subject's creation as the judge knows it, empty if the subject is out of scope.
    """

    subject_id: int | str
    judged_at: Millis
    status: str | None
    rule: str | None = None
    opinions: Opinions = NOBODY
    group: float | None = None
    subgroup: float | None = None
    hold: Millis | None = None
    created_at_seen: Millis | None = None
    above_threshold_at: Millis | None = None
    in_scope: bool = True
    round_id: str | None = None


@dataclass(slots=True)
class StatusRecord:
    """Where one subject stands. Of first, latest and lock the two halves (status, time) are apart: either may be empty.

    `last_judged_at` is when it was last looked at, `changed_at` when its status became another one. `opened_at` is when
    a person opened the last lock: the age that locks counts from there (Ombud only).
    """

    id: int | str
    author: str | None = None
    created_at: Millis | None = None
    first_at: Millis | None = None
    first_status: str | None = None
    last_judged_at: Millis | None = None
    status: str | None = None
    latest_at: Millis | None = None
    latest_status: str | None = None
    locked_at: Millis | None = None
    locked_status: str | None = None
    retro_lock_at: Millis | None = None
    opinions: Opinions = NOBODY
    rule: str | None = None
    group: float | None = None
    changed_at: Millis | None = None
    hold: Millis | None = None
    subgroup: float | None = None
    output_minute: float | None = None
    first_hold: Millis | None = None
    above_threshold_at: Millis | None = None
    opened_at: Millis | None = None

    @property
    def locked(self) -> bool:
        """Return whether either half of the lock is set."""
        return self.locked_status is not None or self.locked_at is not None


_FIELDS = tuple(each.name for each in fields(StatusRecord))


def copied(record: StatusRecord, id: int | str) -> StatusRecord:
    """Return the same record of another subject, or of the same one; in a third of what `copy` takes."""
    made = StatusRecord(id)
    for name in _FIELDS[1:]:
        setattr(made, name, getattr(record, name))
    return made


class Kind(StrEnum):
    """What a change is."""

    STATUS_CHANGED = "status_changed"
    FIRST_DECIDED = "first_decided"
    LATEST_CHANGED = "latest_changed"
    HOLD_STARTED = "hold_started"
    HOLD_ENDED = "hold_ended"
    LOCKED = "locked"
    LOCK_CONFLICT = "lock_conflict"
    UNLOCKED = "unlocked"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the append-only log. `before` and `after` are statuses, or say how a hold began or ended."""

    kind: Kind
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A change with whose it is, when, in which round, and under which rule and policy."""

    subject_id: int | str
    judged_at: Millis
    round_id: str | None
    rule: str | None
    policy: str
    change: Change


@dataclass
class Rejected(ValueError):
    """A round, or a judgement, that must not be applied: why, and the first few ids it is about."""

    cause: str
    said: str
    ids: tuple[int | str, ...] = field(default=())

    def __str__(self) -> str:
        """Return the reason with the ids."""
        named = ", ".join(map(str, self.ids[:MOST_NAMED]))
        more = f" and {len(self.ids) - MOST_NAMED} more" if len(self.ids) > MOST_NAMED else ""
        return f"{self.said}: {named}{more}" if self.ids else self.said


MOST_NAMED = 5
"""Ids a message names."""

DUPLICATE_NOTES = "duplicate_in_notes"
DUPLICATE_HISTORY = "duplicate_in_history"
CREATED_DIFFERS = "created_mismatch"
AUTHOR_DIFFERS = "author_mismatch"
INCOMPLETE = "round_incomplete"
STATUS_MISSING = "status_missing"
AUTHOR_MISSING = "author_missing"
CREATED_MISSING = "created_missing"
UNKNOWN_STATUS = "unknown_status"
UNKNOWN_SUBJECT = "unknown_subject"
LATE = "late"
FLIPS = "flip_check_failed"

REASONS: Mapping[str, str] = {
    DUPLICATE_NOTES: "a note is in the notes more than once",
    DUPLICATE_HISTORY: "a note is in the history more than once",
    CREATED_DIFFERS: "the creation time is another one than in the history",
    AUTHOR_DIFFERS: "the author is another one than in the history",
    INCOMPLETE: "the round does not judge every known subject exactly once",
    STATUS_MISSING: "a judgement names no status",
    AUTHOR_MISSING: "nobody says who the author is",
    CREATED_MISSING: "nobody says when it was created",
    UNKNOWN_STATUS: "no policy knows this status",
    UNKNOWN_SUBJECT: "nobody registered this subject",
    LATE: "it was judged before the last judgement on its subject",
    FLIPS: "too many statuses would flip",
}
"""Cause -> words."""


def rejected(cause: str, ids: Collection[int | str] = ()) -> Rejected:
    """Return the error of a cause."""
    return Rejected(cause, REASONS[cause], tuple(ids))
