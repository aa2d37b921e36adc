"""Charts of the twelve categories and of the scores: trends, distribution, what comes together. Pure, as `charts`.

Invariant: every number that is drawn stands in the table; a day without posts is a gap, never a zero.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.reporter.console.charts import WIDTH, Chart, DayRow, spec_of
from services.reporter.readmodel import BITS
from shared.vocabulary import CATEGORIES

BINS = 20
RAMP = (0.0, 0.1, 0.2, 0.32, 0.45)
"""Opacities of one hue: none, and four steps up to the largest count; the count itself is printed on each."""
PANEL, PANEL_HEIGHT, PANELS = 130, 60, 6
CODES = dict(
    zip(
        CATEGORIES,
        ("TOX", "THR", "HAT", "RAC", "ANT", "ISL", "SEX", "HOM", "INS", "DEH", "EXT", "ABL"),
        strict=True,
    )
)
"""Category -> its code, which fits beside an axis."""


@dataclass(frozen=True, slots=True)
class TrendDay:
    """One day: posts, and per category the share of them that is flagged with it; None without posts."""

    day: str
    posts: int
    shares: tuple[float | None, ...]


def trend_days(rows: Iterable[DayRow], first: date, last: date) -> list[TrendDay]:
    """Return every day from the first to the last, also those without a post."""
    posts: Counter[str] = Counter()
    flagged: Counter[tuple[str, str]] = Counter()
    for row in rows:
        posts[row.day] += row.posts
        for name, bit in BITS:
            if (row.mask or 0) & bit:
                flagged[row.day, name] += row.posts
    days = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    return [TrendDay(day, posts[day], _shares(day, posts[day], flagged)) for day in days]


def _shares(day: str, posts: int, flagged: Counter[tuple[str, str]]) -> tuple[float | None, ...]:
    return tuple(round(flagged[day, name] / posts, 4) if posts else None for name in CATEGORIES)


def trends(days: Sequence[TrendDay]) -> Chart:
    """Return the share flagged per category and day: twelve panels on one scale."""
    values = [
        {"day": each.day, "category": CODES[name], "share": share}
        for each in days
        for name, share in zip(CATEGORIES, each.shares, strict=True)
    ]
    x = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "scale": {"type": "utc"}}
    y = {"field": "share", "type": "quantitative", "scale": {"domainMin": 0}}
    spec = spec_of(values) | {
        "facet": {
            "field": "category",
            "type": "nominal",
            "sort": list(CODES.values()),
            "header": {"title": None, "labelColor": "var(--ink)", "labelFontSize": 12, "labelAnchor": "start"},
        },
        "columns": PANELS,
        "spacing": {"row": 12, "column": 16},
        "spec": {
            "width": PANEL,
            "height": PANEL_HEIGHT,
            "mark": {
                "type": "line",
                "color": "var(--accent)",
                "strokeWidth": 2,
                "point": {"filled": True, "size": 14, "color": "var(--accent)"},
            },
            "encoding": {
                "x": x | {"axis": {"title": None, "format": "%-d %b", "labelOverlap": True, "tickCount": 2}},
                "y": y | {"axis": {"title": None, "format": "%", "tickCount": 3}},
            },
        },
    }
    rows = tuple((each.day, each.posts, *each.shares) for each in days)
    return Chart("trends", ("day", "posts", *CATEGORIES), rows, spec)


def distribution(rows: Iterable[DayRow]) -> Chart:
    """Return how many posts have which overall score, in twenty bins; flagged posts are the full part of a bar."""
    posts, flagged = [0] * BINS, [0] * BINS
    for row in rows:
        at = min(BINS - 1, int(row.score * BINS) // 100)
        posts[at] += row.posts
        flagged[at] += row.posts if row.flagged else 0
    table = tuple((n / BINS, (n + 1) / BINS, posts[n], flagged[n]) for n in range(BINS))
    values = [{"from": low, "to": high, "posts": count, "flagged": part} for low, high, count, part in table]
    score = {"field": "from", "type": "quantitative", "bin": {"binned": True, "step": 1 / BINS}}
    x = score | {"axis": {"title": None, "format": ".2f", "values": [0, 0.25, 0.5, 0.75, 1]}}
    y = {"type": "quantitative", "axis": {"title": None, "tickCount": 4, "format": ",d"}}
    layers = [
        {
            "mark": {"type": "bar", "color": "var(--accent)", "opacity": opacity},
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y | {"field": field}},
        }
        for field, opacity in (("posts", 0.35), ("flagged", 1))
    ]
    spec = spec_of(values) | {"width": WIDTH, "height": 160, "layer": layers}
    return Chart("distribution", ("from", "to", "posts", "flagged"), table, spec)


def together(rows: Iterable[DayRow]) -> Chart:
    """Return of each two categories how many posts are flagged with both; on the diagonal, with the one."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        found = [name for name, bit in BITS if (row.mask or 0) & bit]
        for one in found:
            for other in found:
                counts[one, other] += row.posts
    most = max(counts.values(), default=0) or 1
    values = [
        {
            "one": CODES[one],
            "other": CODES[other],
            "posts": counts[one, other],
            "step": _step(counts[one, other], most),
        }
        for one in CATEGORIES
        for other in CATEGORIES
    ]
    codes = list(CODES.values())
    axis = {"title": None, "labelAngle": 0, "domain": False, "ticks": False}
    encoding: dict[str, Any] = {
        "x": {"field": "other", "type": "nominal", "sort": codes, "axis": axis | {"orient": "top"}},
        "y": {"field": "one", "type": "nominal", "sort": codes, "axis": axis},
    }
    steps = {"field": "step", "type": "ordinal", "scale": {"domain": [0, 1, 2, 3, 4], "range": [*RAMP]}}
    layers = [
        {
            "mark": {"type": "rect", "color": "var(--accent)"},
            "encoding": {"opacity": steps | {"legend": None}},
        },
        {
            "transform": [{"filter": "datum.posts > 0"}],
            "mark": {"type": "text", "color": "var(--ink)", "fontSize": 12},
            "encoding": {"text": {"field": "posts", "type": "quantitative", "format": ",d"}},
        },
    ]
    spec = spec_of(values) | {"width": WIDTH, "height": 340, "encoding": encoding, "layer": layers}
    rows_ = tuple((one, *(counts[one, other] for other in CATEGORIES)) for one in CATEGORIES)
    return Chart("together", ("category", *CATEGORIES), rows_, spec)


def _step(count: int, most: int) -> int:
    """Return the step of a count on the ramp: 0 for none, 4 for the upper quarter."""
    return min(4, 1 + (4 * count - 1) // most) if count else 0
