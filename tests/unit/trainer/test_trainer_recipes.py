"""From examples to a model that survives its artifact."""

import numpy as np
import pytest

from services.trainer.dataset import examples
from services.trainer.recipes import TooLittleData, fit
from shared.model import dump, load
from shared.sample import SampleRow
from shared.vocabulary import CATEGORIES

NICE = ["lovely bread", "calm lake", "green train", "warm soup", "quiet street", "good match"]
RUDE = [f"you are a fool and {text}" for text in NICE]


def row(text: str, **labels: int) -> SampleRow:
    return SampleRow(text, "train", "en", text, labels, None)


ROWS = [row(text, insult=0, threat=0) for text in NICE] + [row(text, insult=1) for text in RUDE]


def table(rows: list[SampleRow] = ROWS):
    return examples(rows, [], correction_weight=3)


def test_a_model_learns_the_categories_it_has_both_classes_of() -> None:
    model = fit("linear", table(), seed=0, facts={})
    assert model.categories == ("insult",)
    scores = model.score(["you are a fool", "calm lake"])
    insult = CATEGORIES.index("insult")
    assert scores[0, insult] > 0.5 > scores[1, insult]
    assert np.isnan(np.delete(scores, insult, axis=1)).all()


def test_a_model_is_the_same_after_its_artifact() -> None:
    model = fit("linear", table(), seed=0, facts={"examples": 12})
    again = load(dump(model))
    texts = [*NICE, *RUDE, "", "été ☃ 雪"]
    np.testing.assert_allclose(again.score(texts), model.score(texts), rtol=1e-6)
    assert again.facts["examples"] == 12
    assert again.facts["recipe"] == "linear"


def test_the_same_examples_give_the_same_model() -> None:
    one, two = (fit("linear", table(), seed=3, facts={}) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.intercepts, two.intercepts)


def test_four_of_a_class_are_too_few() -> None:
    with pytest.raises(TooLittleData, match="5 examples"):
        fit("linear", table(ROWS[:10]), seed=0, facts={})
