"""What stands where thresholds are changed: those in force, those to try, and what either would flag."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.thresholds import over, threshold_of
from shared.vocabulary import CATEGORIES

LOWEST, HIGHEST = 0.01, 0.99
SAID = ("saved",)
Wanted = Mapping[str, float | None]
"""Category -> threshold to put in force; None: the usual one again. Others stay as they are."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A category's threshold in force, the usual one and one to try, and how many newest posts each flags with it."""

    category: str
    now: float
    usual: float
    chosen: bool
    masked: bool
    tried: float
    flagged_now: int
    flagged_then: int

    @property
    def changes(self) -> bool:
        """Return whether the one to try is another one."""
        return self.tried != self.now


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The page. `fault`: why nothing was saved; `reached`: whether the classifier could be asked."""

    version: int
    limits: tuple[Limit, ...]
    wanted: str
    posts: int
    any_now: int
    any_then: int
    changed_at: datetime | None
    reason: str | None
    ignored: tuple[str, ...]
    saved: bool
    fault: str
    typed: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What an address asks to try, and names that were not understood."""

    wanted: Wanted
    ignored: tuple[str, ...]
    saved: bool


def read_tried(asked: Mapping[str, str]) -> Tried:
    """Return the thresholds that an address names."""
    wanted: dict[str, float | None] = {}
    ignored = []
    for name, value in asked.items():
        if name in SAID:
            continue
        if name not in CATEGORIES or (value.strip() and _number(value) is None):
            ignored.append(name)
        else:
            wanted[name] = _number(value)
    return Tried(wanted, tuple(ignored), asked.get("saved") == "true")


def told(wanted: Wanted) -> str:
    """Return thresholds as a form sends them: `insult:0.6,threat:`."""
    return ",".join(f"{name}:{'' if value is None else f'{value:g}'}" for name, value in wanted.items())


def heard(changes: str) -> dict[str, float | None]:
    """Return thresholds as a form sent them. Raises ValueError for what is none."""
    found: dict[str, float | None] = {}
    for each in changes.split(",") if changes else ():
        name, _, value = each.partition(":")
        number = _number(value)
        if name not in CATEGORIES or (value and number is None):
            raise ValueError(name)
        found[name] = number
    return found


def _number(value: str) -> float | None:
    try:
        found = round(float(value.replace(",", ".")), 4)
    except ValueError:
        return None
    return found if LOWEST <= found <= HIGHEST else None


def thresholds(
    said: Mapping[str, Any] | None,
    tried: Tried,
    newest: Sequence[Mapping[str, float]],
    last: Mapping[str, float],
    *,
    fault: str = "",
    typed: str = "",
) -> Thresholds:
    """Return the page; `said` is what the classifier answers, None if it cannot be asked: then `last` counts."""
    rows: Iterable[Mapping[str, Any]] = said["categories"] if said else [_last(name, last) for name in CATEGORIES]
    known = {row["name"]: row for row in rows}
    now = {name: row["threshold"] for name, row in known.items()}
    then = dict(now)
    for name, value in tried.wanted.items():
        then[name] = known[name]["usual"] if value is None else value
    changed = {name: value for name, value in tried.wanted.items() if _differs(value, known[name])}
    flagged = [(over(scores, now), over(scores, then)) for scores in newest]
    return Thresholds(
        version=said["version"] if said else 0,
        limits=tuple(
            Limit(
                name,
                now[name],
                row["usual"],
                row["chosen"] is not None,
                row["masked"],
                then[name],
                sum(name in before for before, _ in flagged),
                sum(name in after for _, after in flagged),
            )
            for name, row in known.items()
        ),
        wanted=told(changed),
        posts=len(newest),
        any_now=sum(bool(before) for before, _ in flagged),
        any_then=sum(bool(after) for _, after in flagged),
        changed_at=datetime.fromisoformat(said["changed_at"]) if said and said["changed_at"] else None,
        reason=said["reason"] if said else None,
        ignored=tried.ignored,
        saved=tried.saved,
        fault=fault,
        typed=typed,
        reached=said is not None,
    )


def _differs(value: float | None, row: Mapping[str, Any]) -> bool:
    """Return whether a choice says something new: the same number as a usual one is no choice."""
    if value is None:
        return row["chosen"] is not None
    return bool(value != row["threshold"])


def _last(name: str, last: Mapping[str, float]) -> dict[str, Any]:
    threshold = threshold_of(name, last)
    return {"name": name, "threshold": threshold, "usual": threshold, "chosen": None, "masked": False}
