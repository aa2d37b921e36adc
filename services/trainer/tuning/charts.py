"""A study's report as SVG, drawn by Vega-Lite: how it went, what mattered, and where good values lie.

Invariant: a chart shows what the report says. Drawing needs the extra `charts`; without it there are no charts.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PARTS = ("altair", "vl_convert")
WIDTH, HEIGHT = 420, 220

Report = Mapping[str, Any]


def can_draw() -> bool:
    """Return whether the extra is installed."""
    return all(find_spec(part) for part in PARTS)


def drawn(report: Report) -> dict[str, str]:
    """Return name -> SVG: `history`, `importances` and `slices`; empty without the extra, less without whole trials."""
    if not can_draw():
        return {}
    alt: Any = import_module("altair")  # half a second
    whole = [each for each in report["trials"] if each["state"] == "complete"]
    if not whole:
        return {}
    charts = {"history": _history(alt, report["trials"]), "slices": _slices(alt, whole)}
    if report["importances"]:
        charts["importances"] = _importances(alt, report["importances"])
    to_svg: Any = import_module("vl_convert").vegalite_to_svg
    return {name: to_svg(chart.to_dict()) for name, chart in charts.items()}


def _history(alt: Any, trials: list[dict[str, Any]]) -> Any:
    rows: list[dict[str, Any]] = []
    best = float("-inf")
    for each in trials:
        if each["state"] == "complete":
            best = max(best, each["value"])
            rows.append({"trial": each["number"], "value": each["value"], "what": "trial"})
            rows.append({"trial": each["number"], "value": best, "what": "best so far"})
        elif each["epochs"]:
            last = list(each["epochs"].values())[-1]
            rows.append({"trial": each["number"], "value": last, "what": "pruned (AP)"})
    base = alt.Chart(alt.Data(values=rows), title="History", width=WIDTH, height=HEIGHT)
    x = alt.X("trial", type="quantitative", title="trial")
    y = alt.Y("value", type="quantitative", title="score").scale(zero=False)
    color = alt.Color("what", type="nominal", title="")
    line = base.transform_filter("datum.what == 'best so far'").mark_line(interpolate="step-after")
    dots = base.transform_filter("datum.what != 'best so far'").mark_point()
    return alt.layer(line.encode(x=x, y=y, color=color), dots.encode(x=x, y=y, color=color))


def _importances(alt: Any, shares: Mapping[str, float]) -> Any:
    rows = [{"name": name, "share": share} for name, share in shares.items()]
    chart = alt.Chart(alt.Data(values=rows), title="What the differences come from", width=WIDTH).mark_bar()
    share = alt.X("share", type="quantitative", title="share of the variance (fANOVA)")
    return chart.encode(x=share, y=alt.Y("name", type="nominal", sort="-x", title=""))


def _slices(alt: Any, whole: list[dict[str, Any]]) -> Any:
    parts = []
    for name in whole[0]["params"]:
        rows = [{"x": each["params"][name], "y": each["value"], "trial": each["number"]} for each in whole]
        choice = isinstance(rows[0]["x"], bool)
        x = alt.X("x", type="nominal" if choice else "quantitative", title=name)
        if not choice:
            x = x.scale(type="log" if name in ("rate", "l2", "own_weight", "alpha", "C") else "linear", zero=False)
        y = alt.Y("y", type="quantitative", title="score").scale(zero=False)
        color = alt.Color("trial", type="quantitative", title="trial")
        chart = alt.Chart(alt.Data(values=rows), width=HEIGHT, height=HEIGHT).mark_point()
        parts.append(chart.encode(x=x, y=y, color=color))
    return alt.concat(*parts, columns=4)
