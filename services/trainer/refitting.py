"""A refit: from all standing corrections and the base to a candidate, by one recipe. Pure; the same rows and seed give
the same bytes.

Without training sets of the operator's, `hashed` goes on from the model that ships and not from the champion: so what
was taken back is gone. With them, and by the reference recipes always, a model is made from nothing.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from services.trainer.hyper import Hyper
from services.trainer.learning import Watch
from services.trainer.recipes import replay
from services.trainer.runs import RecipeName
from services.trainer.shipping import made
from shared.model import Model

CORRECTION = "correction"


def from_nothing(recipe: RecipeName, training_sets: bool) -> bool:
    """Return whether a refit begins without what the shipped model knows."""
    return training_sets or recipe != "hashed"


def refit(
    recipe: RecipeName,
    table: pd.DataFrame,
    *,
    shipped: Model,
    training_sets: bool,
    hyper: Hyper,
    facts: Mapping[str, Any],
    watch: Watch | None = None,
) -> Model:
    """Return the candidate of a table in the shape of services.trainer.sets.mix, corrections among its rows.

    `training_sets` says whether the operator's own rows are in it. Without a correction `hashed` gives the shipped
    model back. Raises TooLittleData.
    """
    train, dev = table[table["split"] == "train"], table[table["split"] == "dev"]
    if from_nothing(recipe, training_sets):
        return made(train, dev, hyper, facts, recipe, watch)
    if not (train["source"] == CORRECTION).any():
        return shipped
    return replay(shipped, train, seed=hyper.pace.seed, facts={"recipe": recipe, **facts})
