"""One account: its posts over time, what was flagged and decided, what it says again and again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.reporter.console.charts import HEIGHT, SMALL, WIDTH, Chart, spec_of
from services.reporter.console.contexts.overview import Bar
from services.reporter.console.contexts.period import LONGEST, Period
from services.reporter.console.contexts.reviewing import Card
from services.reporter.readmodel import BITS, categories_of
from shared.vocabulary import CATEGORIES

VERDICTS = ("correct", "incorrect", "unsure")
COLUMNS = ("day", "posts", "flagged", *VERDICTS)


@dataclass(frozen=True, slots=True)
class Day:
    """A day on which the account wrote: posts, flagged ones, verdicts that stand, and categories by how often."""

    day: str
    posts: int
    flagged: int
    correct: int
    incorrect: int
    unsure: int
    categories: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Over the whole life of an account, or what went with it when it was removed."""

    posts: int
    flagged: int
    correct: int
    incorrect: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Something the account says that is said more than once: its newest post, all such posts, its own among them."""

    card: Card
    posts: int
    own: int


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `removed_at`: it is gone, `lost` is what went with it. `wider`: the address of dates with posts."""

    id: str
    platform: str | None
    totals: Totals
    first_at: datetime | None
    last_at: datetime | None
    removed_at: datetime | None
    lost: Totals | None
    period: Period
    days: tuple[Day, ...]
    bars: tuple[Bar, ...]
    repeats: tuple[Repeat, ...]
    wider: str | None
    chart: Chart
    charts_on: bool
    svg: str | None


def totals(row: Any) -> Totals:
    """Return the totals of a row of the tables."""
    return Totals(row.posts, row.flagged, row.correct, row.incorrect, row.unsure)


def lost(counts: Mapping[str, int]) -> Totals:
    """Return what went with a removed account."""
    return Totals(*(counts.get(what, 0) for what in ("posts", "flagged", *VERDICTS)))


def days(rows: Iterable[Any]) -> tuple[Day, ...]:
    """Return the days on which the account wrote, the newest first."""
    posts: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        posts[row.day] += row.posts
        if row.mask:
            counts[row.day, "flagged"] += row.posts
        if row.verdict:
            counts[row.day, row.verdict] += row.posts
        for name in categories_of(row.mask):
            counts[row.day, f"of {name}"] += row.posts
    return tuple(_day(day, posts[day], counts) for day in sorted(posts, reverse=True))


def _day(day: str, posts: int, counts: Mapping[tuple[str, str], int]) -> Day:
    named = [(name, counts[day, f"of {name}"]) for name in CATEGORIES if counts[day, f"of {name}"]]
    correct, incorrect, unsure = (counts[day, each] for each in VERDICTS)
    categories = tuple(sorted(named, key=lambda each: -each[1]))
    return Day(day, posts, counts[day, "flagged"], correct, incorrect, unsure, categories)


def bars(rows: Sequence[Any]) -> tuple[Bar, ...]:
    """Return the categories of flagged posts, the most frequent first; those that never flagged are left out."""
    flagged = sum(row.posts for row in rows if row.mask)
    found = {name: sum(row.posts for row in rows if row.mask and row.mask & bit) for name, bit in BITS}
    longest = max(found.values(), default=0)
    return tuple(
        Bar(name, count, count / flagged, 100 * count / longest)
        for name, count in sorted(found.items(), key=lambda each: -each[1])
        if count
    )


def activity(found: Sequence[Day], period: Period) -> Chart:
    """Return posts and flagged posts of each day, one panel each."""
    by_day = {each.day: each for each in found}
    all_days = [(period.first + timedelta(days=n)).isoformat() for n in range(period.days)]
    drawn = [(day, by_day.get(day)) for day in all_days]
    values = [
        {"day": day, "posts": each.posts if each else 0, "flagged": each.flagged if each else 0} for day, each in drawn
    ]
    spec = spec_of(values) | {"vconcat": [_bars("posts", HEIGHT), _bars("flagged", SMALL)], "spacing": 12}
    rows = tuple((d.day, d.posts, d.flagged, d.correct, d.incorrect, d.unsure) for d in reversed(found))
    return Chart("account", COLUMNS, rows, spec)


def _bars(field: str, height: int) -> dict[str, Any]:
    x: dict[str, Any] = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "scale": {"type": "utc"}}
    x["axis"] = {"title": None, "format": "%-d %b", "labelOverlap": True}
    y = {"field": field, "type": "quantitative", "axis": {"title": None, "tickCount": 3, "format": ",d"}}
    colour = "var(--line-2)" if field == "posts" else "var(--accent)"
    mark = {"type": "bar", "color": colour, "width": {"band": 0.7}}
    return {"width": WIDTH, "height": height, "mark": mark, "encoding": {"x": x, "y": y}}


def wider(first_at: datetime | None, last_at: datetime | None) -> str | None:
    """Return the query of dates that hold the account's last posts, None if it has none."""
    if first_at is None or last_at is None:
        return None
    last: date = last_at.date()
    first = max(first_at.date(), last - timedelta(days=LONGEST - 1))
    return f"from={first.isoformat()}&to={last.isoformat()}"
