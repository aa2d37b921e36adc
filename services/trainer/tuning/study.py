"""The study: Optuna proposes, rows judge, a file remembers. Killed at any moment it goes on where it was.

Invariant: the same table, seed and number of trials give the same values, whether or not the study was interrupted:
each trial draws with a seed of its own.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from services.trainer.hyper import HYPER, Hyper, params
from services.trainer.learning import Learned
from services.trainer.runs import RecipeName
from services.trainer.tuning.adoption import SEEDS, verdict
from services.trainer.tuning.objective import Ground, Worth, average_precision, ground, learned, logits, worth
from services.trainer.tuning.space import chosen, defaults, proposed, searched
from shared.clock import monotonic

if TYPE_CHECKING:
    from optuna import Study, Trial

TRIALS, MINUTES = 60, 20.0
"""The budget where nobody names one: learning.md section 12."""
FILE = "studies.db"
FORMAT = "ombud-study-1"
WARM = 5
"""Trials before any is pruned, the first epoch apart."""
SPREAD = 1_000
"""Seeds of a study's trials: `seed` times this and the number of the trial."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a study may take in all, over every time it is resumed."""

    trials: int = TRIALS
    minutes: float = MINUTES


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is after a trial. `score` is None of a pruned trial, `best` None before the first whole one."""

    trial: int
    state: str
    score: float | None
    best: float | None
    trials: int
    seconds: float


Told = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study found: the hyper-parameters to train with, and everything it did as a document for JSON."""

    hyper: Hyper
    report: dict[str, Any]


def tune(
    table: pd.DataFrame,
    recipe: RecipeName,
    folder: Path,
    *,
    data_hash: str,
    seed: int = 0,
    budget: Budget = Budget(),
    resume: bool = True,
    told: Told | None = None,
) -> Tuned:
    """Return what a study of a table in the shape of services.trainer.sets.mix finds; it is kept in `folder`.

    With `resume` a study of the same data, recipe and seed goes on; without it begins anew. `told` hears of every
    trial. Raises NothingToJudge and recipes.TooLittleData.
    """
    import optuna  # half a second, and only workers and the command line tune

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    on = ground(table)
    _ = on.judged  # says at once if there is nothing to compare on
    names = searched(recipe, on.train)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{recipe}-{data_hash[:12]}-{seed}"
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / FILE}")
    try:
        if not resume and name in optuna.study.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=WARM, n_warmup_steps=1),
        )
        _forget_cut_off(study)
        if not _tried(study):
            study.enqueue_trial(defaults(recipe, names), skip_if_exists=True)
        _search(study, on, recipe, names, seed, budget, told)
        return _found(study, on, recipe, names, seed, data_hash)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _forget_cut_off(study: "Study") -> None:
    """Call trials failed that a killed process left running: what they tried is proposed again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _search(
    study: "Study", on: Ground, recipe: RecipeName, names: tuple[str, ...], seed: int, budget: Budget, told: Told | None
) -> None:
    from optuna import TrialPruned
    from optuna.samplers import TPESampler

    def objective(trial: "Trial") -> float:
        def watch(epoch: int, now: Learned) -> None:
            trial.report(_mean(average_precision(on, logits(on, now))), epoch)
            if trial.should_prune():
                raise TrialPruned

        hyper = chosen(recipe, proposed(trial, names), seed)
        found = worth(on, logits(on, learned(on, recipe, hyper, watch)))
        trial.set_user_attr("worth", asdict(found))
        return found.score

    spent = _spent(study)
    begun = monotonic()
    while (tried := _tried(study)) < budget.trials and spent + monotonic() - begun < budget.minutes * 60:
        # a seed for each trial: then a study that was cut off proposes what it would have proposed
        study.sampler = TPESampler(seed=seed * SPREAD + tried)
        study.optimize(objective, n_trials=1)
        if told is not None:
            told(_progress(study, budget, spent + monotonic() - begun))


def _tried(study: "Study") -> int:
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return len(study.get_trials(deepcopy=False, states=ended))


def _spent(study: "Study") -> float:
    """Return the seconds that ended trials took."""
    times = [trial.duration.total_seconds() for trial in study.get_trials(deepcopy=False) if trial.duration]
    return float(sum(times))


def _progress(study: "Study", budget: Budget, seconds: float) -> Progress:
    trials = [_told_of(trial) for trial in study.get_trials(deepcopy=False)]
    best = max((each["value"] for each in trials if each["value"] is not None), default=None)
    last = trials[-1]
    return Progress(_tried(study), last["state"], last["value"], best, budget.trials, seconds)


def _found(study: "Study", on: Ground, recipe: RecipeName, names: tuple[str, ...], seed: int, data_hash: str) -> Tuned:
    """Return the best values and the defaults with three seeds each, and which of them is taken."""
    trials = [_told_of(trial) for trial in study.trials]
    whole = [each for each in trials if each["state"] == "complete"]
    report: dict[str, Any] = {
        "format": FORMAT,
        "recipe": recipe,
        "seed": seed,
        "data_hash": data_hash,
        "searched": list(names),
        "rows": {"train": len(on.train), "dev": len(on.dev)},
        "judged": {category: int(rows.sum()) for category, rows in on.judged.items()},
        "seconds": _spent(study),
        "trials": trials,
        "defaults": params(recipe, HYPER),
        "importances": _importances(study),
    }
    if not whole:
        reason = "no trial came to its end: the defaults stay"
        return Tuned(chosen(recipe, {}, seed), report | {"adopted": False, "reason": reason, "best": None})
    best = max(whole, key=lambda each: (each["value"], -each["number"]))
    worths = {which: _seeds(on, recipe, values) for which, values in (("best", best["params"]), ("default", {}))}
    said = verdict(worths["best"], worths["default"])
    hyper = chosen(recipe, best["params"] if said.adopted else {}, seed)
    report |= {
        "best": {"number": best["number"], "params": best["params"], "value": best["value"]},
        "seeds": {which: [asdict(each) for each in some] for which, some in worths.items()},
        **asdict(said),
        "hyper": params(recipe, hyper),
    }
    return Tuned(hyper, report)


def _seeds(on: Ground, recipe: RecipeName, values: dict[str, Any]) -> list[Worth]:
    return [worth(on, logits(on, learned(on, recipe, chosen(recipe, values, seed)))) for seed in SEEDS]


def _told_of(trial: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value if trial.state.name == "COMPLETE" else None,
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        "params": dict(trial.params),
        "epochs": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "worth": trial.user_attrs.get("worth"),
    }


def _importances(study: "Study") -> dict[str, float]:
    """Return how much of the differences between whole trials each name explains; empty if too few tell."""
    import optuna

    try:
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
    except (ValueError, RuntimeError):
        return {}
    return {name: float(share) for name, share in found.items()}


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values())))
