"""Documents of an evaluation as SVG, drawn by Vega-Lite. The parts are an extra: `pip install 'ombud[charts]'`.

Invariant: a chart shows what the document says, and no text that is not in it.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer

PARTS = ("altair", "vl_convert")
SIDE = 300
"""Width and height of a chart in pixels."""

Document = Mapping[str, Any]


def require() -> None:
    """Raise BadParameter if charts cannot be drawn here."""
    missing = [part for part in PARTS if find_spec(part) is None]
    if missing:
        raise typer.BadParameter("--plot needs the extra `charts`: pip install 'ombud[charts]'")


def evaluation(document: Document) -> str:
    """Return ROC, reliability and, where the file has any, bars of its slices as SVG."""
    alt = _altair()
    categories = document["categories"]
    rows: list[Any] = []
    roc = [
        {"category": name, "x": x, "y": y, "at": at}
        for name, each in categories.items()
        for at, (x, y) in enumerate(each["roc"])
    ]
    bins = [
        {"category": name, "said": mean, "true": true, "rows": n}
        for name, each in categories.items()
        if each["roc"]  # one class alone says nothing about calibration
        for mean, true, n in each["reliability"]
    ]
    color = alt.Color("category", type="nominal", title="category")
    if roc:
        lines = (
            alt.Chart(alt.Data(values=roc), title="ROC", width=SIDE, height=SIDE)
            .mark_line()
            .encode(
                x=_unit(alt.X, "x", "false-positive rate"),
                y=_unit(alt.Y, "y", "recall"),
                color=color,
                order=_order(alt),
            )
        )
        rows.append(alt.layer(_diagonal(alt), lines))
    if bins:
        points = alt.Chart(alt.Data(values=bins), title="Reliability", width=SIDE, height=SIDE).mark_line(point=True)
        rows.append(
            alt.layer(
                _diagonal(alt),
                points.encode(x=_unit(alt.X, "said", "score"), y=_unit(alt.Y, "true", "share of 1"), color=color),
            )
        )
    parts = [alt.hconcat(*rows)] if rows else []
    parts += [_bars(alt, *each) for each in _tables(document)]
    return _svg(alt.vconcat(*parts).resolve_scale(color="independent"))


def cascade(document: Document) -> str:
    """Return share sent against quality as SVG: a row per file, a chart per metric, a line per order."""
    alt = _altair()
    rows = []
    for file in document["files"]:
        charts = []
        for metric, whole in file["llm"].items():
            values = [
                {"share": share, "quality": quality, "order": name}
                for name, each in file["orders"].items()
                for share, quality in zip(each["curve"]["share"], each["curve"][metric], strict=True)
                if quality is not None
            ]
            title = f"{file['material']['file']}: {metric.replace('_', ' ')}"
            lines = (
                alt.Chart(alt.Data(values=values), title=title, width=SIDE, height=SIDE)
                .mark_line()
                .encode(
                    x=_unit(alt.X, "share", "share sent"),
                    y=alt.Y("quality", type="quantitative", title="", scale=alt.Scale(zero=False)),
                    color=alt.Color("order", type="nominal", title="sent first"),
                )
            )
            level = alt.Chart(alt.Data(values=[{"quality": whole}])).mark_rule(strokeDash=[4, 4])
            charts.append(alt.layer(level.encode(y=alt.Y("quality", type="quantitative")), lines))
        rows.append(alt.hconcat(*charts))
    return _svg(alt.vconcat(*rows))


def _tables(document: Document) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the bars to draw: a title, and of each slice its name and value."""
    found = []
    category = document["category"]
    for name in ("functionalities", "groups", "languages"):
        bars = [
            {"slice": key, "value": each["shipped"]["accuracy"]}
            for key, each in document.get(name, {}).items()
            if each["shipped"]["accuracy"] is not None
        ]
        if bars:
            found.append((f"{category}: accuracy by {name}", bars))
    rates = document.get("gap", {}).get("shipped", {}).get("rates", {})
    templates = document.get("templates", {})
    gaps = {f"{name}: ": each["gap"]["shipped"]["rates"] for name, each in templates.items() if each["gap"]}
    bars = [
        {"slice": f"{before}{key}", "value": rate}
        for before, mine in ({"": rates} | gaps).items()
        for key, (rate, _) in mine.items()
    ]
    if bars:
        found.append((f"{category}: false-positive rate by group", bars))
    ranks = [
        {"slice": name, "value": max(each["spearman"], 0.0)}
        for name, each in document.get("correlations", {}).items()
        if each["spearman"] is not None
    ]
    if ranks:
        found.append(("Spearman's rank correlation with Perspective", ranks))
    if (spans := document.get("spans")) and spans["f1"] is not None:
        found.append((f"{category}: character F1 of spans", [{"slice": "all", "value": spans["f1"]}]))
    return found


def _bars(alt: Any, title: str, bars: list[dict[str, Any]]) -> Any:
    chart = alt.Chart(alt.Data(values=bars), title=title, width=2 * SIDE).mark_bar()
    names = alt.Y("slice", type="nominal", sort="x", title="", axis=alt.Axis(labelLimit=SIDE))
    return chart.encode(x=_unit(alt.X, "value", ""), y=names)


def _unit(axis: Any, field: str, title: str) -> Any:
    return axis(field, type="quantitative", title=title).scale(domain=[0, 1])


def _order(alt: Any) -> Any:
    return alt.Order("at", type="quantitative")


def _diagonal(alt: Any) -> Any:
    ends = alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])).mark_line(strokeDash=[4, 4], color="gray")
    return ends.encode(x=alt.X("a", type="quantitative"), y=alt.Y("b", type="quantitative"))


def _altair() -> Any:
    return import_module("altair")  # half a second, and an extra


def _svg(chart: Any) -> str:
    drawn: str = import_module("vl_convert").vegalite_to_svg(chart.to_dict())
    return drawn
