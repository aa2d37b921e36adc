"""Flip checks: how many statuses a round would gain and lose, and whether that is too many. Pure.

A check compares the state before a round with the round's statuses, over those subjects of a subset whose lock has no
time (Ombud: neither half). Source: status-history specification, section 6.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.auditor.status.policy import Limits, Policy
from services.auditor.status.record import StatusRecord


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its name, the rule it belongs to, the ids it looks at (None: all) and how much may flip."""

    name: str
    rule: str
    ids: frozenset[int | str] | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class Flips:
    """What a check found: flagged subjects before and after, gained and lost; `failed` names the side, or is empty."""

    name: str
    rule: str
    before: int
    after: int
    gained: int
    lost: int
    failed: str | None = None

    @property
    def passed(self) -> bool:
        """Return whether the round may go on."""
        return self.failed is None

    def __str__(self) -> str:
        """Return what was found in words."""
        if self.failed is None:
            return f"{self.name} ({self.rule}): passed, {self.gained} gained and {self.lost} lost"
        flipped = self.gained if self.failed == "gained" else self.lost
        return (
            f"{self.name} ({self.rule}): too many {self.failed}: "
            f"before={self.before}, after={self.after}, flipped={flipped}"
        )


def judged(check: Check, before: int, after: int, both: int, rows: int, policy: Policy) -> Flips:
    """Return what a check says of counts: flagged before, after, and both; `rows` is the size of the whole round."""
    gained, lost = after - both, before - both
    found = Flips(check.name, check.rule, before, after, gained, lost)
    nothing = before == 0 if policy.strict else before == 0 or after == 0
    if rows <= policy.churn_checked_above or nothing:
        return found
    size = before + policy.churn_smoothing
    for side, flipped, limit in (("gained", gained, check.limits.gained), ("lost", lost, check.limits.lost)):
        share = flipped / size
        if not (share < limit if policy.churn_passes == "below" else share <= limit):
            return Flips(check.name, check.rule, before, after, gained, lost, side)
    return found


class ChurnGate:
    """Counts flips of one round as its judgements come, in constant time each, and judges when the round closes."""

    def __init__(self, checks: Iterable[Check], policy: Policy) -> None:
        self._checks = tuple(checks)
        self._policy = policy
        self._counts = [[0, 0, 0] for _ in self._checks]
        self._rows = 0

    def count(self, record: StatusRecord, final: str | None) -> None:
        """Count one judgement: the record as it stands before the round, and the status the round gives it."""
        self._rows += 1
        policy = self._policy
        locked = record.locked if policy.strict else record.locked_at is not None
        was, will = record.status == policy.flagged, final == policy.flagged
        if locked or not (was or will):
            return
        for check, counts in zip(self._checks, self._counts, strict=True):
            if check.ids is None or record.id in check.ids:
                counts[0] += was
                counts[1] += will
                counts[2] += was and will

    def judge(self) -> list[Flips]:
        """Return what the checks say; as policies want, up to the first that fails or all of them."""
        found = []
        for check, (before, after, both) in zip(self._checks, self._counts, strict=True):
            found.append(judged(check, before, after, both, self._rows, self._policy))
            if self._policy.churn_stops_at_first and not found[-1].passed:
                break
        return found


def failing(found: Collection[Flips]) -> list[Flips]:
    """Return the checks that failed."""
    return [each for each in found if not each.passed]
