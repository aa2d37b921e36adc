"""What PromQL expressions refer to, and what this code exports: the two have to meet."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser

from shared.streams import FLOW, SERVICES
from shared.vocabulary import CATEGORIES
from tests.contract.documents import exported, metrics

TARGET = {"job", "instance"}
"""What Prometheus itself adds to every series of a target."""
FOREIGN = {"up": set[str](), "process_resident_memory_bytes": set[str](), "ALERTS": {"alertname", "alertstate"}}
"""Series that are not ours: Prometheus' own, and what prometheus_client says of every process."""
VALUES: Mapping[str, set[str]] = {
    "stream": set(FLOW),
    "group": set(SERVICES),
    "job": {*SERVICES, "prometheus"},
    "category": set(CATEGORIES),
    "flagged": {"yes", "no"},
}
"""Values a label can have; a label that is not here may have any."""


@dataclass(frozen=True)
class Asked:
    """One selector: a metric's name, and its matchers as (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def known(recorded: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return every series there is and its own labels; `recorded` are the recording rules'."""
    found: dict[str, set[str]] = {**FOREIGN, **recorded}
    for each in metrics():
        labels = set(each._labelnames)
        if each._type == "histogram":
            found |= {f"{each._name}{end}": labels for end in ("_sum", "_count")}
            found[f"{each._name}_bucket"] = labels | {"le"}
        else:
            found[exported(each)] = labels
    return found


def parsed(expression: str) -> Any:
    """Return an expression's tree. Raises ValueError for what is none; Grafana's variables count as given."""
    return promql_parser.parse(expression.replace("$__rate_interval", "5m"))


def nodes(tree: Any) -> Iterator[Any]:
    """Yield a tree and all below it."""
    yield tree
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        below = getattr(tree, name, None)
        if below is not None and not isinstance(below, (str, int, float)):
            yield from nodes(below)
    for below in getattr(tree, "args", None) or ():
        yield from nodes(below)


def selectors(tree: Any) -> list[Asked]:
    """Return the selectors of a tree."""
    return [
        Asked(each.name, tuple((one.name, str(one.op).rpartition(".")[2], one.value) for one in each.matchers.matchers))
        for each in nodes(tree)
        if isinstance(each, promql_parser.VectorSelector)
    ]


def grouped(tree: Any) -> Iterator[tuple[set[str], list[Asked]]]:
    """Yield the labels of each `by (...)` and the selectors below it."""
    for each in nodes(tree):
        if isinstance(each, promql_parser.AggregateExpr) and each.modifier is not None:
            yield set(each.modifier.labels), selectors(each.expr)


def faults(expression: str, series: Mapping[str, set[str]]) -> list[str]:
    """Return what an expression refers to that does not exist."""
    tree = parsed(expression)
    found = []
    for asked in selectors(tree):
        if asked.metric not in series:
            found.append(f"no metric {asked.metric}")
            continue
        labels = series[asked.metric] | TARGET
        for label, operator, value in asked.matchers:
            if label not in labels:
                found.append(f"{asked.metric} has no label {label}")
            found += [
                f"{label} is never {one}"
                for one in (value.split("|") if operator in ("Re", "NotRe") else [value])
                if not value.startswith("$") and label in VALUES and one not in VALUES[label]
            ]
    for labels, below in grouped(tree):
        found += [
            f"{asked.metric} has no label {label}"
            for asked in below
            for label in sorted(labels - series.get(asked.metric, labels) - TARGET)
        ]
    return found


def placeholders(legend: str) -> set[str]:
    """Return the labels that a legend or an annotation shows."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend))
