"""The review list as CSV: the same posts in the same order, numbers with a decimal point in every language. Pure.

Invariant: no cell is a formula to a spreadsheet, and nobody who reviewed can be told by name.
"""

import csv
import hmac
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from services.reporter.console.contexts.reviewing import flagged_categories
from services.reporter.console.severity import severity
from services.reporter.queue import ReviewStatus
from shared.vocabulary import CATEGORIES

COLUMNS = (
    "post_id",
    "platform",
    "account",
    "language",
    "written_at",
    "scored_at",
    "overall",
    "severity",
    "categories",
    "source",
    "model",
    "model_version",
    "review_status",
    "feedback_type",
    "expected_categories",
    "actual_categories",
    "reviewer",
    "reviewed_at",
    *CATEGORIES,
)
TEXT = "text"
BETWEEN = "|"
"""Stands between the categories of one cell."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """Return a value as a cell: what a spreadsheet would take for a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return f"{value:.4f}"
    said = str(value)
    return f"'{said}" if said.startswith(FORMULA) else said


def lines(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV (RFC 4180)."""
    out = io.StringIO()
    csv.writer(out).writerows([cell(each) for each in row] for row in rows)
    return out.getvalue()


def pseudonym(principal: str | None, secret: str) -> str | None:
    """Return what a reviewer is called in a file: the same in every file of this installation, and no name."""
    if not principal:
        return None
    return "r" + hmac.digest(secret.encode(), f"a reviewer in a file|{principal}".encode(), sha256).hex()[:10]


def row_of(post: Any, word: Any, secret: str, *, high: float, text: bool) -> list[object]:
    """Return a post as a row of COLUMNS, `text` last if it is asked for; `word` is the verdict that stands, or None."""
    scores: Mapping[str, float] = post.own_scores or {}
    said: list[object] = [
        post.post_id,
        post.platform,
        post.author,
        post.language,
        post.written_at,
        post.scored_at,
        post.own_overall,
        severity(post.own_overall or 0.0, post.threshold, high),
        BETWEEN.join(flagged_categories(post)),
        post.source,
        post.model,
        post.model_version,
        post.correction_verdict or ReviewStatus.UNREVIEWED.value,
        word.feedback_type if word else None,
        BETWEEN.join(word.expected or ()) if word else None,
        BETWEEN.join(word.actual or ()) if word else None,
        pseudonym(word.reviewer, secret) if word else None,
        word.corrected_at if word else None,
        *(scores.get(name) for name in CATEGORIES),
    ]
    return [*said, post.text or ""] if text else said
