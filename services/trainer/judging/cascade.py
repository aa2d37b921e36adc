"""What sending some posts to an LLM is worth: for every share sent, the quality of both together. Pure.

The yardstick (learning.md section 10): the smallest share sent at which the cascade reaches a part of what the LLM
alone gives, for one metric on one set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = (0.90, 0.95, 0.99, 1.00)
METRICS = ("accuracy", "balanced_accuracy", "f1")
POINTS = 100
"""Points of a drawn curve."""

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


def noisy(truth: Flags, noise: float, seed: int) -> Flags:
    """Return the truth with a share of its decisions turned round: a simulated LLM."""
    return truth ^ (np.random.default_rng(seed).random(len(truth)) < noise)


def qualities(truth: Flags, local: Flags, llm: Flags, order: NDArray[np.int64]) -> dict[str, Numbers]:
    """Return metric -> its value (n + 1,) when the first 0, 1, ... n rows of `order` are sent; NaN where undefined."""
    hits = _running(truth & local, truth & llm, order)
    alarms = _running(~truth & local, ~truth & llm, order)
    positives, negatives = float(truth.sum()), float((~truth).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = hits / positives, (negatives - alarms) / negatives
        return {
            "accuracy": (hits + negatives - alarms) / (positives + negatives),
            "balanced_accuracy": (recall + specificity) / 2,
            "f1": 2 * hits / (hits + alarms + positives),
        }


def _running(before: Flags, after: Flags, order: NDArray[np.int64]) -> Numbers:
    change = after[order].astype(float) - before[order].astype(float)
    return np.cumsum(np.concatenate(([float(before.sum())], change)))


def smallest_share(quality: Numbers, part: float) -> float | None:
    """Return the smallest share sent that reaches `part` of the last value, which is all sent; None where undefined."""
    reached = np.flatnonzero(quality >= part * quality[-1] - 1e-12)
    return float(reached[0] / (len(quality) - 1)) if len(reached) and len(quality) > 1 else None


def cascade(
    truth: Flags, local: Flags, llm: Flags, orders: Mapping[str, Sequence[int] | NDArray[np.int64]]
) -> dict[str, Any]:
    """Return for each order of sending its table and curve, with what either side gives alone.

    All are decisions (n,) of one category; `orders` names which rows go first.
    """
    found: dict[str, Any] = {"n": len(truth), "positives": int(truth.sum()), "orders": {}}
    for name, given in orders.items():
        order = np.asarray(given, np.int64)
        each = qualities(truth, local, llm, order)
        found["local"] = {metric: _told(each[metric][0]) for metric in METRICS}
        found["llm"] = {metric: _told(each[metric][-1]) for metric in METRICS}
        at = np.unique(np.linspace(0, len(truth), POINTS + 1).astype(int))
        found["orders"][name] = {
            "shares": {
                metric: {f"{part:.2f}": smallest_share(each[metric], part) for part in PARTS} for metric in METRICS
            },
            "best": {metric: _best(each[metric]) for metric in METRICS},
            "curve": {
                "share": [round(step / max(len(truth), 1), 5) for step in at.tolist()],
                **{metric: [_told(value) for value in each[metric][at].tolist()] for metric in METRICS},
            },
        }
    return found


def orders(margins: Mapping[str, Numbers], seed: int) -> dict[str, NDArray[np.int64]]:
    """Return the orders of sending: the smallest of each named margin first, and by chance."""
    by = {name: np.argsort(margin, kind="stable") for name, margin in margins.items()}
    n = len(next(iter(margins.values())))
    return {**by, "random": np.random.default_rng(seed).permutation(n)}


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _best(quality: Numbers) -> dict[str, float] | None:
    """Return the highest value and the smallest share that gives it."""
    if np.isnan(quality).any() or len(quality) < 2:
        return None
    at = int(quality.argmax())
    return {"value": float(quality[at]), "share": at / (len(quality) - 1)}
