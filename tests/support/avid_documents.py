"""AVID documents of every kind that a reporter can emit, made by the code that makes them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from services.reporter import avid
from services.reporter.avid_export import Origin, build, to_document
from services.reporter.report import AuditCategory, Evidence, Judgement, Measured, Measurement, Report, UnequalFor

ORIGIN = Origin("Makers", "Runners", "The report", "https://ombud.example/v1/reports/1")
DAY = date(2026, 3, 1)


def piece(post_id: str = "p", **changes: Any) -> Evidence:
    """Return a flagged post that its judge finds harmless."""
    values: dict[str, Any] = {
        "text": "words",
        "overall": 0.9,
        "flagged": True,
        "threshold": 0.5,
        "model": "m",
        "model_version": "1",
        "judgement": Judgement.NOT_TOXIC,
    }
    return Evidence(post_id=post_id, **(values | changes))


def report(**changes: Any) -> Report:
    """Return a report about accuracy."""
    values: dict[str, Any] = {
        "title": "Too strict",
        "error_type": "over-sensitive",
        "audit_category": AuditCategory.ACCURACY,
        "summary": "It is.",
    }
    return Report(id="r", **(values | changes))


def document(*evidence: Evidence, **changes: Any) -> dict[str, Any]:
    """Return the document of a report with the given evidence."""
    return to_document(build(report(**changes), evidence or [piece()], origin=ORIGIN, reported=DAY))


def measured(*pvalues: float, n: int = 40) -> tuple[Measurement, ...]:
    """Return one measurement with so many numbers."""
    rows = tuple(Measured(f"topic {k}", n, 0.2, 0.1, 0.3, p) for k, p in enumerate(pvalues))
    return (Measurement("Disagreement by topic", "exact McNemar", rows),)


def of_each_type() -> dict[str, dict[str, Any]]:
    """Return one document of each of the four types."""
    five = [piece(str(n), predicted=1.0 if n else None) for n in range(5)]
    return {
        "Issue": document(piece("a", text="@jan said words", note="see jan@example.org"), piece("b", deleted=True)),
        "Advisory": document(*five, audit_category=AuditCategory.ADVERSARIAL),
        "Measurement": document(*five, measurements=measured(0.2, 0.9), audit_category=AuditCategory.OTHER),
        "Detection": document(
            piece(),
            measurements=measured(0.001, 0.5),
            audit_category=AuditCategory.BIAS,
            unequal_for=UnequalFor.GROUP,
            sep=("E0101", "P0204"),
        ),
    }


def every_kind() -> Iterator[dict[str, Any]]:
    """Yield a document of each type, of each category and who is treated unequally, of each code, and with a credit."""
    yield from of_each_type().values()
    for category in AuditCategory:
        for unequal in (None, *UnequalFor):
            yield document(audit_category=category, unequal_for=unequal)
    for code in sorted(avid.SEP_OF_CODE):
        yield document(sep=(code,))
    yield to_document(build(report(), [piece()], origin=ORIGIN, reported=DAY, credit="Ann"))
