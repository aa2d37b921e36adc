"""What stands where a person is put beside others, and where an audit is put beside a later system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.contexts.audits import (
    Audit,
    Drawer,
    Figure,
    Given,
    Place,
    audit_of,
    figure,
    place_of,
    topic_name,
)


@dataclass(frozen=True, slots=True)
class Class:
    """One class of posts: the share that the person and others call toxic, None where others are too few."""

    name: str
    label: str
    n: int
    toxic: Figure
    others: Figure | None


@dataclass(frozen=True, slots=True)
class Odds:
    """An odds ratio, empty where it cannot be told, with exact p; `stands`: also among so many tests."""

    name: str
    n: int
    ratio: float | None
    low: float | None
    high: float | None
    p: float
    stands: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A person beside others."""

    audit: Audit
    by: str
    place: Place | None
    classes: tuple[Class, ...]
    system: Odds | None
    others: tuple[Odds, ...]
    drawer: Drawer
    notices: tuple[str, ...]
    charts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one kind of error: of `errors` so many are still there and fixed, `new` ones came."""

    name: str
    direction: str
    became: str
    errors: int
    still: int
    fixed: int
    new: int
    before: Figure
    after: Figure


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An audit's figures under one system; `changes` since the one before, `gone` and `added` posts."""

    sequence: int
    cause: str
    system: str
    version: str
    taken_at: datetime
    signed: Figure | None
    under: Figure | None
    over: Figure | None
    since: str | None
    gone: int
    added: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Snapshots, the newest first; `waiting`: the system of today is not looked at yet."""

    audit: Audit
    in_force: str | None
    waiting: bool
    snapshots: tuple[Snapshot, ...]
    next: int | None
    drawer: Drawer


def comparison_of(
    audit: Given, found: Given, drawer: Drawer, notices: Sequence[str], charts: Mapping[str, Any]
) -> Comparison:
    """Return a person beside others."""
    return Comparison(
        audit_of(audit),
        found["by"],
        place_of(found),
        tuple(
            Class(
                each["name"],
                _label(found["by"], each),
                each["n"],
                Figure(**each["toxic"]),
                figure(each["others_toxic"]),
            )
            for each in found["classes"]
        ),
        None if found["against_system"] is None else _odds(found["against_system"]),
        tuple(_odds(each) for each in found["against_others"]),
        drawer,
        tuple(notices),
        charts,
    )


def changes_of(audit: Given, found: Given, drawer: Drawer) -> Changes:
    """Return what became of an audit."""
    in_force = found["in_force"]
    return Changes(
        audit_of(audit),
        None if in_force is None else in_force["version"],
        found["waiting"],
        tuple(_snapshot(each) for each in found["snapshots"]),
        found["next"],
        drawer,
    )


def _label(by: str, found: Given) -> str:
    return (
        topic_name(found["label"], int(found["name"]))
        if by == "topic" and found["name"].isdecimal()
        else found["label"]
    )


def _odds(found: Given) -> Odds:
    name = topic_name(found["name"], found["topic"])
    return Odds(name, found["n"], found["ratio"], found["low"], found["high"], found["p"], found["stands"])


def _snapshot(found: Given) -> Snapshot:
    whole, since = found["all_posts"], found["differences"]
    return Snapshot(
        found["sequence"],
        found["cause"],
        found["system"]["name"],
        found["system"]["version"],
        datetime.fromisoformat(found["taken_at"]),
        figure(whole.get("signed")),
        figure(whole.get("under")),
        figure(whole.get("over")),
        None if since is None else since["version"],
        0 if since is None else since["gone"],
        0 if since is None else since["added"],
        () if since is None else tuple(_change(each) for each in since["changes"]),
    )


def _change(found: Given) -> Change:
    return Change(
        topic_name(found["name"], found["topic"]),
        found["direction"],
        found["became"],
        found["errors"],
        found["still"],
        found["fixed"],
        found["new"],
        Figure(**found["before"]),
        Figure(**found["after"]),
    )
