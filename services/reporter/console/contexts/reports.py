"""What stands on the pages of reports: the draft with what it lacks, the document, how far it got."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.reporter.console.contexts.judging import Shown, shown_of
from services.reporter.console.veil import Veil
from services.reporter.report import Evidence, FollowUp, Measurement, Missing, Report, Step
from shared.vocabulary import DeliveryState

ERROR_TYPES = ("over-sensitive", "under-sensitive")
CATEGORIES = ("accuracy", "bias", "adversarial", "other")
JOINED = timedelta(minutes=10)
"""Changes within this of each other are told as one: a draft saves itself."""
STATES = {
    DeliveryState.QUEUED: "queued",
    DeliveryState.SENDING: "queued",
    DeliveryState.SENT: "sent",
    DeliveryState.FAILED: "failed",
    DeliveryState.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a version of a report got: its state in words, AVID's id, why it failed, what its editors say."""

    state: str
    version: int
    receipt: str | None
    reason: str | None
    attempts: int
    editors: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report in a list."""

    id: str
    title: str
    state: str
    version: int
    evidence: int
    updated_at: datetime
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Reports:
    """A person's reports, newest first; `removed` is one that was put away just now."""

    reports: tuple[ReportLine, ...]
    unfinished: int
    next: str | None
    removed: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One post of the evidence: the system's word then, the author's own, the words as they leave."""

    shown: Shown
    overall: float
    flagged: bool
    model: str
    judgement: str
    note: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Done:
    """A step of a report's history: what was done at which version, which fields, and when; never what was written."""

    what: str
    version: int
    fields: tuple[str, ...]
    mine: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One report. `lacks` names what is missing; `theirs` is what was saved in between, if that was refused.

    `measured`: how many measurements were added just now, None if nobody asked for that. `shared`: a link leads to it;
    `link` is one that was just made, shown this once, and `unshared`: there was one until now.
    """

    id: str
    version: int
    state: str
    title: str
    error_type: str
    category: str
    unequal_for: str
    summary: str
    audit_id: str | None
    pieces: tuple[Piece, ...]
    lacks: tuple[str, ...]
    follow_up: FollowUp
    updated_at: datetime
    sent: Sent | None
    measurements: tuple[Measurement, ...]
    history: tuple[Done, ...]
    theirs: Mapping[str, str] | None = None
    saved: bool = False
    measured: int | None = None
    shared: bool = False
    link: str = ""
    unshared: bool = False

    @property
    def draft(self) -> bool:
        """Return whether it can be changed."""
        return self.state == "draft"


@dataclass(frozen=True, slots=True)
class Submission:
    """What leaves, to the letter, and how far it is. `configured`: there is an address to send it to."""

    id: str
    version: int
    title: str
    state: str
    lacks: tuple[str, ...]
    document: str
    document_hash: str | None
    configured: bool
    sent: Sent | None
    refused: str = ""


def sent_of(deliveries: Sequence[Any], version: int) -> Sent | None:
    """Return how far the newest version that was sent got; `version` is the report's own.

    A state counts as sent only with the id that AVID returned.
    """
    newest = max(deliveries, key=lambda each: each.version, default=None)
    if newest is None:
        return None
    state = STATES[DeliveryState(newest.state)]
    if state == "sent" and not newest.receipt:
        state = "unknown"
    if state == "sent" and newest.review_status:
        state = "acknowledged"
    return Sent(
        state,
        newest.version,
        newest.receipt,
        newest.reason,
        newest.attempts,
        newest.review_status,
        newest.finished_at,
    )


def state_of(state: str, version: int, sent: Sent | None) -> str:
    """Return one word for where a report stands: draft, complete, or how far its present version got."""
    return sent.state if state == "complete" and sent is not None and sent.version == version else state


def line_of(row: Any, evidence: int, deliveries: Sequence[Any]) -> ReportLine:
    """Return a report as it is listed."""
    state = state_of(row.state, row.version, sent_of(deliveries, row.version))
    return ReportLine(row.id, row.title, state, row.version, evidence, row.updated_at, row.receipt)


def lacks_of(missing: Sequence[Missing]) -> tuple[str, ...]:
    """Return what a report lacks, each thing once, in the order of the form."""
    return tuple(dict.fromkeys(each.reason for each in missing))


def page_of(
    row: Any,
    report: Report,
    evidence: Sequence[Evidence],
    posts: Mapping[str, Any],
    level: Veil,
    *,
    missing: Sequence[Missing],
    became: FollowUp,
    deliveries: Sequence[Any],
    steps: Sequence[Any],
    me: str,
    saved: bool = False,
    measured: int | None = None,
    link: str = "",
) -> ReportPage:
    """Return the page of a report. `posts` are those of the evidence that are still there, by id."""
    sent = sent_of(deliveries, row.version)
    return ReportPage(
        row.id,
        row.version,
        state_of(row.state, row.version, sent),
        report.title,
        report.error_type,
        report.audit_category.value,
        report.unequal_for.value if report.unequal_for else "",
        report.summary,
        row.audit_id,
        tuple(_piece(each, posts.get(each.post_id), level) for each in evidence),
        lacks_of(missing),
        became,
        row.updated_at,
        sent,
        report.measurements,
        _history(steps, me),
        saved=saved,
        measured=measured,
        shared=row.link_hash is not None,
        link=link,
    )


def _history(steps: Sequence[Any], me: str) -> tuple[Done, ...]:
    """Return what was done, in order; changes of one person that follow each other within minutes are one."""
    told: list[Done] = []
    for each in steps:
        now = Done(each.what, each.version, tuple(each.fields or ()), each.by == me, each.at)
        last = told[-1] if told else None
        if last and now.what == last.what == Step.CHANGED and now.mine == last.mine and now.at - last.at < JOINED:
            told[-1] = replace(now, fields=tuple(dict.fromkeys((*last.fields, *now.fields))))
        else:
            told.append(now)
    return tuple(told)


def _piece(item: Evidence, known: Any, level: Veil) -> Piece:
    text = None if item.deleted else item.text
    return Piece(
        shown_of(item.post_id, text, known, level),
        item.overall,
        item.flagged,
        f"{item.model} {item.model_version}",
        item.judgement.value if item.judgement else "",
        item.note or "",
        item.deleted,
    )
