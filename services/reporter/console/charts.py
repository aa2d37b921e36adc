"""From rows to Vega-Lite specs. Pure: the same rows give the same spec, byte for byte.

Words stand in HTML, so a spec holds numbers, days and codes only; colours are the page's own variables, which the SVG
inlined in a page resolves. Invariant: every number that is drawn stands in the table, and the other way round.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH, HEIGHT, SMALL = 640, 180, 70
FONT = "system-ui, sans-serif"


class DayRow(Protocol):
    """Posts of one day that are alike; `score` is in hundredths."""

    day: str
    score: float
    mask: int | None
    flagged: bool
    posts: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day: mean and 10 to 90 percent band of the overall score, posts, flagged posts. Without posts: a gap."""

    day: str
    mean: float | None
    low: float | None
    high: float | None
    posts: int
    flagged: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in all its forms: the spec, and the same numbers as a table. `links`: marks lead somewhere."""

    key: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    spec: Mapping[str, Any]
    links: bool = False


def by_day(rows: Iterable[DayRow], first: date, last: date) -> list[Day]:
    """Return every day from the first to the last, also those without a post."""
    scores: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    flagged: dict[str, int] = defaultdict(int)
    for row in rows:
        scores[row.day][row.score / 100] += row.posts
        flagged[row.day] += row.posts if row.flagged else 0
    days = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    return [_day(each, scores.get(each, {}), flagged[each]) for each in days]


def _day(day: str, scores: Mapping[float, int], flagged: int) -> Day:
    posts = sum(scores.values())
    if not posts:
        return Day(day, None, None, None, 0, 0)
    mean = round(sum(score * count for score, count in scores.items()) / posts, 3)
    return Day(day, mean, _percentile(scores, posts, 0.1), _percentile(scores, posts, 0.9), posts, flagged)


def _percentile(scores: Mapping[float, int], posts: int, share: float) -> float:
    """Return the smallest score at or under which that share of the posts is."""
    below = 0
    for score in sorted(scores):
        below += scores[score]
        if below >= share * posts:
            return score
    return max(scores)


def toxicity(days: Sequence[Day]) -> Chart:
    """Return the mean score of each day with its band, and flagged posts below. A day without posts is a gap."""
    values = [{"day": d.day, "mean": d.mean, "low": d.low, "high": d.high, "flagged": d.flagged} for d in days]
    x: dict[str, Any] = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate"}
    x |= {"scale": {"type": "utc"}, "axis": {"title": None, "format": "%-d %b", "labelOverlap": True}}
    line = {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": [
            {
                "mark": {"type": "area", "color": "var(--accent)", "opacity": 0.18},
                "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2, "point": _points()},
                "encoding": {
                    "x": x,
                    "y": {
                        "field": "mean",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1]},
                        "axis": {"title": None, "values": [0, 0.25, 0.5, 0.75, 1], "format": ".2f"},
                    },
                },
            },
        ],
    }
    bars = {
        "width": WIDTH,
        "height": SMALL,
        "mark": {"type": "bar", "color": "var(--accent)", "width": {"band": 0.7}},
        "encoding": {
            "x": x,
            "y": {"field": "flagged", "type": "quantitative", "axis": {"title": None, "tickCount": 3, "format": ",d"}},
        },
    }
    rows = tuple((d.day, d.mean, d.low, d.high, d.posts, d.flagged) for d in days)
    spec = spec_of(values) | {"vconcat": [line, bars], "spacing": 12}
    return Chart("toxicity", ("day", "mean", "low", "high", "posts", "flagged"), rows, spec)


def _points() -> dict[str, Any]:
    return {"filled": True, "size": 28, "color": "var(--accent)"}


def spec_of(values: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what every spec has: data, and the look of axes in the page's own colours."""
    axis = {
        "labelColor": "var(--ink-2)",
        "labelFont": FONT,
        "labelFontSize": 12,
        "gridColor": "var(--line)",
        "domainColor": "var(--line-2)",
        "tickColor": "var(--line-2)",
    }
    config = {"background": "transparent", "font": FONT, "view": {"stroke": None}, "axis": axis}
    return {"$schema": SCHEMA, "data": {"values": values}, "config": config}
