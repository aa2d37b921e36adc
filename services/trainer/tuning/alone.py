"""The tuning part for whoever has no server: reads training sets, runs a study, draws it (`ombud tune`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from services.trainer.dataset import base
from services.trainer.recipes import TooLittleData
from services.trainer.runs import RecipeName
from services.trainer.sets.fingerprints import ALL, data_hashes
from services.trainer.settings import TrainerSettings
from services.trainer.tuning.charts import drawn
from services.trainer.tuning.objective import NothingToJudge
from services.trainer.tuning.study import MINUTES, TRIALS, Budget, Progress, Told, Tuned, tune

__all__ = ["MINUTES", "RECIPES", "TRIALS", "CannotTune", "Progress", "drawn", "examples", "search"]

RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)


class CannotTune(ValueError):
    """There is nothing to learn from, or nothing to compare on; the message says which."""


def examples(
    training_sets: Sequence[Path], held_out: Sequence[Path], data: Path, sentences: bool = True
) -> pd.DataFrame:
    """Return the table that runs begin with, corrections apart; without training sets those of the settings.

    What it is made of is kept in the data folder. Without `sentences` ours are left out. Raises what
    services.trainer.dataset.base does.
    """
    told = TrainerSettings().sources(data)
    sets = training_sets or [Path(each) for each in told.training_sets]
    out = held_out or [Path(each) for each in told.held_out]
    return base(sets, held_out=out, cache=Path(told.tables) if told.tables else None, sentences=sentences)


def search(
    table: pd.DataFrame,
    recipe: RecipeName,
    folder: Path,
    *,
    trials: int,
    minutes: float,
    seed: int = 0,
    resume: bool = True,
    told: Told | None = None,
) -> dict[str, Any]:
    """Return the report of a study, which is kept in `folder`. Raises CannotTune."""
    try:
        found: Tuned = tune(
            table,
            recipe,
            folder,
            data_hash=data_hashes(table)[ALL],
            seed=seed,
            budget=Budget(trials, minutes),
            resume=resume,
            told=told,
        )
    except (NothingToJudge, TooLittleData) as error:
        raise CannotTune(str(error)) from None
    return found.report
