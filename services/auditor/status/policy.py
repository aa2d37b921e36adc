"""The rules of a round as data: when a status locks, whose word locks it, how holds count, how many flips are too many.

Sources: Community Notes' `constants.py` and `note_status_history.py` at 8 Oct 2024, 61dc69bc (Jan 2025) and 273c8958
(Jul 2026). Names of rules count with their version: another version of a trusted name is not trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from services.auditor.status.record import Millis

DAY: Millis = 86_400_000
LOCK_AGE: Millis = 14 * DAY
TRACKED_FROM: Millis = 1_652_918_400_000
"""19 May 2022 UTC: deleted notes are only known from here on."""
SMOOTHING = 100
CHECKED_ABOVE = 200
"""A round of so many rows, or fewer, has no flip check."""


class HoldOrder(StrEnum):
    """Whether a hold is written before the lock is looked at, or only where nothing is locked."""

    BEFORE_LOCK = "before_lock"
    UNLOCKED_ONLY = "unlocked_only"


@dataclass(frozen=True, slots=True)
class Limits:
    """Share of statuses gained and lost up to which a check passes."""

    gained: float
    lost: float


@dataclass(frozen=True)
class Policy:
    """What a ledger goes by. With `strict` the rules of Ombud, without it those of Community Notes, surprises included.

    `undecided` is the status of a subject nobody has decided, `flagged` the one whose flips are counted, `statuses` the
    codes that are known (None: any text).
    """

    name: str
    undecided: str
    flagged: str
    trusted: frozenset[str]
    lock_age: Millis = LOCK_AGE
    tracked_from: Millis | None = None
    hold_order: HoldOrder = HoldOrder.UNLOCKED_ONLY
    churn_passes: Literal["below", "at_most"] = "at_most"
    churn_stops_at_first: bool = False
    churn_limits: Mapping[str, Limits] | None = None
    churn_checked_above: int = CHECKED_ABOVE
    churn_smoothing: int = SMOOTHING
    has_threshold_time: bool = False
    statuses: frozenset[str] | None = None
    strict: bool = False


NMR = "NEEDS_MORE_RATINGS"
CRH = "CURRENTLY_RATED_HELPFUL"
CRNH = "CURRENTLY_RATED_NOT_HELPFUL"

_TRUSTED_OCT_2024 = frozenset(
    {
        "CoreModel (v1.1)",
        *(f"GroupModel{n:02d} (v1.1)" for n in range(1, 15)),
        "InsufficientExplanation (v1.0)",
        "MultiGroupModel01 (v1.0)",
    }
)
_TRUSTED_DEC_2024 = _TRUSTED_OCT_2024 | {"ExpansionModel (v1.1)"}
_TRUSTED_JUL_2026 = _TRUSTED_DEC_2024 | {
    "CoreWithTopicsModel (v1.1)",
    *(f"GroupModel{n}{kind} (v1.1)" for n in (15, 18, 33) for kind in ("", "NMR")),
    "GaussianModel (v1.0)",
    "GaussianCoreWithTopicsModel (v1.0)",
}

ALL = "ALL_NOTES"
SOMEWHAT_RECENT = "NOTES_CREATED_SOMEWHAT_RECENTLY"
NEW_NOT_RESCORED = "NEW_NOTES_NOT_RESCORED_RECENTLY_ENOUGH"
NEW_RATINGS = "NOTES_WITH_NEW_RATINGS"
FLIPPED_BEFORE = "NOTES_FLIPPED_PREVIOUS_RUN"
FLIPPED_NOT_RESCORED = "RECENTLY_FLIPPED_NOTES_NOT_RESCORED_RECENTLY_ENOUGH"
HELD = "NMR_DUE_TO_MIN_STABLE_CRH_TIME"
LOCKING = "LOCKING_ELIGIBLE_RECENT_UNLOCKED_NOTES"

FULL = (ALL, SOMEWHAT_RECENT, NEW_NOT_RESCORED)
PARTIAL = (NEW_NOT_RESCORED, NEW_RATINGS, FLIPPED_BEFORE, FLIPPED_NOT_RESCORED, HELD, LOCKING)
"""Subsets that are checked when everything is scored, and when only some notes are."""

_LIMITS_2024 = {
    ALL: Limits(0.2, 0.2),
    SOMEWHAT_RECENT: Limits(0.06, 0.06),
    NEW_NOT_RESCORED: Limits(0.05, 0.05),
    NEW_RATINGS: Limits(0.80, 0.25),
    FLIPPED_BEFORE: Limits(1e8, 1e8),
    FLIPPED_NOT_RESCORED: Limits(1e8, 1e8),
    HELD: Limits(1.0, 1.0),
    LOCKING: Limits(0.05, 0.05),
}
_LIMITS_2026 = {
    ALL: Limits(0.3, 0.3),
    SOMEWHAT_RECENT: Limits(0.15, 0.15),
    NEW_NOT_RESCORED: Limits(0.12, 0.12),
    NEW_RATINGS: Limits(1.2, 0.4),
    FLIPPED_BEFORE: Limits(1e7, 1e7),
    FLIPPED_NOT_RESCORED: Limits(1e7, 1e7),
    HELD: Limits(1.0, 1.0),
    LOCKING: Limits(0.12, 0.12),
}


def _notes(name: str, trusted: frozenset[str], limits: Mapping[str, Limits], *, recent: bool = False) -> Policy:
    return Policy(
        name,
        NMR,
        CRH,
        trusted,
        tracked_from=TRACKED_FROM,
        hold_order=HoldOrder.UNLOCKED_ONLY if recent else HoldOrder.BEFORE_LOCK,
        churn_passes="at_most" if recent else "below",
        churn_stops_at_first=not recent,
        churn_limits=limits,
        has_threshold_time=recent,
    )


PROFILES: Mapping[str, Policy] = {
    "2024-10": _notes("2024-10", _TRUSTED_OCT_2024, _LIMITS_2024),
    "2024-12": _notes("2024-12", _TRUSTED_DEC_2024, _LIMITS_2024),
    "2026-07": _notes("2026-07", _TRUSTED_JUL_2026, _LIMITS_2026, recent=True),
}
"""Generations of Community Notes' scorer, by name."""

STATUSES = frozenset({"needs_review", "flagged", "cleared"})

NATIVE = Policy(
    "ombud-1",
    "needs_review",
    "flagged",
    frozenset({"reviewer", "consensus"}),
    churn_limits={ALL: Limits(0.2, 0.2)},
    statuses=STATUSES,
    strict=True,
)
"""What Ombud itself goes by: people's words lock a status, a model's score alone never does."""
