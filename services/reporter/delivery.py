"""What an outsider's answer means for a delivery. Pure.

Invariant: what may have arrived is never sent again by itself; only "not sent", 429 and 5xx are tried again.
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from shared.vocabulary import DeliveryState

SINK_AVID = "avid"
LONGEST_STATUS = 60
KEPT_CHARACTERS = 2000
"""Of an answer this much is kept: enough to read a receipt or an error."""

LONGEST_WAIT_S = 86_400.0
"""Nobody makes us wait longer than a day."""


class Reached(StrEnum):
    """How far one try got."""

    NOT_SENT = "not_sent"
    UNCLEAR = "unclear"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one try went; `status` and `text` only when there was an answer, `why` a fixed sentence otherwise."""

    reached: Reached
    why: str = ""
    status: int = 0
    text: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of the delivery. `queued` means another try."""

    state: DeliveryState
    reason: str | None = None
    receipt: str | None = None


def receipt_of(text: str) -> str | None:
    """Return the uuid an answer consists of (JSON text, or bare), or None."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text.strip()
    try:
        return str(UUID(value)) if isinstance(value, str) and len(value) <= 45 else None
    except ValueError:
        return None


def settle(answer: Answer, *, attempt: int, attempts: int) -> Settled:
    """Return what follows from the answer to try number `attempt` of at most `attempts`."""
    if answer.reached is Reached.UNCLEAR:
        return Settled(DeliveryState.UNKNOWN, f"{answer.why}; it may have arrived, so a person decides")
    if answer.reached is Reached.ANSWERED and 200 <= answer.status < 300:
        receipt = receipt_of(answer.text)
        if receipt:
            return Settled(DeliveryState.SENT, receipt=receipt)
        return Settled(DeliveryState.UNKNOWN, f"answered {answer.status} without a uuid; a person decides")
    why = answer.why or f"answered {answer.status}"
    passing = answer.reached is Reached.NOT_SENT or answer.status == 429 or answer.status >= 500
    if not passing:
        return Settled(DeliveryState.FAILED, f"{why}, which another try would not change")
    if attempt >= attempts:
        return Settled(DeliveryState.FAILED, f"{why} at try {attempt} of {attempts}")
    return Settled(DeliveryState.QUEUED, why)


def review_status_of(text: str) -> str | None:
    """Return what the editors say, from an answer that is JSON text, an object with `status`, or bare words.

    Their words are kept as they are, but for signs nobody can read and what is too long; None without any.
    """
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = text
    if isinstance(said, dict):
        said = said.get("status")
    words = "".join(sign for sign in said if sign.isprintable()).strip() if isinstance(said, str) else ""
    return words[:LONGEST_STATUS] or None


def next_review(since_s: float, first_s: float, limit_s: float) -> float:
    """Return how many seconds to wait before asking again, `since_s` after sending: each pause doubles that time."""
    return min(max(first_s, since_s), limit_s)


def kept(text: str, secret: str | None) -> str:
    """Return what is stored of an answer: its beginning, without the key and without NUL."""
    clean = text.replace("\x00", "")
    return (clean.replace(secret, "[key]") if secret else clean)[:KEPT_CHARACTERS]


def queued(
    report_id: str, version: int, sink: str, now: datetime, *, correlation_id: str | None, traceparent: str | None
) -> dict[str, Any]:
    """Return the row of a delivery that waits for its first try."""
    return {
        "report_id": report_id,
        "version": version,
        "sink": sink,
        "round": 0,
        "state": DeliveryState.QUEUED.value,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
        "correlation_id": correlation_id,
        "traceparent": traceparent,
    }


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header (seconds or a date) asks us to wait, a day at most."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
