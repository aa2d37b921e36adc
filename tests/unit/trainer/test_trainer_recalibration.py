"""What randomly drawn reviews say about how common a category is, and how probabilities follow."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.trainer.labels import Lesson
from services.trainer.recalibration import RATES, Rate, live_rates, shifted
from shared.vocabulary import CATEGORIES
from tests.support.small_model import small_model

TEXTS = ["nonsense", "what a lovely day"]


def reviews(ones: int, zeros: int, *, sampled: bool = True, weak: bool = False) -> list[Lesson]:
    labels = [1] * ones + [0] * zeros
    return [
        Lesson(f"c{number}", f"post {number}", {"toxic": label}, sampled=sampled, weak=weak)
        for number, label in enumerate(labels)
    ]


def test_two_hundred_random_reviews_tell_a_rate_and_fewer_do_not() -> None:
    assert live_rates(reviews(20, 180)) == {"toxic": Rate(20.5 / 201, 200)}
    assert live_rates(reviews(20, 179)) == {}


@pytest.mark.parametrize("told", [reviews(100, 200, sampled=False), reviews(100, 200, weak=True)])
def test_corrections_of_what_was_wrong_and_guesses_tell_no_rate(told: Sequence[Lesson]) -> None:
    assert live_rates(told) == {}


def test_a_text_counts_once_with_its_newest_word() -> None:
    twice = [*reviews(0, 200), *reviews(200, 0)]
    assert live_rates(twice)["toxic"].n == 200
    assert live_rates(twice)["toxic"].share > 0.99


def test_probabilities_move_to_the_live_rate_and_decisions_stay() -> None:
    model = small_model()
    known = model.categories[0]
    moved = shifted(model, {known: Rate(0.02, 500)})
    column = CATEGORIES.index(known)
    before, after = (each.score(TEXTS)[:, column] for each in (model, moved))
    assert (after < before).all()
    assert moved.facts[RATES] == {known: 0.02}
    flagged = [
        list(each >= limit) for each, limit in ((before, model.thresholds[known]), (after, moved.thresholds[known]))
    ]
    assert flagged[0] == flagged[1]
    # the shift replaces the last one instead of adding to it
    again = shifted(moved, {known: Rate(0.5, 500)})
    np.testing.assert_allclose(again.score(TEXTS), model.score(TEXTS), atol=1e-5)
    assert shifted(model, {}) is model
