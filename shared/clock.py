"""The only place that asks what time it is (architecture rule 5)."""

import time
from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def millis() -> int:
    """Return whole milliseconds since the Unix epoch, the unit of Redis stream ids."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds of a clock that never goes back; for measuring durations only."""
    return time.monotonic()
