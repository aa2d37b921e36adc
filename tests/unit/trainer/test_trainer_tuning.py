"""A study on rows that can be told apart: what it may try, what a trial is worth, when it is taken, how it goes on."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.trainer.hyper import HYPER, params
from services.trainer.tuning.adoption import verdict
from services.trainer.tuning.charts import drawn
from services.trainer.tuning.objective import NothingToJudge, Worth, ground, learned, logits, worth
from services.trainer.tuning.space import EPOCHS, RANGES, SHARES, chosen, defaults, proposed, searched
from services.trainer.tuning.study import Budget, Progress, Tuned, tune
from shared.vocabulary import CATEGORIES
from tests.support.learnt import small_table
from tests.support.ombud import ROOT

TABLE = small_table(1500)
TRAIN = TABLE[TABLE["split"] == "train"]
WORTH = Worth(0.8, 0.8, 0.0, 0.0, {})


# -- space ----------------------------------------------------------------------------------------------------


class Highest:
    """Proposes the upper end of everything and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        self.asked[name] = (low, high, log)
        return high

    def suggest_int(self, name: str, low: int, high: int, /) -> int:
        self.asked[name] = (low, high)
        return high

    def suggest_categorical(self, name: str, choices: list[bool], /) -> bool:
        self.asked[name] = tuple(choices)
        return choices[-1]


def test_a_study_of_the_table_tries_what_the_specification_names() -> None:
    trial = Highest()
    found = proposed(trial, searched("hashed", TRAIN))
    assert trial.asked == {
        "rate": (0.1, 1.0, True),
        "epochs": (2, 5),
        "l2": (1e-7, 1e-5, True),
        "weak_weight": (0.25, 1.0, False),
        "own_weight": (1.0, 10.0, True),
        "tweet_weight": (0.25, 1.0, False),
        "dutch_copies": (True, False),
    }
    hyper = chosen("hashed", found, seed=3)
    assert (hyper.pace.rate, hyper.pace.epochs, hyper.pace.seed, hyper.dutch_copies) == (1.0, 5, 3, False)


def test_what_changes_nothing_on_these_rows_is_not_tried() -> None:
    plain = TRAIN[TRAIN["source"] == "edos"]
    assert searched("sgd", plain) == ("alpha", "weak_weight")
    ours = TRAIN[TRAIN["source"] == "own_patterns"]
    assert "own_weight" not in searched("logistic", ours)


def test_the_values_in_force_are_inside_the_space() -> None:
    for recipe in ("hashed", "sgd", "logistic"):
        now = defaults(recipe, searched(recipe, TRAIN))
        for name, value in now.items():
            low, high = (RANGES | SHARES).get(name, EPOCHS)
            assert isinstance(value, bool) or low <= value <= high
        assert params(recipe, chosen(recipe, now, 0)) == params(recipe, HYPER)


# -- objective ------------------------------------------------------------------------------------------------


def test_a_trial_is_worth_its_average_precision_less_what_it_costs_in_calibration_and_fairness() -> None:
    on = ground(TABLE)
    found = worth(on, logits(on, learned(on, "hashed", HYPER)))
    assert set(found.categories) == {"toxic", "insult", "threat"}
    assert found.ap == pytest.approx(np.mean(list(found.categories.values())))
    assert found.score == pytest.approx(found.ap - max(found.ece - 0.03, 0) - max(found.gap - 0.15, 0))


def test_a_model_that_flags_whom_a_sentence_names_is_worth_less() -> None:
    on = ground(TABLE)
    fair = logits(on, learned(on, "hashed", HYPER))
    unfair = fair.copy()
    unfair[on.dev["group"].to_numpy() == "bakers", on.known.index("toxic")] += 8.0
    assert worth(on, unfair).gap > 0.15 >= worth(on, fair).gap
    assert worth(on, unfair).score < worth(on, fair).score


def test_only_development_rows_with_given_labels_judge() -> None:
    weak = TABLE.copy()
    dev = weak["split"] == "dev"
    weak.loc[dev & weak["insult"].notna(), "weight_insult"] = 0.5
    weak.loc[dev, "toxic"] = 1.0  # else a zero of insult would be implied
    assert "insult" not in ground(weak).judged
    assert "insult" in ground(TABLE).judged


def test_without_fifty_positives_there_is_nothing_to_compare() -> None:
    with pytest.raises(NothingToJudge, match="50 positive"):
        _ = ground(small_table(200)).judged


# -- adoption -------------------------------------------------------------------------------------------------


def worths(*aps: float, score: float | None = None) -> list[Worth]:
    return [replace(WORTH, ap=ap, score=ap if score is None else score) for ap in aps]


DEFAULT = worths(0.800, 0.801, 0.799)


def test_three_seeds_that_gain_enough_are_adopted() -> None:
    said = verdict(worths(0.804, 0.805, 0.803), DEFAULT)
    assert said.adopted
    assert said.gain == pytest.approx(0.004)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (worths(0.802, 0.803, 0.801), "less than 0.003"),
        (worths(0.820, 0.800, 0.803), "a seed lost 0.0010"),
        (worths(0.804, 0.805, 0.803, score=0.7), "with calibration and identities counted"),
    ],
)
def test_the_defaults_stay_where_the_gain_is_small_or_paid_for(found: list[Worth], reason: str) -> None:
    said = verdict(found, DEFAULT)
    assert not said.adopted
    assert reason in said.reason
    assert said.reason.endswith("the defaults stay")


# -- study ----------------------------------------------------------------------------------------------------


def study(folder: Path, trials: int = 8, told: Any = None, **how: Any) -> Tuned:
    return tune(TABLE, "hashed", folder, data_hash="d" * 64, budget=Budget(trials, 10), told=told, **how)


def tried(found: Tuned) -> list[tuple[str, Any, Any]]:
    ended = [each for each in found.report["trials"] if each["state"] != "fail"]
    return [(each["state"], each["params"], each["value"]) for each in ended]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuned, list[Progress]]:
    """A study that nobody interrupted."""
    heard: list[Progress] = []
    return study(tmp_path_factory.mktemp("whole"), told=heard.append), heard


def test_a_study_begins_with_the_values_in_force_and_says_how_far_it_is(whole: tuple[Tuned, list[Progress]]) -> None:
    found, heard = whole
    assert [each.trial for each in heard] == list(range(1, 9))
    assert heard[-1].best == max(each["value"] for each in found.report["trials"] if each["value"] is not None)
    first = found.report["trials"][0]
    assert first["params"] == pytest.approx(defaults("hashed", tuple(found.report["searched"])))
    assert len(first["epochs"]) == HYPER.pace.epochs
    assert found.report["reason"]
    assert params("hashed", found.hyper) == found.report["hyper"]


def test_a_study_that_was_killed_goes_on_and_finds_what_it_would_have_found(
    whole: tuple[Tuned, list[Progress]], tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib\n"
        "from tests.unit.trainer.test_trainer_tuning import study\n"
        "study(pathlib.Path(sys.argv[1]), told=lambda now: print(now.trial, flush=True))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert worker.stdout is not None
    with worker.stdout as said:
        assert [said.readline().strip() for _ in range(3)] == ["1", "2", "3"]
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    again = study(tmp_path)
    assert len([each for each in again.report["trials"] if each["state"] != "fail"]) == 8
    assert tried(again) == tried(whole[0])
    assert again.hyper == whole[0].hyper


def test_a_study_that_is_over_answers_at_once_and_begins_anew_if_told_to(tmp_path: Path) -> None:
    heard: list[Progress] = []
    once = study(tmp_path, trials=2)
    assert tried(study(tmp_path, trials=2, told=heard.append)) == tried(once)
    assert heard == []
    study(tmp_path, trials=2, told=heard.append, resume=False)
    assert [each.trial for each in heard] == [1, 2]


def test_a_study_without_a_minute_keeps_the_defaults(tmp_path: Path) -> None:
    found = tune(TABLE, "sgd", tmp_path, data_hash="d" * 64, budget=Budget(5, 0))
    assert not found.report["adopted"]
    assert found.hyper == HYPER


def test_a_report_is_drawn_and_names_what_was_tried(whole: tuple[Tuned, list[Progress]]) -> None:
    charts = drawn(whole[0].report)
    assert {"history", "slices"} <= set(charts)
    assert all(svg.startswith("<svg") for svg in charts.values())
    assert all(name in charts["slices"] for name in whole[0].report["searched"])
    assert not any(category in charts["slices"] for category in CATEGORIES)
