"""How posts move: opinions become a judgement, the native policy moves the record, time ends holds and locks. Pure.

Invariant: what is kept of a post is a fold of `hear` over its judgements in the order they were received; the log of
changes, folded by `from_log`, ends in the same marks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from services.auditor.status.advance import advance, unlock
from services.auditor.status.policy import NATIVE
from services.auditor.status.policy import Policy as Rules
from services.auditor.status.posts import (
    CONSENSUS,
    MODEL,
    PERSON,
    TIME,
    Judgement,
    Opinions,
    decide,
    opinion_of,
    status_of_score,
    with_judgement,
)
from services.auditor.status.record import NEVER, Change, Kind, Millis, StatusRecord, copied
from services.auditor.status.record import Judgement as Verdict
from shared.ids import stable_id
from shared.vocabulary import Status

DAY_S = 86_400.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Policy:
    """What an operator decided; `version` says all of it, so that every judgement can be taken again as it was.

    An automatic flag waits `hold_s` before it shows. A status that a reviewer or a consensus decided locks `lock_age_s`
    after the post was first judged. `raters` who are sure, `share` of them of one mind, are a consensus. With
    `edits_open` the lock of a text ends with the text; it was not always so, and what was heard then stays as it was.
    """

    review_from: float = 0.35
    hold_s: float = 0.0
    lock_age_s: float = 14 * DAY_S
    raters: int = 5
    share: float = 0.8
    edits_open: bool = True

    @property
    def version(self) -> str:
        """Return the name of this policy, with its terms."""
        return _version(self)

    def status_of(self, overall: float, flagged: bool, wants_person: bool = False) -> Status:
        """Return what a score says."""
        return status_of_score(overall, flagged=flagged, review_from=self.review_from, wants_person=wants_person)


@cache
def _version(policy: Policy) -> str:
    return (
        f"{NATIVE.name} review={policy.review_from:g} hold={policy.hold_s:.17g} lock={policy.lock_age_s:.17g} "
        f"raters={policy.raters} share={policy.share:.17g}{' edit=1' if policy.edits_open else ''}"
    )


@cache
def policy_of(version: str) -> Policy:
    """Return the policy of a version's name. Raises ValueError for another name."""
    name, *terms = version.split()
    found = dict(term.partition("=")[::2] for term in terms)
    edits_open = found.pop("edit", None) == "1"
    known = len(found) + edits_open == len(terms) and found.keys() == {"review", "hold", "lock", "raters", "share"}
    if name != NATIVE.name or not known:
        raise ValueError("no policy of ours")
    return Policy(
        float(found["review"]),
        float(found["hold"]),
        float(found["lock"]),
        int(found["raters"]),
        float(found["share"]),
        edits_open,
    )


@cache
def rules_of(policy: Policy) -> Rules:
    """Return the native rules with an operator's lock age."""
    return replace(NATIVE, lock_age=policy.lock_age_s * 1000)


@dataclass(frozen=True, slots=True)
class PostRecord:
    """Where one post stands: what is held of it, and the marks of the status history (`marks`).

    `sequence` counts the steps; `first_status` is the first one, decided or not, `changed_at` since when it is so.
    """

    post_id: str
    held: Opinions = Opinions()
    marks: StatusRecord = field(default_factory=lambda: StatusRecord(""))
    sequence: int = 0
    first_status: Status | None = None
    first_changed_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def status(self) -> Status | None:
        """Return where the post stands, None if nobody said anything that decides."""
        return Status(self.marks.status) if self.marks.status else None

    @property
    def rule(self) -> str:
        """Return whose opinion decides."""
        return self.marks.rule or MODEL

    @property
    def on_hold(self) -> bool:
        """Return whether a flag waits."""
        return self.marks.hold is not None and self.marks.hold >= 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one judgement changed; `sequence` counts from 1, the first step has no `previous`.

    A step without a change of status has its `previous` equal to its `status`. `changes` lists each change once.
    """

    post_id: str
    sequence: int
    status: Status
    previous: Status | None
    rule: str
    model_version: str | None
    cause_id: str
    changed_at: datetime
    first_status: Status
    first_changed_at: datetime
    changes: tuple[Change, ...] = ()
    locked: bool = False
    hold_until: datetime | None = None
    policy: str = ""
    round_id: str | None = None
    actor: str | None = None
    reason: str | None = None


Moved = tuple[PostRecord, list[Step]]


def millis(moment: datetime) -> Millis:
    """Return a moment in whole milliseconds; the product's own clock has no fraction."""
    return float((moment - EPOCH) // MILLISECOND)


def moment_of(at: Millis | None) -> datetime | None:
    """Return the moment of a mark, None if it is empty or -1."""
    return None if at is None or at < 0 else EPOCH + timedelta(milliseconds=at)


def hold_until(record: PostRecord, policy: Policy) -> datetime | None:
    """Return when a flag that waits will show."""
    since = moment_of(record.marks.hold)
    return None if since is None else since + timedelta(seconds=policy.hold_s)


def due_at(record: PostRecord, policy: Policy) -> datetime | None:
    """Return when time itself moves this record next: a hold is over, or a trusted word is old enough to lock."""
    marks = record.marks
    if marks.locked or marks.status is None:
        return None
    if record.on_hold:
        return hold_until(record, policy)
    began = marks.opened_at if marks.opened_at is not None else marks.created_at
    if marks.rule not in NATIVE.trusted or began is None:
        return None
    return EPOCH + timedelta(milliseconds=began + policy.lock_age_s * 1000 + 1)


def hear(before: PostRecord, said: Judgement, policy: Policy) -> Moved:
    """Return the record after a judgement, and the steps it made; what fell due before it comes first.

    A judgement that is late, or was heard before, changes nothing.
    """
    record, steps = settle(before, said.judged_at, policy)
    if said.rule == TIME:
        return record, steps
    if said.rule == PERSON:
        return _opened(record, said, policy, steps)
    held = with_judgement(record.held, said)
    if held is record.held and (record.status is not None or said.retracts):
        return record, steps
    after = record if held is record.held else replace(record, held=held)
    if record.status is None and _says_nothing(said, held, policy):
        return after, steps
    marks = after.marks
    created = millis(said.judged_at)
    if not marks.locked and (marks.created_at is None or created < marks.created_at):
        marks = copied(marks, after.post_id)
        marks.created_at = created
        after = replace(after, marks=marks)
    opened: list[Change] = []
    if _edited(record, said, held, policy):
        after, opened = _without_lock(after, said)
    after, step = _moved(after, said, policy, opened)
    return after, [*steps, step] if step is not None else steps


def _edited(before: PostRecord, said: Judgement, held: Opinions, policy: Policy) -> bool:
    """Return whether a score tells of a text that the lock is not about: written later, or judged by nobody trusted."""
    known, marks = before.held.model, before.marks
    if not (policy.edits_open and marks.locked and said.rule == MODEL) or said.edited_at is None:
        return False
    if known is not None and said.revision <= known.revision:
        return False
    locked_at = moment_of(marks.locked_at)
    later = locked_at is not None and said.edited_at > locked_at
    return later or decide(held, raters=policy.raters, share=policy.share)[1] not in NATIVE.trusted


def _says_nothing(said: Judgement, held: Opinions, policy: Policy) -> bool:
    """Return whether a post nobody judged yet stays so: by a retraction, or by ratings that are too few."""
    if said.retracts:
        return True
    return said.rater is not None and decide(held, raters=policy.raters, share=policy.share)[1] != CONSENSUS


def settle(before: PostRecord, now: datetime, policy: Policy) -> Moved:
    """Return the record as time alone moves it until `now`: holds that are over, statuses that lock."""
    record, steps = before, list[Step]()
    while (due := due_at(record, policy)) is not None and due <= now:
        cause = stable_id("settled", record.post_id, int(millis(due)))
        record, step = _moved(record, Judgement(record.post_id, TIME, cause, due, cause), policy)
        if step is None:  # time moved nothing: never again and again
            return record, steps
        steps.append(step)
    return record, steps


def _opened(record: PostRecord, said: Judgement, policy: Policy, steps: list[Step]) -> Moved:
    """Open a lock by a person's word; what was said meanwhile counts at once, and the age begins anew."""
    if not record.marks.locked:
        return record, steps
    record, opened = _without_lock(record, said)
    after, step = _moved(record, said, policy, opened)
    return after, [*steps, step] if step is not None else steps


def _without_lock(record: PostRecord, said: Judgement) -> tuple[PostRecord, list[Change]]:
    marks = copied(record.marks, record.marks.id)
    opened = unlock(marks)
    marks.opened_at = millis(said.judged_at)
    return replace(record, marks=marks), opened


def _moved(
    record: PostRecord, said: Judgement, policy: Policy, changes: Iterable[Change] = ()
) -> tuple[PostRecord, Step | None]:
    """Let the opinions of a record decide now, by the rules of the status history."""
    held, marks = record.held, copied(record.marks, record.marks.id)
    now, last = millis(said.judged_at), marks.last_judged_at
    status, rule = decide(held, raters=policy.raters, share=policy.share)
    flagging = rule == MODEL and status is Status.FLAGGED and marks.status != Status.FLAGGED and not marks.locked
    hold = None
    if flagging and policy.hold_s > 0 and said.rule != TIME:
        hold, status = (marks.hold if record.on_hold else now), Status.NEEDS_REVIEW
    elif record.on_hold:
        hold = NEVER
    before, first = record.status, marks.status is None
    verdict = Verdict(record.post_id, now, status.value, rule, hold=hold, round_id=said.round_id)
    found = [*changes, *advance(marks, verdict, rules_of(policy))]
    marks.last_judged_at = now if last is None else max(now, last)
    after = replace(record, marks=marks)
    if first:  # before it nobody had said anything: also a first NEEDS_REVIEW is a step
        found = [Change(Kind.STATUS_CHANGED, None, marks.status), *(each for each in found if not _is_status(each))]
    if not found:
        return after, None
    shown = Status(str(marks.status))
    changed_at = said.judged_at if shown is not before else record.changed_at
    after = replace(
        after,
        sequence=record.sequence + 1,
        first_status=record.first_status or shown,
        first_changed_at=record.first_changed_at or said.judged_at,
        changed_at=changed_at,
    )
    return after, Step(
        record.post_id,
        after.sequence,
        shown,
        before,
        after.rule,
        held.model.model_version if held.model is not None else None,
        said.cause_id,
        said.judged_at,
        after.first_status or shown,
        after.first_changed_at or said.judged_at,
        tuple(found),
        marks.locked,
        hold_until(after, policy),
        policy.version,
        said.round_id,
        said.actor,
        said.reason,
    )


def _is_status(change: Change) -> bool:
    return change.kind is Kind.STATUS_CHANGED


def hear_all(
    records: Mapping[str, PostRecord], judgements: Iterable[Judgement], policy: Policy
) -> tuple[list[PostRecord], list[Step]]:
    """Return the records that became others through the judgements, taken in order, and every step they made.

    A post that is not among `records` starts from an empty one. Most posts are new, and a model judged them at the same
    moment: those of one status are decided once.
    """
    after: dict[str, PostRecord] = {}
    steps: list[Step] = []
    first: dict[Any, Moved] = {}
    for said in judgements:
        post_id = said.post_id
        before = after.get(post_id) or records.get(post_id)
        if before is None and said.rule == MODEL and said.status is not None and not said.retracts:
            record, made = _first_heard(said, policy, first)
        else:
            before = before or PostRecord(post_id)
            record, made = hear(before, said, policy)
        if record is not before:
            after[post_id] = record
        steps += made
    return list(after.values()), steps


def _first_heard(said: Judgement, policy: Policy, known: dict[Any, Moved]) -> Moved:
    """Return what `hear` says of a model's judgement on a new post; `known` are those of the same batch."""
    kind = (said.status, said.judged_at, said.revision, said.edited_at, said.model_version, said.round_id, said.actor)
    found = known.get(kind)
    if found is None:
        found = known[kind] = hear(PostRecord(said.post_id), said, policy)
        return found
    like, steps = found
    record = PostRecord(
        said.post_id,
        Opinions(opinion_of(said)),
        copied(like.marks, said.post_id),
        like.sequence,
        like.first_status,
        like.first_changed_at,
        like.changed_at,
    )
    return record, [replace(step, post_id=said.post_id, cause_id=said.cause_id) for step in steps]


def replayed(post_id: str, received: Iterable[tuple[Judgement, str]]) -> Moved:
    """Return what judgements, as received and each with the version of its policy, lead to: the way to recover."""
    record, steps = PostRecord(post_id), list[Step]()
    for said, version in received:
        record, made = hear(record, said, policy_of(version))
        steps += made
    return record, steps


def from_log(steps: Iterable[Step]) -> dict[str, Any]:
    """Return the marks that a log of changes leads to: status, first, latest, lock, hold, and how many conflicts."""
    found: dict[str, Any] = dict.fromkeys(("status", "first", "latest", "locked", "hold"), None) | {"conflicts": 0}
    for step in steps:
        for change in step.changes:
            at = millis(step.changed_at)
            match change.kind:
                case Kind.STATUS_CHANGED:
                    found["status"] = change.after
                case Kind.FIRST_DECIDED:
                    found["first"] = found["latest"] = (change.after, at)
                case Kind.LATEST_CHANGED:
                    found["latest"] = (change.after, at)
                case Kind.HOLD_STARTED:
                    found["hold"] = float(str(change.after))
                case Kind.HOLD_ENDED:
                    found["hold"] = None
                case Kind.LOCKED:
                    found["locked"] = (change.after, at)
                case Kind.UNLOCKED:
                    found["locked"] = None
                case Kind.LOCK_CONFLICT:
                    found["conflicts"] += 1
    return found


def marks_of(record: PostRecord) -> dict[str, Any]:
    """Return a record's marks in the form of `from_log`, but for the conflicts, which no record counts."""
    marks = record.marks
    return {
        "status": marks.status,
        "first": (marks.first_status, marks.first_at) if marks.first_status is not None else None,
        "latest": (marks.latest_status, marks.latest_at) if marks.latest_status is not None else None,
        "locked": (marks.locked_status, marks.locked_at) if marks.locked else None,
        "hold": marks.hold if record.on_hold else None,
    }
