"""How the model that ships is made: examples of the data folder → table → calibration → thresholds. Pure.

The same folder, seed and lock file give the same bytes on the same kind of processor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer import own_patterns
from services.trainer.calibration import platt, rare, threshold
from services.trainer.learning import Pace
from services.trainer.recipes import fit
from shared.model import Model
from shared.vocabulary import CATEGORIES

BASE_RATE = 0.5
"""Share of positives a probability is calibrated to: nobody knows a platform's before its first reviews. A threshold,
chosen with both classes alike, does not depend on it."""
TWEETS = ("davidson", "hatexplain", "mlma", "implicit_hate")
"""Sets of tweets: they bring breadth, and the habits of those who collected them by slurs."""
IMPLIED = ("insult", "threat")
ALARMS: Mapping[str, float] = {**dict.fromkeys(CATEGORIES, 0.05), "toxic": 0.15, "racism": 0.15, "hate_speech": 1.0}
"""Share of development posts judged not toxic that a category may flag at most. Balanced accuracy alone would let each
of ten rare categories flag one benign post in ten, and so every second post be flagged by some."""
ENOUGH = 50
"""Positives among the development rows from which a figure says something."""
UNTRAINED = ("extremism",)
"""Categories that stay unknown: too few sentences from too few sources to answer for (learning.md section 13)."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hyper:
    """What a run of the shipped recipe is made with; every number is in the card."""

    pace: Pace = Pace()
    own_weight: float = 1.0
    tweet_weight: float = 0.6


HYPER = Hyper()
"""What the shipped model is made with: chosen on contrast sentences that taught nothing meanwhile, on development rows
and on the identity check; never on a test suite."""


def made(train: pd.DataFrame, dev: pd.DataFrame, hyper: Hyper, facts: Mapping[str, Any]) -> Model:
    """Return the model of the training rows, calibrated on the development rows.

    Both tables are what services.trainer.sets.mix gives. Weak labels train and never calibrate.
    """
    raw = learned(train, hyper, facts)
    logits = raw.logits(dev["text"].tolist()).astype(np.float64)
    public = (dev["source"] != own_patterns.SOURCE).to_numpy()
    clean = strong(dev, "toxic") & (dev["toxic"] == 0).to_numpy()
    pairs, limits = [], {}
    for head, category in enumerate(raw.categories):
        known = strong(dev, category)
        labels, mine = dev[category].to_numpy(float), logits[:, head]
        # people's posts say what a probability means; where to draw the line our own twins help to say
        slope, offset = platt(mine[known & public], labels[known & public], BASE_RATE)
        pairs.append((slope, offset))
        chances = 1 / (1 + np.exp(-(slope * mine + offset)))
        limits[category] = max(threshold(chances[known], labels[known]), rare(chances[clean], ALARMS[category]))
    return replace(raw, calibration=np.array(pairs, np.float32), thresholds=limits)


def learned(train: pd.DataFrame, hyper: Hyper, facts: Mapping[str, Any]) -> Model:
    """Return the model of the training rows before it is calibrated."""
    masked = train.assign(**dict.fromkeys(UNTRAINED, np.nan))
    weights = weighed_down(train, hyper.tweet_weight)
    return fit("hashed", masked, facts=facts, pace=hyper.pace, weights=weights)


def strong(rows: pd.DataFrame, category: str) -> NDArray[np.bool_]:
    """Return which rows may judge a category: its label was given, not guessed (weight below one).

    The one guess that judges is the implied zero: what was judged not toxic is no insult and no threat.
    """
    given = rows[f"weight_{category}"] >= 1.0
    if category in IMPLIED:
        given |= (rows[category] == 0) & (rows["toxic"] == 0) & (rows["weight_toxic"] >= 1.0)
    return (rows[category].notna() & given).to_numpy()


def weighed_down(train: pd.DataFrame, tweet_weight: float) -> Numbers:
    """Return the weights (rows, 12) of training rows, those of tweet sets and their copies times `tweet_weight`."""
    weights = train[[f"weight_{category}" for category in CATEGORIES]].to_numpy(float)
    tweets = train["source"].str.split(":").str[0].isin(TWEETS).to_numpy()
    return np.where(tweets[:, None], tweet_weight * weights, weights)
