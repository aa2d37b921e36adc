"""What an author wrote into the form of a report, and what a draft begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.reporter.console.contexts.audits import Given
from services.reporter.console.contexts.reports import ReportPage
from services.reporter.report import AuditCategory, Judgement

MOST = 500
"""Posts of one report's evidence."""
DIRECTIONS = {"under": "under-sensitive", "over": "over-sensitive"}


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a draft, and of its posts, in order, what the author thinks of each."""

    title: str = ""
    error_type: str = ""
    category: AuditCategory = AuditCategory.OTHER
    unequal_for: str = ""
    summary: str = ""
    posts: tuple[str, ...] = ()
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the report's own fields."""
        return {
            "title": self.title,
            "error_type": self.error_type,
            "audit_category": self.category.value,
            "summary": self.summary,
            "unequal_for": self.unequal_for or None,
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What an author says of one post; an empty judgement is none."""

    post: str
    judgement: str
    note: str


def pieces_of(posts: Sequence[str], judgements: Sequence[str], notes: Sequence[str], drop: Sequence[str]) -> list[Said]:
    """Return what a form says of its posts, in order, but of those that are taken out.

    Raises ValueError unless there are as many judgements and notes as posts.
    """
    if not len(posts) == len(judgements) == len(notes):
        raise ValueError("a form says something else of its posts than it lists")
    said = [Said(*each) for each in zip(posts, judgements, notes, strict=True)]
    return [each for each in said if each.post and each.post not in drop]


def draft_of(
    title: str, error_type: str, category: AuditCategory, unequal_for: str, summary: str, said: Sequence[Said]
) -> Draft:
    """Return what a form says."""
    judgements = {each.post: Judgement(each.judgement) for each in said if each.judgement in set(Judgement)}
    return Draft(
        printable(title),
        printable(error_type),
        category,
        unequal_for if category is AuditCategory.BIAS else "",
        printable(summary),
        tuple(dict.fromkeys(each.post for each in said)),
        judgements,
        {each.post: printable(each.note) for each in said},
    )


def begun_of(title: str, evidence: Sequence[Given]) -> Draft:
    """Return a draft out of an audit's evidence: what the author said of the system there is what they think here."""
    directions = [each["then"]["error_type"] for each in evidence if each["judgement"] == "disagree"]
    counted = {name: directions.count(name) for name in DIRECTIONS}
    most = max(counted, key=lambda name: counted[name])
    return Draft(
        title=title,
        error_type=DIRECTIONS[most] if counted[most] else "",
        category=AuditCategory.ACCURACY,
        posts=tuple(each["post_id"] for each in evidence),
        judgements={each["post_id"]: _judged(each) for each in evidence},
        notes={each["post_id"]: each["note"] for each in evidence if each["note"]},
    )


def typed_into(saved: ReportPage, draft: Draft) -> ReportPage:
    """Return the page of a report with what was typed in its fields, and beside it what somebody saved meanwhile."""
    pieces = tuple(
        replace(
            each,
            judgement=draft.judgements.get(each.shown.post_id, each.judgement),
            note=draft.notes.get(each.shown.post_id, each.note),
        )
        for each in saved.pieces
    )
    return replace(
        saved,
        title=draft.title,
        error_type=draft.error_type,
        category=draft.category.value,
        unequal_for=draft.unequal_for,
        summary=draft.summary,
        pieces=pieces,
        theirs={"title": saved.title, "error_type": saved.error_type, "summary": saved.summary},
    )


def printable(text: str) -> str:
    """Return words without control characters but line breaks and tabs, and without white space around them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(each for each in lines if each >= " " or each in "\n\t").strip()


def _judged(found: Given) -> Judgement:
    if found["judgement"] == "unsure":
        return Judgement.UNSURE
    agrees = found["judgement"] == "agree"
    return Judgement.TOXIC if agrees == found["then"]["system_toxic"] else Judgement.NOT_TOXIC
