"""What a page shows of a chart: the drawing if it was ready, its marks, where its other forms are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console import audit_charts
from services.reporter.console.audit_charts import Mark
from services.reporter.console.charts import Chart
from services.reporter.console.contexts.audits import Given, Version, step_of, topic_name, type_of

INLINE = 200
"""Marks up to which a drawing is part of its page; of more it comes after it."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """A chart with the marks that lead somewhere, and the query under which its other forms are found."""

    chart: Chart
    query: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart on a page. `svg`: the drawing if it was ready; `on`: whether drawings are made here at all."""

    chart: Chart
    query: str
    marks: tuple[Mark, ...]
    on: bool
    svg: str | None


def topic_marks(audit: str, found: Sequence[Given]) -> tuple[Mark, ...]:
    """Return the marks of topics."""
    return tuple(
        Mark(
            str(each["topic"]),
            topic_name(each["name"], each["topic"]),
            each["step"],
            each["rank"],
            each["user"],
            each["system"],
            type_of(each["error_type"], each["system_toxic"]),
            step_of(each["error_type"], each["colour"], each["system_toxic"]),
            each["n"],
            f"/audits/{audit}/topics/{each['topic']}",
            None if each["at"] is None else (each["at"][0], each["at"][1]),
        )
        for each in found
        if each["step"] is not None
    )


def post_marks(found: Given, here: str) -> tuple[Mark, ...]:
    """Return the marks of posts; each leads to the page of the table at `here` that begins with its row."""
    rows = [dict(zip(found["fields"], values, strict=True)) for values in found["values"]]
    and_ = "&" if "?" in here else "?"
    return tuple(
        Mark(
            row["id"],
            row["id"],
            row["x"],
            row["rank"],
            row["user"],
            row["system"],
            row["type"],
            # the auditor calls the two kinds of agreement agree-keep and agree-remove
            row["step"].removeprefix("agree-"),
            1,
            f"{here}{and_}at={row['id']}#p-{row['id']}",
        )
        for row in rows
    )


def map_sketches(audit: Given, query: str, versions: Sequence[Version]) -> dict[str, Sketch]:
    """Return the charts of an audit's map by their keys, those that have something to show."""
    marks = topic_marks(audit["id"], audit["topics"]["large"])
    placed = tuple(each for each in marks if each.at is not None)
    found: dict[str, Sketch] = {}
    if marks:
        found["topics"] = Sketch(audit_charts.rating_map("topics", marks, audit["cut"]), query, marks)
    if placed:
        found["plane"] = Sketch(audit_charts.plane(placed), query, placed)
    if audit["gaps"]:
        found["gaps"] = Sketch(audit_charts.gap_histogram(audit["gaps"]), query)
    if len(versions) > 1:
        found["versions"] = Sketch(audit_charts.versions(versions), query)
    return found


def place_sketch(beside: Given, query: str) -> Sketch | None:
    """Return where a person stands among others; None where there are too few."""
    place = beside["place"]
    if not place:
        return None
    bars = [dict(zip(place["chart"]["fields"], row, strict=True)) for row in place["chart"]["values"]]
    return Sketch(audit_charts.people(bars, place["own"]), query)


def post_sketch(audit: Given, found: Mapping[str, Any], here: str, query: str) -> Sketch | None:
    """Return the map of a table's posts; None where there is nothing to draw."""
    marks = post_marks(found, here)
    if not marks:
        return None
    return Sketch(audit_charts.rating_map("posts", marks, audit["cut"]), query, marks)
