"""Where a model's life begins, what may change it, and how a correction is in force."""

from datetime import timedelta

import pytest

from services.trainer.lifecycle import InForce, Layer, Stage, Terms, first_stage, layer_of, refusal, shadow_is_over
from services.trainer.receipts import Receipt, Taught, receipt
from services.trainer.runs import RunKind
from tests.unit.trainer.spoken import NOON

REFIT = InForce("m-1", "a", "m-1", "refit")
REPLAYED = InForce("m-2", "b", "m-1", "replay")
ROLLED_BACK = InForce("m-0", "c", "m-1", "rollback")


def begins(layer: Layer, now: InForce | None = REFIT, *, passed: bool = True, **terms: object) -> Stage:
    return first_stage(passed, layer, Terms(**terms), judged_against="m-1", judged_root="m-1", now=now)[0]


def test_what_passed_is_in_force_at_once_by_default() -> None:
    assert begins(Layer.REFIT) is Stage.CHAMPION
    assert begins(Layer.REPLAY) is Stage.CHAMPION
    assert begins(Layer.REFIT, passed=False) is Stage.REFUSED


def test_the_first_model_waits_for_nobody() -> None:
    assert layer_of(RunKind.REFIT, first=True) is Layer.START
    assert begins(Layer.START, None, promotion="hand", shadow_hours=3) is Stage.CHAMPION


def test_by_hand_nothing_is_promoted_by_itself() -> None:
    assert begins(Layer.REFIT, promotion="hand") is Stage.CANDIDATE
    assert begins(Layer.REPLAY, promotion="hand") is Stage.CANDIDATE


def test_a_refit_may_have_to_score_in_the_shadow_first_and_a_replay_never() -> None:
    assert begins(Layer.REFIT, shadow_hours=2) is Stage.SHADOW
    assert begins(Layer.REPLAY, shadow_hours=2) is Stage.CHAMPION
    terms = Terms(shadow_hours=2)
    assert not shadow_is_over(NOON, terms, NOON + timedelta(hours=1.9))
    assert shadow_is_over(NOON, terms, NOON + timedelta(hours=2))


def test_replays_that_came_meanwhile_do_not_hold_a_refit_up_but_another_decision_does() -> None:
    assert begins(Layer.REFIT, REPLAYED) is Stage.CHAMPION
    assert begins(Layer.REFIT, ROLLED_BACK) is Stage.CANDIDATE
    assert begins(Layer.REFIT, InForce("m-3", "d", "m-3", "refit")) is Stage.CANDIDATE


def test_a_replay_on_top_of_a_model_that_is_gone_is_refused() -> None:
    assert begins(Layer.REPLAY, REPLAYED) is Stage.REFUSED


@pytest.mark.parametrize(
    ("stage", "despite", "refused"),
    [
        (Stage.CANDIDATE, False, False),
        (Stage.SHADOW, False, False),
        (Stage.RETIRED, False, False),
        (Stage.REFUSED, False, True),
        (Stage.REFUSED, True, False),
        (Stage.CHAMPION, True, True),
    ],
)
def test_what_a_person_may_promote(stage: Stage, despite: bool, refused: bool) -> None:
    assert (refusal(stage, despite_gate=despite) is not None) == refused


def test_a_receipt_names_the_model_of_the_lineage_that_learned_it() -> None:
    lineage = ["m-4", "m-3", "m-2"]
    by_replay, elsewhere = Taught("m-3", "replay"), Taught("m-1", "refit")
    assert receipt([elsewhere, by_replay], lineage, silent=False) == Receipt("replay", "m-4", "m-3")
    assert receipt([Taught("m-2", "start")], lineage, silent=False) == Receipt("refit", "m-4", "m-2")
    assert receipt([elsewhere], lineage, silent=False) == Receipt("override")
    assert receipt([], lineage, silent=True) == Receipt(None)
    assert receipt([by_replay], lineage, silent=True) == Receipt(None, "m-4", "m-3")
