"""How the model that ships is made: examples of the data folder → table → calibration → thresholds. Pure.

The same folder, seed and lock file give the same bytes on the same kind of processor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.calibration import platt, threshold
from services.trainer.learning import Pace
from services.trainer.recipes import fit
from shared.model import Model
from shared.vocabulary import CATEGORIES

BASE_RATE = 0.5
"""Share of positives a probability is calibrated to: nobody knows a platform's before its first reviews. A threshold,
chosen with both classes alike, does not depend on it."""
ENOUGH = 50
"""Positives among the development rows from which a figure says something."""
UNTRAINED = ("extremism",)
"""Categories that stay unknown: too few sentences from too few sources to answer for (learning.md section 13)."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hyper:
    """What a run of the shipped recipe is made with; every number is in the card."""

    pace: Pace = Pace()
    least_weight: float = 0.0


def made(train: pd.DataFrame, dev: pd.DataFrame, hyper: Hyper, facts: Mapping[str, Any]) -> Model:
    """Return the model of the training rows, calibrated on the development rows.

    Both tables are what services.trainer.sets.mix gives. Weak labels train and never calibrate.
    """
    masked = train.assign(**dict.fromkeys(UNTRAINED, np.nan))
    weights = train[[f"weight_{category}" for category in CATEGORIES]].to_numpy(float)
    raw = fit("hashed", masked, facts=facts, pace=hyper.pace, weights=weights)
    table = np.where(np.abs(raw.weights) < hyper.least_weight, 0.0, raw.weights).astype(np.float32)
    raw = replace(raw, weights=table)
    logits = raw.logits(dev["text"].tolist()).astype(np.float64)
    pairs, limits = [], {}
    for head, category in enumerate(raw.categories):
        known = strong(dev, category)
        labels, mine = dev[category].to_numpy(float)[known], logits[known, head]
        slope, offset = platt(mine, labels, BASE_RATE)
        pairs.append((slope, offset))
        limits[category] = threshold(1 / (1 + np.exp(-(slope * mine + offset))), labels)
    return replace(raw, calibration=np.array(pairs, np.float32), thresholds=limits)


def strong(rows: pd.DataFrame, category: str) -> NDArray[np.bool_]:
    """Return which rows may judge a category: its label is known and was given, not guessed (weight below one)."""
    return (rows[category].notna() & (rows[f"weight_{category}"] >= 1.0)).to_numpy()
