"""What a study may try: learning.md section 12. Pure.

Pieces of words and word pairs are not in the space: a model with other tokens than shared.model.text could not serve.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from services.trainer.hyper import COPY, HYPER, OWN, TWEETS, Hyper, hyper_of, params
from services.trainer.rows import WEAK
from services.trainer.runs import RecipeName
from shared.vocabulary import CATEGORIES

Range = tuple[float, float]

RANGES: Mapping[str, Range] = {
    "rate": (0.1, 1.0),
    "l2": (1e-7, 1e-5),
    "own_weight": (1.0, 10.0),
    "alpha": (1e-6, 1e-4),
    "C": (0.1, 10.0),
}
"""Searched by their logarithm."""
SHARES: Mapping[str, Range] = {"weak_weight": (0.25, 1.0), "tweet_weight": (0.25, 1.0)}
EPOCHS = (2, 5)

OF_RECIPE: Mapping[RecipeName, tuple[str, ...]] = {
    "hashed": ("rate", "epochs", "l2"),
    "sgd": ("alpha",),
    "logistic": ("C",),
}


class Trial(Protocol):
    """What proposes values; Optuna's trials do."""

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        """Propose a number."""

    def suggest_int(self, name: str, low: int, high: int, /) -> int:
        """Propose a whole number."""

    def suggest_categorical(self, name: str, choices: list[bool], /) -> Any:
        """Propose one of several."""


def searched(recipe: RecipeName, train: pd.DataFrame) -> tuple[str, ...]:
    """Return the names a study of these training rows varies: what changes nothing there is left alone."""
    source = train["source"].str.split(":").str[0]
    weights = train[[f"weight_{category}" for category in CATEGORIES]]
    kinds = {
        "weak_weight": bool((weights == WEAK).to_numpy().any()),
        "own_weight": bool(source.isin(OWN).any()) and not bool(source.isin(OWN).all()),
        "tweet_weight": bool(source.isin(TWEETS).any()),
        "dutch_copies": bool(train["source"].str.endswith(COPY).any()),
    }
    return (*OF_RECIPE[recipe], *(name for name, there in kinds.items() if there))


def proposed(trial: Trial, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what a trial tries."""
    found: dict[str, Any] = {}
    for name in names:
        if name == "epochs":
            found[name] = trial.suggest_int(name, *EPOCHS)
        elif name == "dutch_copies":
            found[name] = trial.suggest_categorical(name, [True, False])
        elif name in SHARES:
            found[name] = trial.suggest_float(name, *SHARES[name])
        else:
            found[name] = trial.suggest_float(name, *RANGES[name], log=True)
    return found


def defaults(recipe: RecipeName, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the first trial tries: the values in force."""
    now = params(recipe, HYPER)
    return {name: now[name] for name in names}


def chosen(recipe: RecipeName, values: Mapping[str, Any], seed: int) -> Hyper:
    """Return the hyper-parameters of a recipe with some values changed."""
    return hyper_of({**params(recipe, HYPER), **values, "seed": seed})
