"""Charts of scoring runs: what each cost and how long it took, and what a new model would have flipped. Pure.

Invariant: every number that is drawn stands in the table; a run that is not over has no duration, not one of zero.
"""

from collections.abc import Sequence
from typing import Any

from services.reporter.console.charts import WIDTH, Chart, spec_of

PANEL_HEIGHT = 110
CostRow = tuple[str, int, int, float, float | None]
"""Run, posts, errors, cost in USD, duration in seconds."""
ChurnRow = tuple[str, int, int, int, float, float]
"""Model, flagged before, gained, lost, and how many of each might have flipped."""


def run_costs(rows: Sequence[CostRow]) -> Chart:
    """Return cost and duration of runs, the oldest first: two panels, because they share no scale."""
    values = [{"run": run, "cost": cost, "seconds": seconds} for run, _, _, cost, seconds in rows]
    x = {"field": "run", "type": "ordinal", "sort": None}
    panels: list[dict[str, Any]] = [
        {
            "width": WIDTH,
            "height": PANEL_HEIGHT,
            "mark": {"type": "bar", "color": "var(--accent)", "width": 18},
            "encoding": {
                "x": x | {"axis": {"title": None, "labels": last, "labelAngle": -40}},
                "y": {
                    "field": field,
                    "type": "quantitative",
                    "scale": {"domainMin": 0},
                    "axis": {"title": None, "tickCount": 3},
                },
            },
        }
        for field, last in (("cost", False), ("seconds", True))
    ]
    spec = spec_of(values) | {"vconcat": panels, "spacing": 16}
    return Chart("run-costs", ("run", "posts", "errors", "cost_usd", "seconds"), tuple(rows), spec)


def run_churn(rows: Sequence[ChurnRow]) -> Chart:
    """Return flips by model, the oldest first: flagged anew upwards, no longer flagged downwards, limits dashed."""
    values = [
        {"run": run, "gained": gained, "lost": -lost, "gained_limit": upper, "lost_limit": -lower}
        for run, _, gained, lost, upper, lower in rows
    ]
    x = {"field": "run", "type": "ordinal", "sort": None, "axis": {"title": None, "labelAngle": -40}}
    axis = {"title": None, "tickCount": 5, "format": ",d"}
    sides = (("gained", "over", "triangle-up"), ("lost", "under", "triangle-down"))
    layers: list[dict[str, Any]] = []
    for side, colour, shape in sides:
        y = {"field": side, "type": "quantitative", "axis": axis}
        ink = f"var(--{colour})"
        bar = {"type": "bar", "color": ink, "opacity": 0.35, "width": 10}
        limit = {"type": "rule", "color": "var(--ink-2)", "strokeWidth": 2, "strokeDash": [4, 3]}
        wide = {"x": x | {"bandPosition": 0.1}, "x2": {"field": "run", "bandPosition": 0.9}}
        layers += [
            {"mark": bar, "encoding": {"x": x, "y": y}},
            {"mark": {"type": "point", "shape": shape, "filled": True, "size": 80, "color": ink}}
            | {"encoding": {"x": x, "y": y}},
            {"mark": limit, "encoding": wide | {"y": y | {"field": f"{side}_limit"}}},
        ]
    layers.append({"mark": {"type": "rule", "color": "var(--line-2)"}, "encoding": {"y": {"datum": 0}}})
    columns = ("model", "flagged_before", "gained", "lost", "gained_limit", "lost_limit")
    return Chart("run-churn", columns, tuple(rows), spec_of(values) | {"width": WIDTH, "height": 200, "layer": layers})
