"""What the quality page draws: calibration, what thresholds would do, how far reviewers agree. Pure."""

from collections.abc import Sequence
from typing import Any

from services.reporter.console.charts import WIDTH, Chart, spec_of
from services.reporter.quality import Bin, Kappa, Point

SQUARE = 320
PANEL = 110
ENDS = ("", "_low", "_high", "_of")
SHARES: dict[str, Any] = {
    "type": "quantitative",
    "scale": {"domain": [0, 1]},
    "axis": {"title": None, "values": [0, 0.25, 0.5, 0.75, 1], "format": ".2f"},
}


def calibration(bins: Sequence[Bin]) -> Chart:
    """Return the share that was confirmed over the mean score of each bin, with the diagonal of a right score."""
    columns = ("from", "mean", "confirmed", "low", "high", "posts")
    rows = tuple(
        (each.low, each.mean, each.confirmed.share, each.confirmed.low, each.confirmed.high, each.confirmed.n)
        for each in bins
    )
    x = {"field": "mean", **SHARES}
    layers = [
        {
            "data": {"values": [{"at": 0}, {"at": 1}]},
            "mark": {"type": "line", "color": "var(--line-2)", "strokeDash": [4, 4]},
            "encoding": {"x": {"field": "at", **SHARES}, "y": {"field": "at", **SHARES}},
        },
        {
            "mark": {"type": "rule", "color": "var(--accent)", "strokeWidth": 2},
            "encoding": {"x": x, "y": {"field": "low", **SHARES}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "color": "var(--accent)", "opacity": 1},
            "encoding": {"x": x, "y": {"field": "confirmed", **SHARES}},
        },
    ]
    spec = spec_of(_values(columns, rows)) | {"width": SQUARE, "height": SQUARE, "layer": layers}
    return Chart("calibration", columns, rows, spec)


def simulator(points: Sequence[Point], chosen: float, now: float | None) -> Chart:
    """Return precision, recall and volume over the threshold, one above the other; rules at the chosen and the present.

    The present threshold is dashed.
    """
    precision, recall = (tuple(f"{name}{end}" for end in ENDS) for name in ("precision", "recall"))
    columns = ("threshold", *precision, *recall, "flagged")
    rows = tuple(_point(each) for each in points)
    x: dict[str, Any] = {"field": "threshold", **SHARES}
    rules = [_rule(x, chosen, [])] + ([] if now is None else [_rule(x, now, [4, 4])])
    volume: dict[str, Any] = {"field": "flagged", "type": "quantitative"}
    volume["axis"] = {"title": None, "tickCount": 4, "format": ",d"}
    panels = [
        _panel(x, "precision", rules),
        _panel(x, "recall", rules),
        {
            "width": WIDTH,
            "height": PANEL,
            "layer": [
                {
                    "mark": {"type": "bar", "color": "var(--accent)", "size": 12},
                    "encoding": {"x": x, "y": volume},
                },
                *rules,
            ],
        },
    ]
    return Chart("thresholds", columns, rows, spec_of(_values(columns, rows)) | {"vconcat": panels, "spacing": 14})


def _point(each: Point) -> tuple[Any, ...]:
    precision, recall = each.precision, each.recall
    first = each.threshold, precision.share, precision.low, precision.high, precision.n
    return (*first, recall.share, recall.low, recall.high, recall.n, each.flagged)


def _panel(x: dict[str, Any], name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    low, high = f"{name}_low", f"{name}_high"
    return {
        "width": WIDTH,
        "height": PANEL,
        "layer": [
            {
                "mark": {"type": "area", "color": "var(--accent)", "opacity": 0.18},
                "encoding": {"x": x, "y": {"field": low, **SHARES}, "y2": {"field": high}},
            },
            {
                "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2},
                "encoding": {"x": x, "y": {"field": name, **SHARES}},
            },
            *rules,
        ],
    }


def _rule(x: dict[str, Any], at: float, dash: list[int]) -> dict[str, Any]:
    mark = {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5, "strokeDash": dash}
    return {"data": {"values": [{"threshold": at}]}, "mark": mark, "encoding": {"x": x}}


def reviewers(found: Sequence[Kappa]) -> Chart:
    """Return kappa and its interval by category, as far as it can be told."""
    columns = ("category", "kappa", "low", "high", "posts")
    rows = tuple((each.category, each.value, each.low, each.high, each.n) for each in found if each.value is not None)
    y: dict[str, Any] = {"field": "code", "type": "nominal", "sort": None, "axis": {"title": None}}
    scale: dict[str, Any] = {"type": "quantitative", "scale": {"domain": [-1, 1]}, "axis": {"title": None}}
    values = [each | {"code": each["category"][:3].upper()} for each in _values(columns, rows)]
    layers = [
        {
            "mark": {"type": "rule", "color": "var(--accent)", "strokeWidth": 2},
            "encoding": {"y": y, "x": {"field": "low", **scale}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "color": "var(--accent)", "opacity": 1},
            "encoding": {"y": y, "x": {"field": "kappa", **scale}},
        },
    ]
    spec = spec_of(values) | {"width": SQUARE + 160, "height": {"step": 26}, "layer": layers}
    return Chart("reviewers", columns, rows, spec)


DriftRow = tuple[str, float, int, float, float, float, str]
"""Code, value, posts, watch, act, the value as a share of `act`, level."""


def drift(rows: Sequence[DriftRow]) -> Chart:
    """Return how far each signal is on its way to the value that asks to act, which is 1: one scale for all of them.

    A short rule on each bar is where it is worth a look; the long one is where it acts.
    """
    columns = ("code", "value", "posts", "watch", "act", "share", "level")
    values = [each | {"look": round(each["watch"] / each["act"], 4)} for each in _values(columns, rows)]
    y: dict[str, Any] = {"field": "code", "type": "nominal", "sort": None, "axis": {"title": None, "minExtent": 72}}
    most = max([1.25, *(each["share"] for each in values)])
    x: dict[str, Any] = {"type": "quantitative", "scale": {"domain": [0, round(most, 2)]}}
    x["axis"] = {"title": None, "format": ".2f", "tickCount": 5}
    layers = [
        {
            "mark": {"type": "bar", "color": "var(--accent)", "height": {"band": 0.6}},
            "encoding": {"y": y, "x": x | {"field": "share"}},
        },
        {
            "mark": {"type": "tick", "color": "var(--ink-2)", "thickness": 2},
            "encoding": {"y": y, "x": x | {"field": "look"}},
        },
        {
            "data": {"values": [{"at": 1}]},
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5, "strokeDash": [4, 4]},
            "encoding": {"x": x | {"field": "at"}},
        },
    ]
    spec = spec_of(values) | {"width": SQUARE + 160, "height": {"step": 24}, "layer": layers}
    return Chart("drift", columns, tuple(rows), spec)


def _values(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
