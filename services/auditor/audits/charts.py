"""Charts as Vega-Lite specifications, made of the very rows that the tables show.

Invariant: what a chart shows is in its rows, as numbers, ids and words, never as colour alone; no post text.
Source: audits.md section 8, whose colours and shapes are the console's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.auditor.audits.columns import Basis
from services.auditor.audits.comparing import Class, Place
from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.knowing import known
from services.auditor.audits.placing import STEP
from services.auditor.audits.table import Mark
from services.auditor.audits.topics import TopicMap
from shared.judgement import CUT, HIGHEST, LOWEST

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH, HEIGHT = 640, 320

SHAPES = {
    ErrorType.AGREE_NOT_TOXIC: "square",
    ErrorType.AGREE_TOXIC: "square",
    ErrorType.UNDER: "triangle-up",
    ErrorType.OVER: "triangle-down",
}
FILLS = {
    "agree-keep": "#ffffff",
    "agree-remove": "#5f6b7a",
    "under-1": "#f3c99b",
    "under-2": "#e29a4f",
    "under-3": "#c26a1b",
    "under-4": "#8a4300",
    "over-1": "#b9d4f0",
    "over-2": "#7fb0e0",
    "over-3": "#3b82c4",
    "over-4": "#0b4f8a",
}
"""Steps of colour by name; the console puts its own in their place."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A specification, the sentence that says the same, and its rows, which are a table by themselves."""

    specification: Mapping[str, Any]
    alternative: str
    rows: Sequence[Row]


def topic_chart(found: TopicMap, names: Mapping[int, str], step: float = STEP, cut: float = CUT) -> Chart:
    """Return the map of all topics; `names` are what topics are called."""
    rows = [
        {
            "id": row.topic,
            "name": names.get(row.topic, str(row.topic)),
            "x": row.step,
            "rank": row.rank,
            "user": row.user,
            "system": row.system,
            "n": row.n,
            "type": _type(row.type, row.system_toxic),
            "step": _step(row.type, row.colour, row.system_toxic),
            "distance": row.distance,
            "least": None if row.error is None else row.error.low,
        }
        for row in found.large
    ]
    said = _spread_over("topics", rows, whole=sum(found.counts.values()) or len(rows))
    if found.small:
        said += f" {len(found.small)} with too few posts are only listed."
    return _map(rows, said, step, cut, ["name", "n", "user", "system", "least"])


def post_chart(marks: Sequence[Mark], whole: int, step: float = STEP, cut: float = CUT) -> Chart:
    """Return the map of a topic's posts, or of any others; `whole` is how many passed the filter."""
    rows = [
        {
            "id": each.row.post,
            "x": each.step,
            "rank": each.rank,
            "user": each.row.prediction if each.row.label is None else each.row.label,
            "system": each.row.system,
            "type": _type(each.row.type, each.row.system_toxic),
            "step": _step(each.row.type, each.row.colour, each.row.system_toxic),
            "distance": each.row.distance,
            "p_disagree": each.row.p_disagree,
            "source": each.row.source,
        }
        for each in marks
    ]
    return _map(rows, _spread_over("posts", rows, whole), step, cut, ["id", "user", "system", "p_disagree"])


def versions_chart(versions: Iterable[Basis]) -> Chart:
    """Return how well a model knows its person from version to version, beside the crowd and a constant 0."""
    rows: list[dict[str, Any]] = []
    for basis in versions:
        figures = known(basis).figures
        for whose in ("model", "crowd", "zero"):
            if f"{whose}_mae" in figures:
                names = ("mae", "rmse", "balanced_accuracy")
                told = {name: figures.get(f"{whose}_{name}") for name in names}
                rows.append({"version": basis.version, "labels": basis.labels, "whose": whose, **told})
    newest = max((row["version"] for row in rows), default=None)
    last = {row["whose"]: row["mae"] for row in rows if row["version"] == newest}
    said = "No version has ratings yet."
    if "model" in last and "crowd" in last:
        said = f"The newest version misses ratings by {last['model']:.2f}, the crowd's mean by {last['crowd']:.2f}."
    layer = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "labels", "type": "quantitative", "title": "ratings"},
            "y": {"field": "mae", "type": "quantitative", "title": "mean absolute error, each rating left out"},
            "color": {"field": "whose", "type": "nominal", "title": None},
            "strokeDash": {"field": "whose", "type": "nominal", "title": None},
            "tooltip": _tooltip(["version", "labels", "whose", "mae", "rmse", "balanced_accuracy"]),
        },
    }
    return _chart(layer, said, rows)


def people_chart(place: Place) -> Chart:
    """Return where a person's figure stands among all people's."""
    width = round(place.bars[1][0] - place.bars[0][0], 6) if len(place.bars) > 1 else 1.0
    rows = [{"from": start, "to": round(start + width, 6), "people": people} for start, people in place.bars]
    said = (
        f"{place.below.value:.0%} of {place.n} people are below {place.own:.2f}; the middle one is at "
        f"{place.median.value:.2f}."
    )
    bars = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": "figure"},
            "x2": {"field": "to"},
            "y": {"field": "people", "type": "quantitative", "title": "people"},
            "tooltip": _tooltip(["from", "to", "people"]),
        },
    }
    return _chart({"layer": [bars, _rule(place.own, "x")]}, said, rows)


def classes_chart(found: Sequence[Class], names: Mapping[str, str] | None = None) -> Chart:
    """Return what a person and others call toxic, class by class, with intervals."""
    rows: list[dict[str, Any]] = []
    for each in found:
        name = (names or {}).get(each.name, each.name)
        for whose, toxic, mean in (("you", each.toxic, each.mean), ("others", each.others_toxic, each.others_mean)):
            if toxic is not None and mean is not None:
                told = {"share": toxic.value, "low": toxic.low, "high": toxic.high, "mean": mean.value, "n": toxic.n}
                rows.append({"class": name, "whose": whose, **told})
    apart = [each for each in found if each.others_toxic is not None and _disjoint(each)]
    said = f"{len(apart)} of {len(found)} classes differ by more than their intervals."
    x = {"field": "class", "type": "nominal", "title": None, "sort": None}
    offset = {"field": "whose", "type": "nominal"}
    bars = {
        "mark": "bar",
        "encoding": {
            "x": x,
            "xOffset": offset,
            "y": {"field": "share", "type": "quantitative", "title": "share called toxic"},
            "color": {"field": "whose", "type": "nominal", "title": None},
            "tooltip": _tooltip(["class", "whose", "share", "low", "high", "mean", "n"]),
        },
    }
    intervals = {
        "mark": "rule",
        "encoding": {"x": x, "xOffset": offset, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    return _chart({"layer": [bars, intervals]}, said, rows)


def _disjoint(found: Class) -> bool:
    others = found.others_toxic
    return others is not None and (found.toxic.low > others.high or others.low > found.toxic.high)


def _map(rows: Sequence[Row], said: str, step: float, cut: float, told: list[str]) -> Chart:
    """Return a chart of marks in stacks on the scale of ratings, with the cut as a line and both halves named."""
    types, steps = [each.value for each in SHAPES], list(FILLS)
    marks = {
        "mark": {"type": "point", "filled": True, "size": 60, "stroke": "#3a4453", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "scale": {"domain": [LOWEST, HIGHEST + step]},
                "title": f"rating (below {cut:g}: keep, from {cut:g} on: remove)",
            },
            "y": {"field": "rank", "type": "quantitative", "axis": None},
            "shape": {
                "field": "type",
                "type": "nominal",
                "scale": {"domain": types, "range": list(SHAPES.values())},
                "legend": None,
            },
            "fill": {
                "field": "step",
                "type": "nominal",
                "scale": {"domain": steps, "range": list(FILLS.values())},
                "legend": None,
            },
            "key": {"field": "id"},
            "tooltip": _tooltip([*told, "type", "distance"]),
        },
    }
    return _chart({"layer": [marks, _rule(cut, "x")]}, said, rows)


def _rule(at: float, axis: str) -> dict[str, Any]:
    return {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {axis: {"datum": at}}}


def _tooltip(fields: list[str]) -> list[dict[str, str]]:
    return [{"field": field} for field in fields]


def _chart(parts: Mapping[str, Any], said: str, rows: Sequence[Row]) -> Chart:
    """Return a chart; its data are the rows themselves."""
    whole = {"$schema": SCHEMA, "description": said, "width": WIDTH, "height": HEIGHT, "data": {"values": list(rows)}}
    return Chart(whole | dict(parts), said, rows)


def _spread_over(what: str, rows: Sequence[Row], whole: int) -> str:
    """Return the main reading of a map."""
    counts = {each: sum(row["type"] == each for row in rows) for each in SHAPES}
    shown = f"{len(rows)} of {whole} {what}" if whole > len(rows) else f"{len(rows)} {what}"
    if rows and all(row["user"] is None for row in rows):
        return (
            f"{shown}: the system keeps {counts[ErrorType.AGREE_NOT_TOXIC]}, removes {counts[ErrorType.AGREE_TOXIC]}."
        )
    return (
        f"{shown}: the system is under-sensitive on {counts[ErrorType.UNDER]}, over-sensitive on "
        f"{counts[ErrorType.OVER]}; both agree on {counts[ErrorType.AGREE_TOXIC] + counts[ErrorType.AGREE_NOT_TOXIC]}."
    )


def _type(found: ErrorType | None, system_toxic: bool) -> ErrorType:
    """Return the type; without a model the system only agrees with itself."""
    return found or (ErrorType.AGREE_TOXIC if system_toxic else ErrorType.AGREE_NOT_TOXIC)


def _step(found: ErrorType | None, colour: int | None, system_toxic: bool) -> str:
    if found in (ErrorType.UNDER, ErrorType.OVER):
        return f"{found}-{max(colour or 1, 1)}"
    return "agree-remove" if _type(found, system_toxic) is ErrorType.AGREE_TOXIC else "agree-keep"
