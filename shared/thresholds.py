"""How a score is read against the thresholds it came with. Pure.

Invariant: whoever reads `PostScored.thresholds` reads them with these functions, so that nobody flags what another does
not. An unknown category, which is absent from the scores, is never over anything.
"""

from collections.abc import Mapping

OVERALL = "overall"
DEFAULT = 0.5


def threshold_of(category: str, thresholds: Mapping[str, float]) -> float:
    """Return the threshold of a category; one without its own follows `overall`, else 0.5."""
    return thresholds.get(category, thresholds.get(OVERALL, DEFAULT))


def over(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> list[str]:
    """Return the known categories at or over their own threshold, in the order of the scores."""
    return [name for name, value in scores.items() if value >= threshold_of(name, thresholds)]


def decisive(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> float:
    """Return the threshold that decided: of the highest category that flags, else of the highest category."""
    top = max(over(scores, thresholds) or scores, key=scores.__getitem__, default=OVERALL)
    return threshold_of(top, thresholds)
