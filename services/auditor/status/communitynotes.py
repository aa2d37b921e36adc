"""Community Notes' columns and what they are in a record; which generations of the history file there are. Pure.

Source: `constants.py` of twitter/communitynotes over time, and the status-history specification, sections 5 and 9.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.auditor.status.policy import Policy
from services.auditor.status.record import Judgement, Millis, Opinions, StatusRecord

ID, AUTHOR, CREATED = "noteId", "noteAuthorParticipantId", "createdAtMillis"
CURRENT, DECIDED_BY = "currentStatus", "currentDecidedBy"
LAST_JUDGED, CHANGED = "timestampMillisOfCurrentStatus", "timestampMillisOfMostRecentStatusChange"
FIRST_AT, FIRST = "timestampMillisOfFirstNonNMRStatus", "firstNonNMRStatus"
LATEST_AT, LATEST = "timestampMillisOfLatestNonNMRStatus", "mostRecentNonNMRStatus"
LOCKED_AT, LOCKED, RETRO_LOCK = "timestampMillisOfStatusLock", "lockedStatus", "timestampMillisOfRetroLock"
CORE, EXPANSION, GROUP = "currentCoreStatus", "currentExpansionStatus", "currentGroupStatus"
MULTI_GROUP = "currentMultiGroupStatus"
MODELING_GROUP, MODELING_MULTI_GROUP = "currentModelingGroup", "currentModelingMultiGroup"
HOLD = "timestampMillisOfNmrDueToMinStableCrhTime"
FIRST_HOLD = "timestampMillisOfFirstNmrDueToMinStableCrhTime"
OUTPUT_MINUTE = "timestampMinuteOfFinalScoringOutput"
THRESHOLD = "abovePcrhThresholdTime"

HISTORY: Mapping[str, str] = {
    ID: "id",
    AUTHOR: "author",
    CREATED: "created_at",
    FIRST_AT: "first_at",
    FIRST: "first_status",
    LAST_JUDGED: "last_judged_at",
    CURRENT: "status",
    LATEST_AT: "latest_at",
    LATEST: "latest_status",
    LOCKED_AT: "locked_at",
    LOCKED: "locked_status",
    RETRO_LOCK: "retro_lock_at",
    CORE: "core",
    EXPANSION: "expansion",
    GROUP: "group_status",
    DECIDED_BY: "rule",
    MODELING_GROUP: "group",
    CHANGED: "changed_at",
    HOLD: "hold",
    MULTI_GROUP: "multi_group",
    MODELING_MULTI_GROUP: "subgroup",
    OUTPUT_MINUTE: "output_minute",
    FIRST_HOLD: "first_hold",
    THRESHOLD: "above_threshold_at",
}
"""Column of the history, in file order -> what it is in a record. Twenty-three of them, and the last since May 2026."""

TEXTS = (AUTHOR, FIRST, CURRENT, LATEST, LOCKED, CORE, EXPANSION, GROUP, DECIDED_BY, MULTI_GROUP)
"""Columns of text; the id is an integer of 64 bits, every other one a number that may be missing."""

ALIASES: Mapping[str, str] = {
    "participantId": AUTHOR,
    "timestampMillisOfMostRecentNonNMRStatus": LATEST_AT,
    "latestNonNMRStatus": LATEST,
    "currentDecidedByKey": DECIDED_BY,
}
"""Names of columns in documents and in files of 2022 -> their names in the code."""

GENERATIONS = (9, 11, 12, 17, 18, 21, 22, 23, 24)
"""How many columns the history had, from July 2022 to May 2026; new ones came at the end."""
NO_TIME = (FIRST_AT, LAST_JUDGED, LATEST_AT)
"""Columns in which -1 says that there is no time, in files of nine columns."""

FINAL = "finalRatingStatus"
UPDATED_HOLD = "updatedTimestampMillisOfNmrDueToMinStableCrhTime"
SCORED: Mapping[str, str] = {
    ID: "id",
    CREATED: "created_at_seen",
    FINAL: "status",
    "decidedBy": "rule",
    "coreRatingStatus": "core",
    "expansionRatingStatus": "expansion",
    "groupRatingStatus": "group_status",
    "modelingGroup": "group",
    UPDATED_HOLD: "hold",
    "multiGroupRatingStatus": "multi_group",
    "modelingMultiGroup": "subgroup",
    THRESHOLD: "above_threshold_at",
}
"""Column of the scored notes -> what it is in a judgement."""
SCORED_TEXTS = (
    FINAL,
    "decidedBy",
    "coreRatingStatus",
    "expansionRatingStatus",
    "groupRatingStatus",
    "multiGroupRatingStatus",
)
NOTES = (ID, AUTHOR, CREATED)

MISSING = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Texts that Community Notes' own reader takes for a missing value: the defaults of pandas."""


def columns(policy: Policy) -> list[str]:
    """Return the columns of a history of this policy, in order."""
    return [name for name in HISTORY if policy.has_threshold_time or name != THRESHOLD]


def scored_columns(policy: Policy) -> list[str]:
    """Return the columns that scored notes of this policy have."""
    return [name for name in SCORED if policy.has_threshold_time or name != THRESHOLD]


def record_of(row: Mapping[str, Any]) -> StatusRecord:
    """Return the record of a row of the history, by column."""
    values = {HISTORY[name]: value for name, value in row.items()}
    opinions = Opinions(*(values.pop(name, None) for name in ("core", "expansion", "group_status", "multi_group")))
    return StatusRecord(**values, opinions=opinions)


def row_of(record: StatusRecord, names: Sequence[str]) -> dict[str, Any]:
    """Return the row of a record, by column."""
    said = record.opinions
    opinions = {CORE: said.core, EXPANSION: said.expansion, GROUP: said.group, MULTI_GROUP: said.multi_group}
    return {name: opinions[name] if name in opinions else getattr(record, HISTORY[name]) for name in names}


def judgements_of(rows: Iterable[Mapping[str, Any]], now: Millis, round_id: str | None = None) -> Iterable[Judgement]:
    """Yield the judgements of scored rows, all of the same moment."""
    for row in rows:
        values = {SCORED[name]: value for name, value in row.items()}
        opinions = Opinions(*(values.pop(name, None) for name in ("core", "expansion", "group_status", "multi_group")))
        yield Judgement(values.pop("id"), now, values.pop("status"), opinions=opinions, round_id=round_id, **values)
