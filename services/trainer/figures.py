"""How good scores of one category are: every figure of the model card and of `ombud evaluate`. Pure.

Invariant: unknown stays unknown. A row without a label or without a score is in no figure and is counted beside them;
a figure that its rows cannot give is None, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from services.trainer.calibration import calibration_error

HALF = 0.5
RESAMPLES = 1000
"""Bootstrap samples of an interval (learning.md section 13)."""
FEWEST_RESAMPLES, DRAWN = 200, 5_000_000
"""Past so many drawn rows in all an interval takes fewer samples, but not fewer than that: a second, not a minute."""
ENOUGH = 10
"""Rows below which a slice is shown and not compared with others: one row more would decide."""

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Interval = tuple[float, float]
Names = Sequence[Sequence[str]]
"""What each row belongs to: none, one or several slices."""


@dataclass(frozen=True, slots=True)
class At:
    """What one threshold makes of the scores; `recall` is of the positives, `specificity` that of the negatives.

    `threshold` is None where rows have thresholds of their own.
    """

    threshold: float | None
    flagged: int
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    recall: float | None = None
    specificity: float | None = None
    precision: float | None = None
    f1: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one category on `n` rows with label and score; `unlabelled` and `unscored` rows are in none of them.

    Intervals hold 95 % of the bootstrap's values: AUC, and balanced accuracy at the shipped threshold.
    """

    n: int
    positives: int
    unlabelled: int
    unscored: int
    shipped: At
    half: At
    auc: float | None = None
    average_precision: float | None = None
    ece: float | None = None
    auc_interval: Interval | None = None
    balanced_accuracy_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Largest less smallest false-positive rate among the groups with enough negative rows.

    `rates` holds (rate, negative rows) of every group, the small ones too. `difference` is None below two groups.
    """

    rates: Mapping[str, tuple[float, int]]
    difference: float | None = None
    largest: str | None = None
    smallest: str | None = None


def judged(
    scores: Numbers, labels: Numbers, threshold: float | Numbers, *, resamples: int = RESAMPLES, seed: int = 0
) -> Figures:
    """Return the figures of scores (n,) in 0..1 against labels (n,) of 1 and 0, NaN where either is unknown.

    `threshold` is one number or one per row. Intervals take `resamples` bootstrap samples of rows, of very many
    rows fewer, 0 for none; the same seed gives the same ones. Raises ValueError for arrays of different shapes.
    """
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} are not of one shape (n,)")
    labelled = ~np.isnan(labels)
    known = labelled & ~np.isnan(scores)
    mine, truth = scores[known], labels[known] == 1
    limits = np.broadcast_to(np.asarray(threshold, float), scores.shape)[known]
    said = mine >= limits
    one = float(threshold) if np.ndim(threshold) == 0 else None
    n, positives = len(truth), int(truth.sum())
    auc = precision = ece = auc_interval = balanced_interval = None
    if 0 < positives < n:
        auc, precision = float(roc_auc_score(truth, mine)), float(average_precision_score(truth, mine))
        ece = calibration_error(mine, truth.astype(float))
        if resamples:
            auc_interval, balanced_interval = _intervals(mine, truth, said, resamples, seed)
    return Figures(
        n=n,
        positives=positives,
        unlabelled=int((~labelled).sum()),
        unscored=int(labelled.sum()) - n,
        shipped=decided(truth, said, one),
        half=decided(truth, mine >= HALF, HALF),
        auc=auc,
        average_precision=precision,
        ece=ece,
        auc_interval=auc_interval,
        balanced_accuracy_interval=balanced_interval,
    )


def decided(truth: Flags, said: Flags, threshold: float | None) -> At:
    """Return the figures of yes-or-no decisions (n,) against the truth (n,)."""
    hits, alarms = int((truth & said).sum()), int((~truth & said).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    recall, specificity = _share(hits, positives), _share(negatives - alarms, negatives)
    both = None if recall is None or specificity is None else (recall + specificity) / 2
    return At(
        threshold=threshold,
        flagged=hits + alarms,
        accuracy=_share(hits + negatives - alarms, positives + negatives),
        balanced_accuracy=both,
        recall=recall,
        specificity=specificity,
        precision=_share(hits, hits + alarms),
        f1=_share(2 * hits, hits + alarms + positives) if positives else None,
    )


def sliced(scores: Numbers, labels: Numbers, threshold: float | Numbers, names: Names) -> dict[str, Figures]:
    """Return the figures of every slice in the order of names, without intervals; a row counts in all it belongs to."""
    limits = np.broadcast_to(np.asarray(threshold, float), scores.shape)
    found = {}
    for name, rows in rows_of(names).items():
        limit = float(threshold) if np.ndim(threshold) == 0 else limits[rows]
        found[name] = judged(scores[rows], labels[rows], limit, resamples=0)
    return found


def worst(slices: Mapping[str, Figures], *, half: bool = False) -> tuple[str, float] | None:
    """Return the slice of the lowest accuracy and that accuracy, at the shipped threshold or at 0.5.

    Slices of fewer than ENOUGH rows do not count; None if there are no others.
    """
    found = [
        (accuracy, name)
        for name, each in slices.items()
        if each.n >= ENOUGH and (accuracy := (each.half if half else each.shipped).accuracy) is not None
    ]
    return min(found)[::-1] if found else None


def gap(scores: Numbers, labels: Numbers, threshold: float | Numbers, names: Names) -> Gap:
    """Return how unequal false positives are over the groups that negative rows name."""
    said = scores >= np.broadcast_to(np.asarray(threshold, float), scores.shape)
    negative = np.flatnonzero((labels == 0) & ~np.isnan(scores)).tolist()
    return spread(said[negative], [names[at] for at in negative], ENOUGH)


def spread(said: Flags, names: Names, fewest: int) -> Gap:
    """Return how unequally often groups that rows name are said to be something, over groups with so many rows.

    This is the one identity gap of the gate, of tuning, of cards and of evaluations; each chooses its rows.
    """
    rates = {name: (float(said[rows].mean()), len(rows)) for name, rows in rows_of(names).items()}
    counted = {name: rate for name, (rate, n) in rates.items() if n >= fewest}
    if len(counted) < 2:
        return Gap(rates)
    largest, smallest = max(counted, key=lambda name: counted[name]), min(counted, key=lambda name: counted[name])
    return Gap(rates, counted[largest] - counted[smallest], largest, smallest)


def rows_of(names: Names) -> dict[str, NDArray[np.int64]]:
    """Return slice -> the positions of its rows, slices in the order of their names."""
    found: dict[str, list[int]] = {}
    for at, mine in enumerate(names):
        for name in dict.fromkeys(mine):
            found.setdefault(name, []).append(at)
    return {name: np.array(found[name]) for name in sorted(found)}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _intervals(scores: Numbers, truth: Flags, said: Flags, resamples: int, seed: int) -> list[Interval | None]:
    """Return the 95 % intervals of AUC and balanced accuracy; a sample without both classes says nothing."""
    random = np.random.default_rng(seed)
    _, place = np.unique(scores, return_inverse=True)
    cell, places = 2 * place + truth, int(place.max()) + 1
    areas, balanced = [], []
    for _ in range(min(resamples, max(FEWEST_RESAMPLES, DRAWN // len(truth)))):
        drawn = random.integers(0, len(truth), len(truth))
        counts = np.bincount(cell[drawn], minlength=2 * places).astype(float)
        negative, positive = counts[0::2], counts[1::2]
        if not (negatives := negative.sum()) or not (positives := positive.sum()):
            continue
        below = np.cumsum(negative) - negative / 2
        areas.append(float(positive @ below) / (positives * negatives))
        right = said[drawn] == truth[drawn]
        hits = float((right & truth[drawn]).sum())
        balanced.append((hits / positives + (right.sum() - hits) / negatives) / 2)
    return [_middle(areas), _middle(balanced)]


def _middle(values: Sequence[float]) -> Interval | None:
    if not values:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
