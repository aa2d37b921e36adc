"""What a run may choose before it learns: pace, weights of kinds of rows, and the two numbers of the reference recipes.

Invariant: the defaults are what the shipped model is made with, and give its bytes. Pure.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer import own_patterns
from services.trainer.learning import Pace
from services.trainer.rows import WEAK
from shared.vocabulary import CATEGORIES

TWEETS = ("davidson", "hatexplain", "mlma", "implicit_hate")
"""Sets of tweets: they bring breadth, and the habits of those who collected them by slurs."""
OWN = (own_patterns.SOURCE, "own_contrast")
UNTRAINED = ("extremism",)
"""Categories that stay unknown: too few sentences from too few sources to answer for (learning.md section 13)."""
COPY = ":nl"
"""What the source of a row ends with that is a copy of an English one with Dutch words."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hyper:
    """What a model is made with; `alpha` is of the recipe sgd and `c` of logistic.

    Weights multiply what the table says: rows we wrote, rows of tweet sets, labels read from something near them.
    """

    pace: Pace = Pace()
    own_weight: float = 1.0
    tweet_weight: float = 0.6
    weak_weight: float = WEAK
    dutch_copies: bool = True
    alpha: float = 1e-5
    c: float = 3.0


HYPER = Hyper()
"""What the shipped model is made with: chosen on contrast sentences that taught nothing meanwhile, on development rows
and on the identity check; never on a test suite. The reference recipes' numbers: learning.md section 4."""


def taken(train: pd.DataFrame, hyper: Hyper) -> pd.DataFrame:
    """Return the training rows that teach: all, or all but the Dutch copies."""
    return train if hyper.dutch_copies else train[~train["source"].str.endswith(COPY)]


def row_weights(train: pd.DataFrame, hyper: Hyper) -> Numbers:
    """Return the weights (rows, 12) of training rows, as the table says and times what their kind of row counts."""
    weights = train[[f"weight_{category}" for category in CATEGORIES]].to_numpy(float)
    source = train["source"].str.split(":").str[0]
    tweets, own = source.isin(TWEETS).to_numpy(), source.isin(OWN).to_numpy()
    weak = np.where(weights == WEAK, hyper.weak_weight / WEAK, 1.0)
    return weights * weak * np.where(tweets, hyper.tweet_weight, np.where(own, hyper.own_weight, 1.0))[:, None]


def params(recipe: str, hyper: Hyper) -> dict[str, Any]:
    """Return every number a recipe reads, by name, for a log."""
    pace = asdict(hyper.pace)
    own = {
        "hashed": {name: pace[name] for name in ("epochs", "rate", "l2")},
        "sgd": {"alpha": hyper.alpha},
        "logistic": {"C": hyper.c},
    }[recipe]
    shared = {name: getattr(hyper, name) for name in ("own_weight", "tweet_weight", "weak_weight", "dutch_copies")}
    return {"recipe": recipe, "seed": hyper.pace.seed, **own, **shared}


def hyper_of(found: Mapping[str, Any], seed: int = 0) -> Hyper:
    """Return the hyper-parameters that a study or a log names; what is missing stays at its default."""
    pace = Pace(
        epochs=int(found.get("epochs", HYPER.pace.epochs)),
        rate=float(found.get("rate", HYPER.pace.rate)),
        l2=float(found.get("l2", HYPER.pace.l2)),
        seed=int(found.get("seed", seed)),
    )
    return Hyper(
        pace,
        own_weight=float(found.get("own_weight", HYPER.own_weight)),
        tweet_weight=float(found.get("tweet_weight", HYPER.tweet_weight)),
        weak_weight=float(found.get("weak_weight", HYPER.weak_weight)),
        dutch_copies=bool(found.get("dutch_copies", HYPER.dutch_copies)),
        alpha=float(found.get("alpha", HYPER.alpha)),
        c=float(found.get("C", HYPER.c)),
    )
