"""Who belongs to a group, and whether it is large enough that nobody in or just outside of it can be told apart.

Invariant: below the minimum there is no model and no figure, only a plain reason; a small size is never said exactly.
Source: audits.md section 5. Traits are values in memory: they never become a name, a path or a line of a log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations

import orjson

MINIMUM = 15
"""Raters a group needs: the smallest size that was measured."""
LOWEST_MINIMUM = 5
"""A setting may not go below."""

Traits = Mapping[str, Mapping[str, Sequence[str]]]
"""Rater -> axis -> the values they named."""
Chosen = Mapping[str, Sequence[str]]
"""Axis -> values of which a member named any; all axes have to fit."""


@dataclass(frozen=True)
class Axis:
    """What people may say of themselves in one respect; `several` values at once, or one."""

    name: str
    values: tuple[str, ...]
    several: bool = False


@dataclass(frozen=True)
class Size:
    """Whether a group may be looked at, how many it has (`shown`: exact only from the minimum on), and why not."""

    allowed: bool
    shown: str
    reason: str | None = None


def own_axes() -> tuple[Axis, ...]:
    """Return the axes that come with Ombud."""
    said = orjson.loads(files(__package__).joinpath("axes.json").read_bytes())
    return tuple(Axis(each["name"], tuple(each["values"]), each.get("several", False)) for each in said)


def checked(chosen: Chosen, axes: Iterable[Axis]) -> dict[str, frozenset[str]]:
    """Return what was chosen as sets. Raises ValueError for an axis or value that is none; a match is exact."""
    known = {axis.name: axis for axis in axes}
    found = {}
    for name, values in chosen.items():
        if name not in known:
            raise ValueError("there is no such axis")
        if not values or not set(values) <= set(known[name].values):
            raise ValueError(f"the axis {name} has no such value")
        found[name] = frozenset(values)
    return found


def members(traits: Traits, chosen: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the raters who named, on every chosen axis, any of its chosen values."""
    return frozenset(
        rater
        for rater, said in traits.items()
        if all(values & frozenset(said.get(axis, ())) for axis, values in chosen.items())
    )


def size_of(traits: Traits, chosen: Mapping[str, frozenset[str]], minimum: int = MINIMUM) -> Size:
    """Return whether a group is large enough, and so is what it leaves of every wider group and what each value adds.

    Otherwise the difference of two groups would speak about fewer people than the minimum. Raises ValueError for a
    minimum below five.
    """
    if minimum < LOWEST_MINIMUM:
        raise ValueError(f"a group of fewer than {LOWEST_MINIMUM} is no group")
    group = members(traits, chosen)
    if len(group) < minimum:
        return Size(False, f"< {minimum}", f"fewer than {minimum} people fit: nothing is computed")
    enough = f"{minimum} or more"  # its exact size, less that of the wider group, would be the small one
    for dropped in _some_of(chosen):
        wider = {axis: values for axis, values in chosen.items() if axis not in dropped}
        if len(members(traits, wider) - group) < minimum:
            return Size(False, enough, f"fewer than {minimum} people are left of a wider group without these")
    for axis, values in chosen.items():
        for fewer in _some_of(values):
            narrower = {**chosen, axis: values - fewer} if values - fewer else None
            if narrower is not None and len(group - members(traits, narrower)) < minimum:
                return Size(False, enough, f"a chosen value adds fewer than {minimum} people")
    return Size(True, str(len(group)))


def _some_of(names: Iterable[str]) -> list[frozenset[str]]:
    """Return every choice of at least one of the names."""
    all_names = sorted(names)
    return [frozenset(some) for count in range(1, len(all_names) + 1) for some in combinations(all_names, count)]
