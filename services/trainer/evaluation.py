"""How good a model is on held-out examples, and the gate. Two models are compared on the same rows only.

An unknown label is in no figure. A category the model knows nothing of counts as a guess of 0.5: AUC one half.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from shared.vocabulary import CATEGORIES

FLAGGED_AT = 0.5
ENOUGH_POSITIVES = 10
"""A category's AUC on fewer positives is too noisy to refuse a model for."""
LARGEST_FALL = 0.05
"""How far one category's AUC may fall."""


@dataclass(frozen=True)
class CategoryMetrics:
    """Figures of one category; None where the held-out rows hold only one class or none."""

    n: int
    positives: int
    auc: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    log_loss: float | None = None


@dataclass(frozen=True)
class Metrics:
    """Figures of one model: `macro` averages the categories that have an AUC; n is the number of rows."""

    macro: CategoryMetrics
    categories: dict[str, CategoryMetrics]


@dataclass(frozen=True)
class Decision:
    """What the gate says, and why, in words."""

    passed: bool
    reasons: tuple[str, ...]


def evaluate(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> Metrics:
    """Return the metrics of scores against labels, both of shape (rows, 12), NaN where unknown."""
    measured = {category: _measure(scores[:, column], labels[:, column]) for column, category in enumerate(CATEGORIES)}
    counted = [each for each in measured.values() if each.auc is not None]
    macro = CategoryMetrics(
        n=len(labels),
        positives=sum(each.positives for each in measured.values()),
        auc=_mean([each.auc for each in counted]),
        average_precision=_mean([each.average_precision for each in counted]),
        f1=_mean([each.f1 for each in counted]),
        log_loss=_mean([each.log_loss for each in counted]),
    )
    return Metrics(macro, measured)


def decide(candidate: Metrics, champion: Metrics | None, tolerance: float) -> Decision:
    """Return whether the candidate may score from now on.

    It may when there is no champion, or when its macro AUC is at least the champion's less `tolerance` and no
    category with ten positives or more lost over 0.05.
    """
    ours = candidate.macro.auc
    if champion is None:
        return Decision(True, (f"there is no champion; macro AUC {_said(ours)} on {candidate.macro.n} held-out rows",))
    theirs = champion.macro.auc
    if ours is None or theirs is None:
        return Decision(False, ("no category has both classes among the held-out rows: nothing can be compared",))
    enough = ours >= theirs - tolerance
    words = "is not below" if enough else "is below"
    reasons = [f"macro AUC {ours:.4f} {words} the champion's {theirs:.4f} less {tolerance:g}"]
    fallen = [
        f"AUC of {category} fell from {before.auc:.4f} to {after.auc:.4f}, more than {LARGEST_FALL:g} "
        f"({after.positives} positives)"
        for category, after in candidate.categories.items()
        if (before := champion.categories[category]).auc is not None
        and after.auc is not None
        and after.positives >= ENOUGH_POSITIVES
        and before.auc - after.auc > LARGEST_FALL
    ]
    if not fallen:
        reasons.append(f"no category with {ENOUGH_POSITIVES} positives lost more than {LARGEST_FALL:g}")
    return Decision(enough and not fallen, (*reasons, *fallen))


def _measure(score: NDArray[np.float64], label: NDArray[np.float64]) -> CategoryMetrics:
    known = ~np.isnan(label)
    truth, chance = label[known].astype(int), np.nan_to_num(score[known], nan=0.5)
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        return CategoryMetrics(len(truth), positives)
    said = np.nan_to_num(score[known], nan=0.0) >= FLAGGED_AT
    return CategoryMetrics(
        len(truth),
        positives,
        auc=float(roc_auc_score(truth, chance)),
        average_precision=float(average_precision_score(truth, chance)),
        f1=float(f1_score(truth, said, zero_division=0.0)),
        log_loss=float(log_loss(truth, chance, labels=[0, 1])),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
