"""The charts of audits: from what the auditor says to Vega-Lite specs. Pure, as `charts.py`.

Marks are told apart by shape and by step of colour, each step a name that the style sheet gives a colour (T5). A mark
that leads somewhere holds an address at HOST, which whoever draws it takes away again (T1).
Invariant: one rule decides sides, in a chart as on every page: from the cut on is remove. Source: console.md section 9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.charts import WIDTH, Chart, spec_of

HOST = "https://console.invalid"
BIN = 0.1
"""Width of a column of marks on the scale of ratings, as the auditor places them."""
FEWEST_HEIGHT, MOST_HEIGHT, OF_A_MARK = 120, 420, 16
HIGHEST = 4.0
SHAPES = {"keep": "square", "remove": "square", "under": "triangle-up", "over": "triangle-down"}
STEPS = ("keep", "remove", *(f"{side}-{step}" for side in ("under", "over") for step in (1, 2, 3, 4)))
GREY, ACCENT, INK = "var(--line-2)", "var(--accent)", "var(--ink)"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """A topic or post in a map: what it is called, what person and system say of it, where it stands and leads.

    `user` is None without a model, `at` the place on the plane of topics.
    """

    id: str
    name: str
    bin: float
    rank: int
    user: float | None
    system: float
    type: str
    step: str
    n: int
    href: str
    at: tuple[float, float] | None = None

    @property
    def gap(self) -> float | None:
        """Return what the person says less what the system says."""
        return None if self.user is None else self.user - self.system


def rating_map(key: str, marks: Sequence[Mark], cut: float) -> Chart:
    """Return marks in columns on the scale of ratings, the mildest by the system lowest; the cut is a rule."""
    values = [
        {
            "id": each.id,
            "x": _middle(each, cut),
            "rank": each.rank,
            "you": each.user,
            "system": each.system,
            "gap": None if each.user is None else round(each.user - each.system, 4),
            "n": each.n,
            "kind": each.step.partition("-")[0],
            "step": each.step,
            "href": HOST + each.href,
        }
        for each in marks
    ]
    most = 1 + max((each.rank for each in marks), default=0)
    colours = [_colour(each) for each in STEPS]
    layer = {
        "mark": {"type": "point", "size": 110, "strokeWidth": 1.5, "opacity": 1},
        "encoding": {
            "x": _ratings(),
            "y": {
                "field": "rank",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [-0.7, max(most, 5)], "nice": False, "zero": False},
            },
            "shape": _named("kind", tuple(SHAPES), tuple(SHAPES.values())),
            "fill": _named("step", STEPS, ["var(--card)", *colours[1:]]),
            "stroke": _named("step", STEPS, colours),
            "href": {"field": "href"},
            "tooltip": [{"field": each} for each in ("id", "you", "system", "gap", "n")],
        },
    }
    height = min(max(OF_A_MARK * most, FEWEST_HEIGHT), MOST_HEIGHT)
    spec = spec_of(values) | {"width": WIDTH, "height": height, "layer": [_rule(cut), layer]}
    columns = ("id", "you", "system", "gap", "n", "step")
    return Chart(key, columns, _table(values, columns), spec, links=True)


def gap_histogram(bars: Sequence[Row]) -> Chart:
    """Return how many posts lie how far apart, person less system; what both decide alike is grey."""
    values = [
        {"low": bar["low"], "high": bar["high"], "kind": kind, "posts": bar[kind]}
        for bar in bars
        for kind in ("agree", "under", "over")
        if bar[kind]
    ]
    kinds = ("agree", "under", "over")
    layer = {
        "mark": {"type": "bar", "stroke": "var(--card)", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "bin": {"binned": True},
                "scale": {"domain": [-HIGHEST, HIGHEST]},
                "axis": {"title": None, "values": [-4, -3, -2, -1, 0, 1, 2, 3, 4], "format": "+d", "grid": False},
            },
            "x2": {"field": "high"},
            "y": {"field": "posts", "type": "quantitative", "axis": _counts()},
            "fill": _named("kind", kinds, [GREY, "var(--under-3)", "var(--over-3)"]),
            "order": {"field": "kind", "sort": "descending"},
            "tooltip": [{"field": each} for each in ("low", "high", "kind", "posts")],
        },
    }
    spec = spec_of(values) | {"width": WIDTH, "height": 160, "layer": [layer, _rule(0.0)]}
    columns = ("low", "high", "kind", "posts")
    return Chart("gaps", columns, _table(values, columns), spec)


def versions(found: Sequence[Any]) -> Chart:
    """Return how far a model is off from version to version, and the crowd beside it, dashed."""
    values = [{"version": each.version, "labels": each.labels, "you": each.mae, "crowd": each.crowd} for each in found]
    x = {"field": "version", "type": "ordinal", "axis": {"title": None, "labelAngle": 0, "labelOverlap": True}}
    y = {"type": "quantitative", "scale": {"zero": True}, "axis": _axis(".2f")}
    told = {"tooltip": [{"field": each} for each in ("version", "labels", "you", "crowd")]}
    crowd = {"type": "line", "color": "var(--ink-2)", "strokeDash": [5, 4], "strokeWidth": 2}
    own = {"type": "line", "color": ACCENT, "strokeWidth": 2, "point": {"filled": True, "size": 40, "color": ACCENT}}
    layers = [
        {"mark": crowd, "encoding": {"x": x, "y": y | {"field": "crowd"}}},
        {"mark": own, "encoding": {"x": x, "y": y | {"field": "you"}} | told},
    ]
    columns = ("version", "labels", "you", "crowd")
    spec = spec_of(values) | {"width": WIDTH, "height": 140, "layer": layers}
    return Chart("versions", columns, _table(values, columns), spec)


def people(bars: Sequence[Row], own: float) -> Chart:
    """Return how far from the system people are, and where among them the person stands."""
    values = [{"from": bar["from"], "to": bar["to"], "people": bar["people"]} for bar in bars]
    layer = {
        "mark": {"type": "bar", "color": GREY, "stroke": "var(--card)", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "bin": {"binned": True},
                "scale": {"zero": False},
                "axis": {"title": None, "format": ".1f", "grid": False, "tickMinStep": 0.1, "labelOverlap": True},
            },
            "x2": {"field": "to"},
            "y": {"field": "people", "type": "quantitative", "axis": _counts()},
            "tooltip": [{"field": each} for each in ("from", "to", "people")],
        },
    }
    you = {
        "mark": {"type": "rule", "color": ACCENT, "strokeWidth": 3},
        "encoding": {"x": {"datum": own, "type": "quantitative"}},
    }
    columns = ("from", "to", "people")
    spec = spec_of(values) | {"width": WIDTH, "height": 140, "layer": [layer, you]}
    return Chart("others", columns, _table(values, columns), spec)


def plane(marks: Sequence[Mark]) -> Chart:
    """Return topics near each other where they are about alike things; the axes say nothing and have no words."""
    values = [
        {
            "id": each.id,
            "x": each.at[0],
            "y": each.at[1],
            "n": each.n,
            "kind": each.step.partition("-")[0],
            "step": each.step,
            "href": HOST + each.href,
        }
        for each in marks
        if each.at is not None
    ]
    colours = [_colour(each) for each in STEPS]
    position = {"type": "quantitative", "axis": None, "scale": {"domain": [-1.15, 1.15]}}
    layer = {
        "mark": {"type": "point", "strokeWidth": 1.5, "opacity": 1},
        "encoding": {
            "x": position | {"field": "x"},
            "y": position | {"field": "y"},
            "size": {"field": "n", "type": "quantitative", "scale": {"range": [60, 700]}, "legend": None},
            "shape": _named("kind", tuple(SHAPES), tuple(SHAPES.values())),
            "fill": _named("step", STEPS, ["var(--card)", *colours[1:]]),
            "stroke": _named("step", STEPS, colours),
            "href": {"field": "href"},
            "tooltip": [{"field": each} for each in ("id", "n", "step")],
        },
    }
    columns = ("id", "x", "y", "n", "step")
    spec = spec_of(values) | {"width": WIDTH, "height": 320} | layer
    return Chart("plane", columns, _table(values, columns), spec, links=True)


def _middle(mark: Mark, cut: float) -> float:
    """Return where a mark stands: in the middle of its column, or of the part of it on its own side of the cut."""
    low, high = mark.bin, mark.bin + BIN
    if low < cut < high:
        low, high = (cut, high) if mark.step.partition("-")[0] in ("remove", "under") else (low, cut)
    return round((low + high) / 2, 4)


def _ratings() -> dict[str, Any]:
    return {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [0, HIGHEST + BIN]},
        "axis": {"title": None, "values": [0, 1, 2, 3, 4], "format": "d", "grid": False},
    }


def _named(field: str, names: Sequence[str], looks: Sequence[str]) -> dict[str, Any]:
    return {"field": field, "type": "nominal", "scale": {"domain": list(names), "range": list(looks)}, "legend": None}


def _colour(step: str) -> str:
    return GREY if step in ("keep", "remove") else f"var(--{step})"


def _rule(at: float) -> dict[str, Any]:
    return {
        "mark": {"type": "rule", "color": INK, "strokeDash": [4, 3], "strokeWidth": 1.5},
        "encoding": {"x": {"datum": at, "type": "quantitative"}},
    }


def _counts() -> dict[str, Any]:
    return {"title": None, "tickCount": 4, "format": ",d", "tickMinStep": 1}


def _axis(form: str) -> dict[str, Any]:
    return {"title": None, "tickCount": 4, "format": form}


def _table(values: Sequence[Row], columns: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(each[column] for column in columns) for each in values)
