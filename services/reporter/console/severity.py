"""How bad a score is, in a word: High, Medium, Low. Pure. The bounds are the deciding threshold and a setting."""

from enum import StrEnum


class Severity(StrEnum):
    """A word for an overall score."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def severity(overall: float, threshold: float | None, high: float) -> Severity:
    """Return High from `high` on, Medium from the threshold that decided on, else Low."""
    if overall >= high:
        return Severity.HIGH
    return Severity.MEDIUM if overall >= (0.5 if threshold is None else threshold) else Severity.LOW
