"""How good a model is on frozen rows, as runs, models and events tell it. Two models are compared on the same rows.

Invariant: an unknown label is in no figure. A category the model knows nothing of counts as a guess of 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from services.trainer.gate.frozen import Frozen
from services.trainer.recalibration import RATES
from shared.model import Model
from shared.vocabulary import CATEGORIES

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class CategoryMetrics:
    """Figures of one category; None where the rows hold only one class or none.

    F1 and balanced accuracy are those at its own threshold. Drift compares what people say of posts with the latter.
    """

    n: int
    positives: int
    auc: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    log_loss: float | None = None
    balanced_accuracy: float | None = None


@dataclass(frozen=True)
class Metrics:
    """Figures of one model: `macro` averages the categories that have an AUC; n is the number of rows."""

    macro: CategoryMetrics
    categories: dict[str, CategoryMetrics]


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of the frozen rows: scores (n, 12), NaN where it knows nothing, and its thresholds (12,).

    `rates` are the shares of positives its probabilities mean where that is not the usual half: column -> share.
    """

    frozen: Frozen
    scores: Numbers
    thresholds: Numbers
    rates: Mapping[int, float] = field(default_factory=dict)

    @cached_property
    def chances(self) -> Numbers:
        """Return the scores with a guess where the model knows nothing."""
        return np.nan_to_num(self.scores, nan=0.5)

    @cached_property
    def said(self) -> Flags:
        """Return which categories flag, (n, 12); an unknown one never does."""
        return np.asarray(np.nan_to_num(self.scores, nan=-1.0) >= self.thresholds, bool)

    @cached_property
    def flagged(self) -> Flags:
        """Return which rows are flagged by any category, (n,)."""
        return np.asarray(self.said.any(axis=1), bool)

    @cached_property
    def knows(self) -> Flags:
        """Return which categories the model knows, (12,)."""
        return np.asarray((~np.isnan(self.scores)).any(axis=0), bool)

    @cached_property
    def metrics(self) -> Metrics:
        """Return its figures."""
        return evaluate(self.scores, self.frozen.labels, self.thresholds)


def judge(model: Model, frozen: Frozen) -> Judged:
    """Return what a model says of the frozen rows."""
    thresholds = np.array([model.thresholds.get(category, 0.5) for category in CATEGORIES])
    told = model.facts.get(RATES, {})
    rates = {CATEGORIES.index(category): float(rate) for category, rate in told.items()}
    return Judged(frozen, model.score(frozen.texts), thresholds, rates)


def evaluate(scores: Numbers, labels: Numbers, thresholds: Numbers) -> Metrics:
    """Return the metrics of scores against labels, both (rows, 12), NaN where unknown; thresholds are (12,)."""
    measured = {
        category: _measure(scores[:, column], labels[:, column], thresholds[column])
        for column, category in enumerate(CATEGORIES)
    }
    counted = [each for each in measured.values() if each.auc is not None]
    macro = CategoryMetrics(
        n=len(labels),
        positives=sum(each.positives for each in measured.values()),
        auc=_mean([each.auc for each in counted]),
        average_precision=_mean([each.average_precision for each in counted]),
        f1=_mean([each.f1 for each in counted]),
        log_loss=_mean([each.log_loss for each in counted]),
        balanced_accuracy=_mean([each.balanced_accuracy for each in counted]),
    )
    return Metrics(macro, measured)


def _measure(score: Numbers, label: Numbers, threshold: float) -> CategoryMetrics:
    known = ~np.isnan(label)
    truth, chance = label[known].astype(int), np.nan_to_num(score[known], nan=0.5)
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        return CategoryMetrics(len(truth), positives)
    said = np.nan_to_num(score[known], nan=-1.0) >= threshold
    return CategoryMetrics(
        len(truth),
        positives,
        auc=float(roc_auc_score(truth, chance)),
        average_precision=float(average_precision_score(truth, chance)),
        f1=float(f1_score(truth, said, zero_division=0.0)),
        log_loss=float(log_loss(truth, chance, labels=[0, 1])),
        balanced_accuracy=float((said[truth == 1].mean() + (~said[truth == 0]).mean()) / 2),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
