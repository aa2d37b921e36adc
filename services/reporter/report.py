"""A report about the system and the rule that says when it may be completed. Pure.

Invariant: one eligibility function, used by the list, the page of a report and the command alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class AuditCategory(StrEnum):
    """What kind of finding a report is."""

    ACCURACY = "accuracy"
    BIAS = "bias"
    ADVERSARIAL = "adversarial"
    OTHER = "other"


class UnequalFor(StrEnum):
    """Whom a biased system treats unequally."""

    GROUP = "group"
    SIMILAR_POSTS = "similar_posts"


class Judgement(StrEnum):
    """The author's own decision on a post."""

    TOXIC = "toxic"
    NOT_TOXIC = "not_toxic"
    UNSURE = "unsure"


class Step(StrEnum):
    """What can be done with a report; its history names these."""

    BEGUN = "begun"
    CHANGED = "changed"
    COMPLETED = "completed"
    SUBMITTED = "submitted"
    REOPENED = "reopened"
    REMOVED = "removed"
    RESTORED = "restored"
    SHARED = "shared"
    UNSHARED = "unshared"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the id of a key, and whether it may see everybody's reports."""

    id: str
    everybody: bool = False

    def owns(self, created_by: str) -> bool:
        """Return whether somebody's reports are this person's to read and to change."""
        return self.everybody or created_by == self.id


class ReportState(StrEnum):
    """A draft can be changed, a complete report is frozen."""

    DRAFT = "draft"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One post as the system judged it when it was added, and the author's own judgement."""

    post_id: str
    text: str | None
    overall: float
    flagged: bool
    threshold: float
    model: str
    model_version: str
    judgement: Judgement | None = None
    note: str | None = None
    deleted: bool = False
    predicted: float | None = None
    """What an audit's model of the author predicted they would rate it, 0-4; never a judgement of theirs."""

    @property
    def disputed(self) -> bool | None:
        """Return whether the author disagrees with the system; None when unsure or not judged."""
        if self.judgement in (None, Judgement.UNSURE):
            return None
        return self.flagged != (self.judgement is Judgement.TOXIC)


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of a measurement: what it is of, how many posts it is from, its 95 % interval and p-value."""

    feature: str
    n: int
    stat: float
    ci95_low: float
    ci95_high: float
    pvalue: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Numbers of one kind, and the test that was made of each."""

    name: str
    test: str
    rows: tuple[Measured, ...]


LEVEL = 0.05
"""Share of false discoveries among what a report calls found."""


def decisive(measurements: Sequence[Measurement]) -> bool:
    """Return whether any number passes its test, with the false discoveries among all of them controlled.

    Benjamini and Hochberg 1995: the kth smallest of m p-values passes at level * k / m.
    """
    values = sorted(row.pvalue for each in measurements for row in each.rows)
    return any(value <= LEVEL * k / len(values) for k, value in enumerate(values, 1))


@dataclass(frozen=True, slots=True)
class Report:
    """What the author of a report says. `sep` holds codes of AVID's taxonomy they chose themselves."""

    id: str
    title: str
    error_type: str
    audit_category: AuditCategory
    summary: str
    unequal_for: UnequalFor | None = None
    sep: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """One reason why a report may not be completed yet; `field` is a path into the request."""

    field: str
    reason: str
    detail: str


def missing(report: Report, evidence: Sequence[Evidence]) -> list[Missing]:
    """Return why a report may not be completed; an empty list means that it is eligible."""
    reasons = [
        Missing(field, f"no_{field}", f"The {field.replace('_', ' ')} is empty.")
        for field in ("title", "error_type", "summary")
        if not getattr(report, field).strip()
    ]
    if not evidence:
        reasons.append(Missing("evidence", "no_evidence", "Add at least one post as evidence."))
    reasons += [
        Missing(f"judgements.{item.post_id}", "no_judgement", "Say what you think of this post yourself.")
        for item in evidence
        if item.judgement is None
    ]
    return reasons


@dataclass(frozen=True, slots=True)
class Standing:
    """How the system judges a post of the evidence now. `text` tells whether it still judges the same words."""

    text: str | None
    overall: float
    flagged: bool
    model_version: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What became of the cases of a report since: of the `judged` ones `agreed` with the author then, `agree` now.

    `fixed` were disputed and agree now, `still_there` are disputed as before, `broken` agreed and are disputed now;
    `unknown` have no score of the same words any more. `versions` are those that judge now.
    """

    judged: int
    agreed: int
    agree: int
    fixed: int
    still_there: int
    broken: int
    unknown: int
    versions: tuple[str, ...]


def disputed_now(item: Evidence, now: Standing | None) -> bool | None:
    """Return whether the author disagrees with what the system says now; None where that cannot be told."""
    if now is None or item.deleted or now.text != item.text or item.disputed is None:
        return None
    return now.flagged != (item.judgement is Judgement.TOXIC)


def follow_up(evidence: Sequence[Evidence], now: Mapping[str, Standing]) -> FollowUp:
    """Return what became of the cases of a report; `now` is how their posts stand, by id."""
    cases = [(item.disputed, disputed_now(item, now.get(item.post_id))) for item in evidence]
    judged = [(then, later) for then, later in cases if then is not None]
    told = [(then, later) for then, later in judged if later is not None]
    return FollowUp(
        judged=len(judged),
        agreed=sum(not then for then, _ in judged),
        agree=sum(not later for _, later in told),
        fixed=sum(bool(then and not later) for then, later in told),
        still_there=sum(bool(then and later) for then, later in told),
        broken=sum(bool(not then and later) for then, later in told),
        unknown=len(judged) - len(told),
        versions=tuple(sorted({now[item.post_id].model_version for item in evidence if item.post_id in now})),
    )


def to_report(row: Any) -> Report:
    """Return the report of a row."""
    unequal = UnequalFor(row.unequal_for) if row.unequal_for else None
    category = AuditCategory(row.audit_category)
    measured = tuple(
        Measurement(each["name"], each["test"], tuple(Measured(**row) for row in each["rows"]))
        for each in row.measurements or ()
    )
    return Report(row.id, row.title, row.error_type, category, row.summary, unequal, tuple(row.sep), measured)


def to_evidence(row: Any) -> Evidence:
    """Return the evidence of a row."""
    return Evidence(
        row.post_id,
        row.text,
        row.overall,
        row.flagged,
        row.threshold,
        row.model,
        row.model_version,
        Judgement(row.judgement) if row.judgement else None,
        row.note,
        row.deleted,
        row.predicted,
    )
