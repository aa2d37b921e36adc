"""Where a post stands, from what the model and the people who corrected it said. Pure.

Invariant: what a record ends up with depends on which judgements it heard, never on their order or repetition;
only the history (sequence, first status, times of change) tells in which order they came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.vocabulary import Standing, Status, Verdict

Rule = Literal["model", "reviewer"]
"""Whose opinion decides."""

MODEL: Rule = "model"
REVIEWER: Rule = "reviewer"


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator decided: overall scores from `review_from` up to the threshold need review."""

    review_from: float = 0.35

    def status_of(self, overall: float, flagged: bool) -> Status:
        """Return what a score says; whether it passed its threshold was the classifier's decision."""
        if flagged:
            return Status.FLAGGED
        return Status.NEEDS_REVIEW if overall >= self.review_from else Status.CLEARED


@dataclass(frozen=True, slots=True)
class Judgement:
    """One score, one correction, or (`retracts`) the taking back of the correction named by `id`.

    `id` is the score's event id or the correction's id and orders what was judged at the same moment; `cause_id` is
    the id of the event that brought it. A reviewer gives `status`; a model `overall`, `flagged` and what follows.
    """

    post_id: str
    rule: Rule
    id: str
    judged_at: datetime
    cause_id: str
    status: Status | None = None
    retracts: bool = False
    overall: float = 0.0
    flagged: bool = False
    revision: int = 0
    edited_at: datetime | None = None
    model_version: str | None = None
    wants_person: bool = False


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one source holds of a post. Only a model's has a revision, its edit time and a version."""

    status: Status
    judged_at: datetime
    id: str
    revision: int = 0
    edited_at: datetime | None = None
    model_version: str | None = None

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """Return what decides between two opinions of the same source: the greater one is newer."""
        return self.revision, self.judged_at, self.id


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """Where one post stands. A record without a status has heard nothing that says one.

    `corrections` are those that stand, newest first; whoever brings no retraction may leave out all but the newest.
    `retracted` are the ids of those that were taken back, heard of or not.
    """

    post_id: str
    status: Status | None = None
    rule: Rule = MODEL
    model: Opinion | None = None
    corrections: tuple[Opinion, ...] = ()
    retracted: frozenset[str] = frozenset()
    sequence: int = 0
    first_status: Status | None = None
    first_changed_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def reviewer(self) -> Opinion | None:
        """Return the newest correction that was not taken back."""
        return self.corrections[0] if self.corrections else None

    @property
    def last_judged_at(self) -> datetime | None:
        """Return when the newest of the two opinions was formed."""
        model, reviewer = self.model, self.reviewer
        if model is None or reviewer is None:
            held = model or reviewer
            return held.judged_at if held is not None else None
        return max(model.judged_at, reviewer.judged_at)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a post's history; `sequence` counts from 1, and the first step has no `previous`."""

    post_id: str
    sequence: int
    status: Status
    previous: Status | None
    rule: Rule
    model_version: str | None
    cause_id: str
    changed_at: datetime
    first_status: Status
    first_changed_at: datetime


def status_of_correction(
    verdict: Verdict,
    expected: Sequence[str],
    actual: Sequence[str],
    *,
    missed: bool = False,
    standing: Standing = Standing.REVIEWER,
) -> Status:
    """Return what a correction says: `expected` are the person's categories, `actual` those of the score.

    `missed` is a false negative, also without a category. Authors and reporters decide nothing: their word asks a
    reviewer to look (again).
    """
    if verdict is Verdict.UNSURE or standing is not Standing.REVIEWER:
        return Status.NEEDS_REVIEW
    confirmed = verdict is Verdict.CORRECT and bool(actual)
    return Status.FLAGGED if expected or confirmed or missed else Status.CLEARED


def decide(model: Opinion | None, reviewer: Opinion | None) -> tuple[Status, Rule]:
    """Return which status two opinions make and whose it is: the reviewer's, unless the post was edited since.

    A post that is known only from corrections that were all taken back waits for its score: it needs review.
    """
    if reviewer is not None and not _outdated(reviewer, model):
        return reviewer.status, REVIEWER
    return (model.status if model is not None else Status.NEEDS_REVIEW), MODEL


def _outdated(reviewer: Opinion, model: Opinion | None) -> bool:
    return model is not None and model.edited_at is not None and reviewer.judged_at < model.edited_at


def advance(record: StatusRecord, judgement: Judgement, policy: Policy) -> tuple[StatusRecord, Change | None]:
    """Return the record after a judgement, and the step of its history if the status became another one."""
    model, corrections, retracted = record.model, record.corrections, record.retracted
    if judgement.rule == MODEL:
        said = _score(judgement, policy)
        if model is not None and said.rank <= model.rank:
            return record, None
        model = said
    elif judgement.retracts:
        retracted = retracted | {judgement.id}
        corrections = tuple(each for each in corrections if each.id != judgement.id)
        if record.status is None:  # came before what it takes back, and says nothing by itself
            return StatusRecord(record.post_id, retracted=retracted), None
    else:
        corrections = _with(corrections, retracted, judgement)
    status, rule = decide(model, corrections[0] if corrections else None)
    changed = status is not record.status
    sequence = record.sequence + changed
    first_status = record.first_status or status
    first_changed_at = record.first_changed_at or judgement.judged_at
    after = StatusRecord(
        record.post_id,
        status,
        rule,
        model,
        corrections,
        retracted,
        sequence,
        first_status,
        first_changed_at,
        judgement.judged_at if changed else record.changed_at,
    )
    if not changed:
        return after, None
    return after, Change(
        record.post_id,
        sequence,
        status,
        record.status,
        rule,
        model.model_version if model is not None else None,
        judgement.cause_id,
        judgement.judged_at,
        first_status,
        first_changed_at,
    )


def _score(judgement: Judgement, policy: Policy) -> Opinion:
    status = policy.status_of(judgement.overall, judgement.flagged)
    return Opinion(
        Status.NEEDS_REVIEW if judgement.wants_person and status is Status.CLEARED else status,
        judgement.judged_at,
        judgement.id,
        judgement.revision,
        judgement.edited_at,
        judgement.model_version,
    )


def _with(corrections: tuple[Opinion, ...], retracted: frozenset[str], judgement: Judgement) -> tuple[Opinion, ...]:
    if judgement.status is None or judgement.id in retracted or any(each.id == judgement.id for each in corrections):
        return corrections
    said = Opinion(judgement.status, judgement.judged_at, judgement.id)
    return newest_first((*corrections, said))


def newest_first(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    """Return opinions of one source in the order a record keeps them."""
    return tuple(sorted(opinions, key=lambda each: each.rank, reverse=True))


def advance_all(
    records: Mapping[str, StatusRecord], judgements: Iterable[Judgement], policy: Policy
) -> tuple[list[StatusRecord], list[Change]]:
    """Return the records that became others through the judgements, taken in order, and every step they made.

    A post that is not among `records` starts from an empty one.
    """
    after: dict[str, StatusRecord] = {}
    changes = []
    for judgement in judgements:
        post_id = judgement.post_id
        before = after.get(post_id) or records.get(post_id) or StatusRecord(post_id)
        record, change = advance(before, judgement, policy)
        if record is not before:
            after[post_id] = record
        if change is not None:
            changes.append(change)
    return list(after.values()), changes
