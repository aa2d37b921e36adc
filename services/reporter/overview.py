"""The numbers of the first page, added up from grouped rows. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from services.reporter.readmodel import BITS
from shared.vocabulary import CATEGORIES, Status

MACRO_AUC = "auc"
"""Name of the average over the categories among the metrics of ModelTrained; one category's is `auc.insult`."""


class Tally(Protocol):
    """How many posts that are still there are alike in everything that is counted."""

    flagged: bool | None
    status: str | None
    correction_verdict: str | None
    flagged_mask: int | None
    posts: int


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The model that scores now. `macro_auc` is None where no evaluation was heard."""

    version: str
    name: str | None
    macro_auc: float | None
    examples: int | None
    corrections: int | None
    promoted_at: datetime | None


@dataclass(slots=True)
class Counts:
    """`scored` counts every post that ever got a score; the others only posts that are still there."""

    scored: int = 0
    flagged: int = 0
    needs_review: int = 0
    status_flagged: int = 0
    cleared: int = 0
    corrected: int = 0
    deleted: int = 0
    by_category: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0))


def add_up(tallies: Iterable[Tally], *, deleted: int = 0, deleted_scored: int = 0) -> Counts:
    """Return the counts of some grouped rows, and of what was deleted."""
    counts, masks = Counts(scored=deleted_scored, deleted=deleted), Counter[int]()
    for row in tallies:
        counts.scored += row.posts if row.flagged is not None else 0
        counts.flagged += row.posts if row.flagged else 0
        counts.needs_review += row.posts if row.status == Status.NEEDS_REVIEW else 0
        counts.status_flagged += row.posts if row.status == Status.FLAGGED else 0
        counts.cleared += row.posts if row.status == Status.CLEARED else 0
        counts.corrected += row.posts if row.correction_verdict is not None else 0
        masks[row.flagged_mask or 0] += row.posts
    for category, bit in BITS:
        counts.by_category[category] = sum(posts for mask, posts in masks.items() if mask & bit)
    return counts


def macro_auc(metrics: Any) -> float | None:
    """Return the mean area under the curve over the categories, if the evaluation says it."""
    found = metrics.get(MACRO_AUC) if isinstance(metrics, dict) else None
    return None if found is None else float(found)
