"""One check of the gate: a number, its limit, how many rows it rests on, and why it passed or not. Pure.

Invariant: a reason holds numbers and names of categories, languages and slices, and never a text.
"""

from dataclasses import dataclass, replace

EXACT = 1e-9
"""What sums of decimal fractions may be off by."""


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is `kind.what`, as `champion.auc.threat`. Without evidence a check passes, says so, and justifies nothing.

    `value` and `limit` are None where there is nothing to compare; `n` counts rows (of a category, its positives).
    """

    name: str
    passed: bool
    value: float | None
    limit: float | None
    n: int
    reason: str

    @property
    def judged(self) -> bool:
        """Return whether there was evidence."""
        return self.value is not None


def silent(name: str, n: int, why: str) -> Check:
    """Return a check that there is no evidence for."""
    return Check(name, True, None, None, n, f"no evidence: {why}")


def at_least(name: str, value: float, limit: float, n: int, what: str) -> Check:
    """Return the check that a figure reaches a limit."""
    passed = value >= limit - EXACT
    return Check(name, passed, value, limit, n, f"{what} {value:.4f} is {'not ' if passed else ''}below {limit:.4f}")


def at_most(name: str, value: float, limit: float, n: int, what: str) -> Check:
    """Return the check that a figure stays within a limit."""
    passed = value <= limit + EXACT
    return Check(name, passed, value, limit, n, f"{what} {value:.4f} is {'not ' if passed else ''}above {limit:.4f}")


def absolute(
    name: str, value: float, limit: float, champion: float | None, n: int, what: str, *, least: bool, slack: float
) -> Check:
    """Return the check of an absolute limit.

    Where the champion misses the limit (or comes as near to it as `slack`), the candidate may not be worse than the
    champion by more than `slack`, and the reason says that this rule was applied instead.
    """
    plain = at_least if least else at_most
    strict = plain(name, value, limit, n, what)
    if strict.passed or champion is None:
        return strict
    relative = plain(name, value, champion - slack if least else champion + slack, n, what)
    near = champion - limit < slack if least else limit - champion < slack
    if not near:
        return strict
    side = "below" if least else "above"
    verdict = "is not" if relative.passed else "is"
    return replace(
        relative,
        reason=f"{what} {value:.4f} is {side} the limit {limit:.4f}, where the champion has {champion:.4f}: it may be "
        f"worse than that by {slack:g}, and {verdict} worse than so",
    )


def fallen(figure: str, category: str, ours: float, theirs: float, fall: float, positives: int) -> Check:
    """Return the check that a figure of a category falls by no more than `fall` against the champion's."""
    check = at_least(f"champion.{figure}.{category}", ours, theirs - fall, positives, "")
    words = {"auc": "AUC", "f1": "F1", "recall": "recall"}[figure]
    moved = f"{words} of {category} went from {theirs:.4f} to {ours:.4f}"
    verdict = "within" if check.passed else "more than"
    return replace(check, reason=f"{moved}, {verdict} the fall of {fall:.4f}")
