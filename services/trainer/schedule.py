"""When a schedule names a moment: "off", "nightly at 03:00", or the five fields of cron. Always UTC. Pure.

The fields are minute, hour, day of the month, month and day of the week (0 and 7 are Sunday), each `*`, a number, a
range, a list, or any of these with `/step`. As in cron, of two restricted days either one will do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

OFF = "off"
NIGHTLY = re.compile(r"nightly at ([01]\d|2[0-3]):([0-5]\d)")
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
FARTHEST = timedelta(days=8)
"""How far back a moment is looked for: a schedule is asked every second, and once a week is the rarest that matters."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values each field allows; `either` if day of month and day of week are both restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def names(self, moment: datetime) -> bool:
        """Return whether the schedule names this minute."""
        if moment.minute not in self.minutes or moment.hour not in self.hours:
            return False
        return self.names_day(moment)

    def names_day(self, moment: datetime) -> bool:
        """Return whether the schedule names any minute of this day."""
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return moment.month in self.months and (day or weekday if self.either else day and weekday)


def parse(words: str) -> Schedule | None:
    """Return a schedule, None for "off". Raises ValueError for what is none."""
    if words.strip() == OFF:
        return None
    nightly = NIGHTLY.fullmatch(words.strip())
    fields = [nightly[2], nightly[1], "*", "*", "*"] if nightly else words.split()
    if len(fields) != len(LIMITS):
        raise ValueError('a schedule is "off", "nightly at HH:MM" or five fields as in cron')
    minutes, hours, days, months, weekdays = (
        _values(field, *limit) for field, limit in zip(fields, LIMITS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    return Schedule(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def last_moment(schedule: Schedule | None, now: datetime) -> datetime | None:
    """Return the latest minute up to `now` that a schedule names; None if there is none within eight days."""
    if schedule is None:
        return None
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    until = moment - FARTHEST
    while moment > until:
        if not schedule.names_day(moment):
            moment = moment.replace(hour=0, minute=0) - timedelta(minutes=1)
        elif moment.hour not in schedule.hours:
            moment = moment.replace(minute=0) - timedelta(minutes=1)
        elif schedule.names(moment):
            return moment
        else:
            moment -= timedelta(minutes=1)
    return None


def checked(words: str) -> str:
    """Return the words of a schedule. Raises ValueError for what is none."""
    parse(words)
    return words


def _values(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        number: Callable[[str], int] = int
        begin, end = (low, high) if span == "*" else (number(first), number(last if dash else first))
        if step and not dash and span != "*":
            end = high
        if not low <= begin <= end <= high or (step and int(step) < 1):
            raise ValueError(f"{part} lies outside {low} to {high}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(found)
