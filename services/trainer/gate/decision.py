"""What the gate says of a candidate: every check of the pipeline's gate, and the few the fast path has time for. Pure.

Invariant: the same candidate, champion and frozen rows give the same decision, in whatever order the rows came; and
every check that refuses says why in words and numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.trainer.gate import comparing, facts, identity, slicing
from services.trainer.gate.check import Check
from services.trainer.gate.facts import Learned, Proof
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged

LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a candidate may score, and every check behind it."""

    passed: bool
    checks: tuple[Check, ...]

    @property
    def refused(self) -> tuple[Check, ...]:
        """Return the checks that speak against it."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why, in words: what refuses it, else what was judged, and what there was no evidence for."""
        if self.refused:
            return tuple(f"{check.name}: {check.reason}" for check in self.refused)
        silent = [check.name for check in self.checks if not check.judged]
        judged = len(self.checks) - len(silent)
        told = [f"{judged} checks passed"]
        told += [check.reason for check in self.checks if check.name.startswith("champion.macro")]
        told += [f"no evidence for {', '.join(silent)}"] if silent else []
        return tuple(told)


def decide(
    candidate: Judged,
    champion: Judged | None,
    limits: Limits = LIMITS,
    *,
    proof: Proof | None,
    anchor: Judged | None = None,
    root: Judged | None = None,
    learned: Learned | None = None,
    left_out: Mapping[str, tuple[float, int]] | None = None,
) -> Decision:
    """Return whether a candidate may score from now on. All are judged on the same frozen rows.

    `anchor` is the model that ships. It stands in for a champion where there is none: the first model has to be no
    worse than what came with Ombud. `root` is the full training that a champion of small steps goes on from, None
    where the champion is one itself. Raises ValueError for different frozen rows.
    """
    champion = champion or anchor
    for other in (champion, anchor, root):
        _same(candidate, other)
    checks = [*facts.hard(proof, limits), *comparing.known_categories(candidate, champion, limits)]
    checks += comparing.floors(candidate, champion, limits, left_out)
    checks += comparing.calibration(candidate, champion, limits)
    # small steps move the gap of a champion by a few of twenty sentences, as it happens: `root` is what was judged
    checks += identity.gaps(candidate, root or champion, limits, anchor)
    if champion is not None:
        checks.append(_macro(candidate, champion, limits, limits.macro))
        checks += _relative(candidate, champion, root, limits)
        checks += _drift(candidate, champion, anchor, limits)
        checks += facts.churn(candidate, champion, limits)
    checks += facts.corrections(learned, limits)
    return _decided(checks)


def guard(before: Judged, after: Judged, limits: Limits = LIMITS, *, anchor: Judged | None = None) -> Decision:
    """Return whether an update of the fast path may stay: what can be told in a fraction of a second, no bootstrap.

    `anchor` is the model that ships. All are judged on the same frozen rows (`Frozen.sample`), else ValueError.
    """
    for other in (before, anchor):
        _same(after, other)
    checks = [*comparing.known_categories(after, before, limits)]
    checks.append(_macro(after, before, limits, limits.guard_macro))
    checks += comparing.areas(after, before, limits, limits.guard_auc)
    checks += identity.moves(after, before, limits)
    checks += _drift(after, before, anchor, limits)
    checks += slicing.own_groups(after, before, limits)
    checks += slicing.slices(after, before, limits)
    checks += facts.churn(after, before, limits)
    return _decided(checks)


def _decided(checks: list[Check]) -> Decision:
    return Decision(all(check.passed for check in checks), tuple(checks))


def _relative(candidate: Judged, champion: Judged, root: Judged | None, limits: Limits) -> list[Check]:
    """Return how a candidate compares with the champion, and with the full training that one goes on from.

    Small steps answer to the guard alone, and their order moves figures on few rows: what they gained there is no
    promise that a full training has to keep (docs/decisions/0025). So what is no worse than `root`, which passed the
    whole gate, passes. What people feel of the change, macro AUC, the bound of each AUC and churn, knows no such way;
    a gap between groups is compared with `root` alone.
    """
    found = _compared(candidate, champion, limits)
    if root is None or all(check.passed for check in found):
        return found
    others = {check.name: check for check in _compared(candidate, root, limits)}
    return [_or_root(check, others.get(check.name)) for check in found]


def _or_root(check: Check, other: Check | None) -> Check:
    if check.passed or other is None or not other.passed or check.name.startswith("champion.bound."):
        return check
    words = "but against the full training that the champion goes on from"
    return replace(other, reason=f"{check.reason}; {words}: {other.reason}")


def _compared(candidate: Judged, champion: Judged, limits: Limits) -> list[Check]:
    checks = [*comparing.against(candidate, champion, limits), *identity.moves(candidate, champion, limits)]
    checks += identity.subgroups(candidate, champion, limits)
    checks += slicing.own_groups(candidate, champion, limits)
    checks += slicing.slices(candidate, champion, limits)
    return checks


def _drift(candidate: Judged, champion: Judged, anchor: Judged | None, limits: Limits) -> list[Check]:
    if anchor is None or anchor is champion:
        return []
    return [*identity.moves(candidate, anchor, limits, drift=True)]


def _macro(candidate: Judged, champion: Judged, limits: Limits, tolerance: float) -> Check:
    ours, theirs = (comparing.areas_of(each, limits) for each in (candidate, champion))
    return comparing.macro(ours, theirs, tolerance, len(candidate.frozen))


def _same(one: Judged, other: Judged | None) -> None:
    if other is not None and one.frozen.keys != other.frozen.keys:
        raise ValueError("two models are compared on the same frozen rows only")
