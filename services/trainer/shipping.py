"""How the model that ships is made: examples of the data folder → table → calibration → thresholds. Pure.

The same folder, seed and lock file give the same bytes on the same kind of processor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer import own_patterns
from services.trainer.calibration import platt, rare, threshold
from services.trainer.hyper import UNTRAINED, Hyper, row_weights, taken
from services.trainer.learning import Watch
from services.trainer.recipes import fit
from services.trainer.replaying import AS_IT_IS, FLAGGED_AT
from services.trainer.runs import RecipeName
from shared.model import Model
from shared.vocabulary import CATEGORIES

BASE_RATE = 0.5
"""Share of positives a probability is calibrated to: nobody knows a platform's before its first reviews. A threshold,
chosen with both classes alike, does not depend on it."""
IMPLIED = ("insult", "threat")
ALARMS: Mapping[str, float] = {**dict.fromkeys(CATEGORIES, 0.05), "toxic": 0.15, "racism": 0.15, "hate_speech": 1.0}
"""Share of development posts judged not toxic that a category may flag at most. Balanced accuracy alone would let each
of ten rare categories flag one benign post in ten, and so every second post be flagged by some."""
ENOUGH = 50
"""Positives among the development rows from which a figure says something."""
FEWEST_JUDGES = 10
"""Rows of either class from which a category is calibrated."""

Numbers = NDArray[np.float64]


def made(
    train: pd.DataFrame,
    dev: pd.DataFrame,
    hyper: Hyper,
    facts: Mapping[str, Any],
    recipe: RecipeName = "hashed",
    watch: Watch | None = None,
) -> Model:
    """Return the model of the training rows, calibrated on the development rows.

    Both tables are what services.trainer.sets.mix gives. Weak labels train and never calibrate.
    """
    raw = learned(train, hyper, facts, recipe, watch)
    return calibrated(raw, dev)


def learned(
    train: pd.DataFrame,
    hyper: Hyper,
    facts: Mapping[str, Any],
    recipe: RecipeName = "hashed",
    watch: Watch | None = None,
) -> Model:
    """Return the model of the training rows before it is calibrated."""
    rows = taken(train, hyper).assign(**dict.fromkeys(UNTRAINED, np.nan))
    return fit(recipe, rows, facts=facts, hyper=hyper, weights=row_weights(rows, hyper), watch=watch)


def calibrated(raw: Model, dev: pd.DataFrame) -> Model:
    """Return a model with calibration and thresholds from the development rows."""
    logits = raw.logits(dev["text"].tolist()).astype(np.float64)
    pairs, limits = lines(raw.categories, logits, dev)
    return replace(raw, calibration=np.array(pairs, np.float32), thresholds=limits)


def lines(
    categories: Sequence[str], logits: Numbers, dev: pd.DataFrame
) -> tuple[list[tuple[float, float]], dict[str, float]]:
    """Return per category the calibration's slope and offset, and the threshold, from logits (rows, categories).

    Where fewer than ten people's posts of either class say what a probability means, our own sentences do; where
    there are too few of both, logits stay as they are and the threshold is one half.
    """
    public = (dev["source"] != own_patterns.SOURCE).to_numpy()
    clean = strong(dev, "toxic") & (dev["toxic"] == 0).to_numpy()
    pairs, limits = [], {}
    for head, category in enumerate(categories):
        known = strong(dev, category)
        labels, mine = dev[category].to_numpy(float), logits[:, head]
        # people's posts say what a probability means; where to draw the line our own twins help to say
        judges = known & public if _both(labels[known & public]) else known
        if not _both(labels[judges]):
            pairs.append(AS_IT_IS)
            limits[category] = FLAGGED_AT
            continue
        slope, offset = platt(mine[judges], labels[judges], BASE_RATE)
        pairs.append((slope, offset))
        chances = 1 / (1 + np.exp(-(slope * mine + offset)))
        rarely = rare(chances[clean], ALARMS[category]) if clean.any() else 0.0
        limits[category] = max(threshold(chances[known], labels[known]), rarely)
    return pairs, limits


def _both(labels: Numbers) -> bool:
    return bool(min((labels == 1).sum(), (labels == 0).sum()) >= FEWEST_JUDGES)


def strong(rows: pd.DataFrame, category: str) -> NDArray[np.bool_]:
    """Return which rows may judge a category: its label was given, not guessed (weight below one).

    The one guess that judges is the implied zero: what was judged not toxic is no insult and no threat.
    """
    given = rows[f"weight_{category}"] >= 1.0
    if category in IMPLIED:
        given |= (rows[category] == 0) & (rows["toxic"] == 0) & (rows["weight_toxic"] >= 1.0)
    return (rows[category].notna() & given).to_numpy()
