"""The residual of a community: what its corrections add to the shared model there."""

import numpy as np
import pytest

from services.classifier.near import Seen, seen
from services.classifier.overrides import Word
from services.classifier.residual import MOST, fitted, offsets, spoken
from services.classifier.scoring import Score, scores_of
from tests.support.small_model import WORDS, small_model

MODEL = small_model()
THINGS = "dog tree car house boat lamp road door"
BAD = [f"that {word} is a blorp of the worst kind" for word in THINGS.split()]
GOOD = [f"that {word} stands by the old green gate" for word in THINGS.split()]
LABELS = [{"toxic": 1}] * 8 + [{"toxic": 0}] * 8


def read(texts: list[str]) -> list[Seen]:
    return seen(MODEL.vectors(texts))


def test_what_people_call_toxic_there_ranks_above_what_they_do_not_and_other_categories_stay() -> None:
    found = fitted(read([*BAD, *GOOD]), LABELS, MODEL, 10)
    assert found is not None and found.categories == ("toxic",)
    new = MODEL.vectors(["this garden is a blorp of the worst kind", "this garden stands by the old green gate", "hm"])
    worse, better, apart = (each["toxic"] for each in found.shifts(new))
    assert worse > better + 2 and abs(apart) < 0.5


def test_the_more_people_say_the_further_it_moves_and_where_the_model_is_right_it_hardly_does() -> None:
    def shift(bad: list[str], times: int) -> float:
        found = fitted(read([*bad, *GOOD] * times), LABELS * times, MODEL, 10)
        assert found is not None
        return found.shifts(MODEL.vectors(bad[:1]))[0]["toxic"]

    assert shift(BAD, 3) > shift(BAD, 1) > 1
    assert abs(shift([text.replace("blorp", WORDS["toxic"]) for text in BAD], 3)) < 0.3


def test_the_weights_are_where_no_small_step_makes_them_better() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 12))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    logits, signs = rng.normal(size=40), np.where(rng.random(40) < 0.5, 1.0, -1.0)
    held = offsets(rows @ rows.T, logits, signs)
    weights = rows.T @ held
    slope = weights - rows.T @ (signs / (1 + np.exp(signs * (logits + rows @ weights))))
    assert np.abs(slope).max() < 1e-3


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        ([*BAD, *GOOD][:9], LABELS[:9]),
        (BAD + GOOD[:1], [{"toxic": 1}] * 9),
        ([*BAD, *GOOD], [{"toxic": 1}] * 14 + [{"toxic": 0}] * 2),
        ([*BAD, *GOOD], [{}] * 16),
        ([*BAD, *GOOD], [{"racism": 1}] * 8 + [{"racism": 0}] * 8),
        ([], []),
    ],
    ids=["few", "one answer", "nearly one answer", "nobody spoke", "a category the model does not know", "none"],
)
def test_too_few_words_move_nothing(texts: list[str], labels: list[dict[str, int]]) -> None:
    assert not texts or fitted(read(texts), labels, MODEL, 10) is None


def test_it_is_learned_from_the_newest_texts_and_the_same_twice() -> None:
    many = [*GOOD * 2, *[f"{text} {n}" for n in range(MOST // 16 + 1) for text in [*BAD, *GOOD]]]
    labels = [{"toxic": 1}] * 16 + LABELS * (MOST // 16 + 1)
    first, again = (fitted(read(many), labels, MODEL, 10) for _ in range(2))
    newest = fitted(read(many[-MOST:]), labels[-MOST:], MODEL, 10)
    assert first is not None and again is not None and newest is not None
    assert (first.weights != again.weights).nnz == 0 == (first.weights != newest.weights).nnz


def test_a_persons_own_word_stands_over_it_and_what_the_shared_model_said_is_kept() -> None:
    (score,) = scores_of(MODEL.score(["a fool"]), {})
    thresholds = {"overall": 0.5}
    assert spoken(score, {}, {}, thresholds).score == score
    found = spoken(score, {"toxic": 5.0, "insult": -1.0}, {"insult": Word(1, "c", "same")}, thresholds)
    assert found.residual == {"toxic": score.scores["toxic"]}
    assert found.score.scores["toxic"] == pytest.approx(1 / (1 + np.exp(4 - 5)), abs=1e-3)
    assert (found.score.scores["insult"], found.provenance["insult"].instead_of) == (1.0, score.scores["insult"])
    assert (found.score.flagged, found.score.scores["threat"]) == (True, score.scores["threat"])


def test_shifts_of_nothing_and_of_unknown_categories_leave_a_score_alone() -> None:
    score = Score({"toxic": 0.3}, 0.3, False)
    assert spoken(score, {"toxic": 0.0, "racism": 9.0}, {}, {}).score == score
    assert spoken(score, {"toxic": 0.0, "racism": 9.0}, {}, {}).residual == {}
