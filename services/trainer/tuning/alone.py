"""The tuning part for whoever has no server: reads training sets, runs a study, draws it (`ombud tune`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from services.trainer.dataset import base
from services.trainer.recipes import TooLittleData
from services.trainer.runs import RecipeName
from services.trainer.sets.fingerprints import ALL, data_hashes
from services.trainer.tuning.charts import can_draw, drawn
from services.trainer.tuning.objective import NothingToJudge
from services.trainer.tuning.study import MINUTES, TRIALS, Budget, Progress, Told, Tuned, tune

__all__ = ["MINUTES", "TRIALS", "CannotTune", "Progress", "can_draw", "drawn", "examples", "search"]

RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)


class CannotTune(ValueError):
    """There is nothing to learn from, or nothing to compare on; the message says which."""


def examples(training_sets: Sequence[Path], held_out: Sequence[Path] = (), cache: Path | None = None) -> pd.DataFrame:
    """Return the table that a run begins with, corrections apart; see services.trainer.dataset.base for the rest."""
    return base(training_sets, held_out=held_out, cache=cache)


def search(
    table: pd.DataFrame,
    recipe: str,
    folder: Path,
    *,
    trials: int,
    minutes: float,
    seed: int = 0,
    resume: bool = True,
    told: Told | None = None,
) -> dict[str, Any]:
    """Return the report of a study, which is kept in `folder`. Raises CannotTune."""
    if recipe not in RECIPES:
        raise CannotTune(f"recipes are {', '.join(RECIPES)}")
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
