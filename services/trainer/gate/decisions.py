"""Checks of what a category decides at its threshold: how far F1 and recall fall against the champion. Pure.

A threshold makes these figures jump, so a fall has to be more than chance explains among all figures that are looked
at. Source: docs/decisions/0025.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from services.trainer.gate.chance import Draws, quantile
from services.trainer.gate.check import Check, fallen, silent
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged
from shared.vocabulary import CATEGORIES

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


def _f1(truth: Numbers, hits: Numbers, said: Numbers) -> Numbers:
    return _share(2 * hits, truth + said)


def _recall(truth: Numbers, hits: Numbers, said: Numbers) -> Numbers:
    return _share(hits, truth)


FIGURES: Mapping[str, Callable[[Numbers, Numbers, Numbers], Numbers]] = MappingProxyType({"f1": _f1, "recall": _recall})
"""Figure -> what it is, of the sums of positives, of those that were found, and of what was said to be one."""


def fell(after: Judged, before: Judged, rows: Places, column: int, limits: Limits, *, looked: int) -> Iterator[Check]:
    """Yield how far each figure of one category falls on the rows that judge it; `looked` figures are compared in all.

    A fall refuses if it is larger than the limit and than what chance explains among so many figures.
    """
    category = CATEGORIES[column]
    if (units := _units(after, rows, column)) < limits.decision_units:
        why = f"{units} patterns or posts have {category}, fewer than {limits.decision_units}"
        yield from (silent(f"champion.{figure}.{category}", units, why) for figure in FIGURES)
        return
    for figure in FIGURES:
        yield _against(figure, after, before, rows, column, limits, looked)


def _against(
    figure: str, after: Judged, before: Judged, rows: Places, column: int, limits: Limits, looked: int
) -> Check:
    category, of = CATEGORIES[column], FIGURES[figure]
    truth = after.frozen.labels[rows, column] == 1
    said = [each.said[rows, column] for each in (after, before)]
    counts = np.stack([truth, *(part for each in said for part in (truth & each, each))], axis=1).astype(float)
    ours, theirs = np.nan_to_num(_both(of, counts.sum(axis=0)[None, :])[:, 0]).tolist()
    check = fallen(figure, category, ours, theirs, limits.decisions_fall(category), int(truth.sum()))
    if check.passed:
        wished = limits.wished(category)
        more = theirs - ours > wished
        return replace(check, reason=f"{check.reason}, though more than the wished {wished:g}") if more else check

    def difference(sums: Numbers) -> Numbers:
        both = _both(of, sums)
        change: Numbers = both[0] - both[1]
        return change

    error = Draws(after.frozen.units[rows], limits.resamples, limits.seed).error(counts, difference)
    if error is None:
        return check
    most = quantile(looked) * error
    real = theirs - ours > most
    words = f"chance explains a fall of {most:.4f} among {looked} figures"
    return replace(check, passed=not real, reason=f"{check.reason}; {words}{'' if real else ', so it may be chance'}")


def _both(of: Callable[[Numbers, Numbers, Numbers], Numbers], sums: Numbers) -> Numbers:
    """Return the figure of candidate and champion, (2, n), of sums (n, 5)."""
    positives, hits, said, hits_then, said_then = sums.T
    both: Numbers = np.stack([of(positives, hits, said), of(positives, hits_then, said_then)])
    return both


def _units(judged: Judged, rows: Places, column: int) -> int:
    positive = judged.frozen.labels[rows, column] == 1
    return len(np.unique(judged.frozen.units[rows][positive]))


def _share(part: Numbers, whole: Numbers) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Numbers = part / whole
    return share
