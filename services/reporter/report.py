"""A report about the system and the rule that says when it may be completed. Pure.

Invariant: one eligibility function, used by the list, the page of a report and the command alike.
"""

from collections.abc import Sequence
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

    @property
    def disputed(self) -> bool | None:
        """Return whether the author disagrees with the system; None when unsure or not judged."""
        if self.judgement in (None, Judgement.UNSURE):
            return None
        return self.flagged != (self.judgement is Judgement.TOXIC)


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


def to_report(row: Any) -> Report:
    """Return the report of a row."""
    unequal = UnequalFor(row.unequal_for) if row.unequal_for else None
    category = AuditCategory(row.audit_category)
    return Report(row.id, row.title, row.error_type, category, row.summary, unequal, tuple(row.sep))


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
    )
