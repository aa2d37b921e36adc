"""What stands on the page that a shared link leads to: a report as its link shows it, nobody named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.reporter.console.contexts.judging import shown_of
from services.reporter.console.contexts.reports import Piece
from services.reporter.console.veil import Veil, Veiled
from services.reporter.report import Evidence, FollowUp, Measurement, Report
from shared.masking import mask


@dataclass(frozen=True, slots=True)
class Shared:
    """A report for who holds its link: read only, personal data of strangers masked, flagged texts veiled.

    `state` is draft or complete; where the report was sent, and by whom it is, its link does not tell.
    """

    state: str
    title: str
    error_type: str
    category: str
    summary: str
    pieces: tuple[Piece, ...]
    follow_up: FollowUp
    updated_at: datetime
    measurements: tuple[Measurement, ...]
    draft: bool = False  # nothing on this page can be changed
    measured: None = None


def shared_of(
    row: Any, report: Report, evidence: Sequence[Evidence], posts: Mapping[str, Any], level: Veil, became: FollowUp
) -> Shared:
    """Return the page of a shared report. `posts` are those of the evidence that are still there, by id."""
    return Shared(
        row.state,
        mask(report.title),
        mask(report.error_type),
        report.audit_category.value,
        mask(report.summary),
        tuple(_piece(each, posts.get(each.post_id), level) for each in evidence),
        became,
        row.updated_at,
        report.measurements,
    )


def masked(veiled: Veiled) -> Veiled:
    """Return a veiled text without personal data in what of it can be read."""
    return replace(veiled, parts=tuple(replace(part, text=mask(part.text)) for part in veiled.parts))


def _piece(item: Evidence, known: Any, level: Veil) -> Piece:
    shown = shown_of(item.post_id, None if item.deleted else item.text, known, level)
    return Piece(
        replace(shown, text=None if shown.text is None else masked(shown.text)),
        item.overall,
        item.flagged,
        f"{item.model} {item.model_version}",
        item.judgement.value if item.judgement else "",
        mask(item.note) if item.note else "",
        item.deleted,
    )
