"""What stands on the pages of groups: whom they may be chosen by, and how each differs from the crowd, if it does.

Invariant: a number comes with its interval, its people and its ratings, and where nothing can be told it says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Given = Mapping[str, Any]
Traits = Mapping[str, Sequence[str]]
BETWEEN = ":"
LOWEST_SPAN = 0.5


@dataclass(frozen=True, slots=True)
class Axis:
    """What people may say of themselves in one respect."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A difference, group less crowd on 0 to 4, with its 95 % interval over people; `name` is that of a topic."""

    value: float
    low: float
    high: float
    raters: int
    ratings: int
    detectable: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A comparison. `state` is queued, done or refused, with the `reason`; `overall` is there once it is done."""

    id: str
    traits: Traits
    state: str
    asked_at: datetime
    reason: str
    overall: Contrast | None


@dataclass(frozen=True, slots=True)
class Size:
    """Whether a group may be looked at, how many it has as far as that may be said, and why not."""

    allowed: bool
    size: str
    reason: str


@dataclass(frozen=True, slots=True)
class Side:
    """One group of an axis: the value it is chosen by, the newest comparison, or why there is none."""

    value: str
    group: Group | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """The groups of an axis beside each other; `span` is what half the width of a drawing stands for."""

    axis: str
    sides: tuple[Side, ...]
    span: float


@dataclass(frozen=True, slots=True)
class Groups:
    """Where groups are chosen and compared. `chosen` is what was ticked, `size` what was said of it just now."""

    axes: tuple[Axis, ...]
    beside: tuple[Beside, ...]
    groups: tuple[Group, ...]
    chosen: Traits
    size: Size | None = None
    empty: bool = False

    @property
    def waiting(self) -> bool:
        """Return whether a comparison is still to come."""
        return any(each.state == "queued" for each in self.groups)


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One comparison with its topics, those that differ first. `own`: its group knows members better than the crowd.

    `rmse` is how far the group's view is off its members' own ratings, `crowd` how far the crowd's is.
    """

    group: Group
    topics: tuple[Contrast, ...]
    differs: bool
    rmse: float | None
    crowd: float | None
    span: float
    waiting: bool = False


def axes_of(found: Sequence[Given]) -> tuple[Axis, ...]:
    """Return the axes of the trainer."""
    return tuple(Axis(each["name"], tuple(each["values"])) for each in found)


def group_of(found: Given) -> Group:
    """Return a comparison as the trainer tells it."""
    result = found["result"]
    return Group(
        found["group_id"],
        found.get("traits") or {},
        found["state"],
        datetime.fromisoformat(found["requested_at"]),
        found["reason"] or "",
        None if result is None else _contrast(result["overall"]),
    )


def groups_of(axes: Sequence[Axis], found: Sequence[Given], refused: Mapping[tuple[str, str], str]) -> Groups:
    """Return the page of groups; `refused` says of axis and value why no comparison was begun just now."""
    groups = tuple(group_of(each) for each in found)
    beside = [_beside(axis, groups, refused) for axis in axes]
    return Groups(tuple(axes), tuple(each for each in beside if each is not None), groups, {})


def page_of(found: Given, traits: Traits, names: Mapping[int, str], waiting: bool) -> GroupPage:
    """Return the page of one comparison; `names` are those of topics."""
    result = found["result"] or {}
    topics = [_contrast(each, names.get(int(topic)) or topic) for topic, each in (result.get("topics") or {}).items()]
    topics.sort(key=lambda each: (not each.detectable, -abs(each.value), each.name))
    group = group_of({**found, "traits": traits})
    return GroupPage(
        group,
        tuple(topics),
        result.get("view") == "group",
        result.get("rmse"),
        result.get("crowd_rmse"),
        span_of([*topics, *([group.overall] if group.overall else [])]),
        waiting,
    )


def read_traits(ticked: Sequence[str], axes: Sequence[Axis]) -> dict[str, list[str]]:
    """Return what was ticked, by axis; what is no axis or value of ours is left out."""
    known = {f"{axis.name}{BETWEEN}{value}": (axis.name, value) for axis in axes for value in axis.values}
    found: dict[str, list[str]] = {}
    for name, value in (known[each] for each in dict.fromkeys(ticked) if each in known):
        found.setdefault(name, []).append(value)
    return found


def span_of(told: Sequence[Contrast]) -> float:
    """Return what half the width of a drawing of these differences stands for, in steps of a half."""
    widest = max((max(abs(each.low), abs(each.high)) for each in told), default=0.0)
    return max(LOWEST_SPAN, -(-widest // 0.5) * 0.5)


def _contrast(found: Given, name: str = "") -> Contrast:
    numbers = (found["value"], found["low"], found["high"])
    return Contrast(*numbers, found["raters"], found["ratings"], found["detectable"], name)


def _beside(axis: Axis, groups: Sequence[Group], refused: Mapping[tuple[str, str], str]) -> Beside | None:
    """Return the groups of an axis that were asked about one by one; None where none was."""
    newest: dict[str, Group] = {}
    for each in groups:  # the newest come first
        if list(each.traits) == [axis.name] and len(each.traits[axis.name]) == 1:
            newest.setdefault(each.traits[axis.name][0], each)
    sides = tuple(Side(value, newest.get(value), refused.get((axis.name, value), "")) for value in axis.values)
    if not any(each.group or each.reason for each in sides):
        return None
    return Beside(
        axis.name, sides, span_of([each.group.overall for each in sides if each.group and each.group.overall])
    )
