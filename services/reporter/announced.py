"""What the reporter's tables have decided, as events.

Invariant: an event's id follows from its row alone, so that announcing a row twice says the same id.
"""

from typing import Any

from shared.events import Event, ReportCompleted, ReportSubmitted, said
from shared.vocabulary import DeliveryState


def report_completed(row: Any) -> list[Event[ReportCompleted]]:
    """Return what a complete report says."""
    return [
        said(
            ReportCompleted(
                report_id=row.id,
                version=row.version,
                title=row.title,
                error_type=row.error_type,
                evidence=row.document["metrics"][0]["results"]["total"],
                document_hash=row.document_hash,
                completed_at=row.completed_at,
            ),
            by="reporter",
            cause=f"report:{row.id}:{row.version}",
            correlation_id=row.correlation_id,
            traceparent=row.traceparent,
        )
    ]


def report_submitted(row: Any) -> list[Event[ReportSubmitted]]:
    """Return what a delivery says that came to its end."""
    return [
        said(
            ReportSubmitted(
                report_id=row.report_id,
                version=row.version,
                sink=row.sink,
                state=DeliveryState(row.state),
                receipt=row.receipt,
                reason=row.reason,
                attempts=row.attempts,
                submitted_at=row.finished_at,
            ),
            by="reporter",
            cause=f"delivery:{row.report_id}:{row.version}:{row.sink}",
            n=row.round,
            correlation_id=row.correlation_id,
            traceparent=row.traceparent,
        )
    ]
