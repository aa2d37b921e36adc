"""From examples to a model that survives its artifact."""

from dataclasses import replace

import numpy as np
import pytest

from services.trainer.labels import Lesson
from services.trainer.recipes import TooLittleData, fit, replay
from shared.model import dump, load, shipped
from shared.sample import SampleRow
from shared.vocabulary import CATEGORIES
from tests.support.examples import examples

NICE = ["lovely bread", "calm lake", "green train", "warm soup", "quiet street", "good match"]
RUDE = [f"you are a fool and {text}" for text in NICE]


def row(text: str, **labels: int) -> SampleRow:
    return SampleRow(text, "train", "en", text, labels, None)


ROWS = [row(text, insult=0, threat=0) for text in NICE] + [row(text, insult=1) for text in RUDE]


def table(rows: list[SampleRow] = ROWS):
    return examples(rows, [], correction_weight=3)


def test_a_model_learns_the_categories_it_has_both_classes_of() -> None:
    model = fit("hashed", table(), facts={})
    assert model.categories == ("insult",)
    scores = model.score(["you are a fool", "calm lake"])
    insult = CATEGORIES.index("insult")
    assert scores[0, insult] > 0.5 > scores[1, insult]
    assert np.isnan(np.delete(scores, insult, axis=1)).all()


def test_a_model_is_the_same_after_its_artifact() -> None:
    model = fit("hashed", table(), facts={"examples": 12})
    again = load(dump(model))
    texts = [*NICE, *RUDE, "", "été ☃ 雪"]
    np.testing.assert_allclose(again.score(texts), model.score(texts), rtol=1e-6)
    assert again.facts["examples"] == 12
    assert again.facts["recipe"] == "hashed"


def test_the_same_examples_give_the_same_model() -> None:
    one, two = (fit("hashed", table(), facts={}) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.intercepts, two.intercepts)


def test_four_of_a_class_are_too_few() -> None:
    with pytest.raises(TooLittleData, match="5 examples"):
        fit("hashed", table(ROWS[:10]), facts={})


def corrected(text: str, **labels: int):
    return examples(ROWS, [Lesson("c", text, labels)], correction_weight=10)


def test_a_correction_is_learned_and_what_was_known_stays() -> None:
    start = load(shipped())
    text = "the tram was late again today, splendid work"
    wanted = CATEGORIES.index("insult")
    before, after = start, replay(start, corrected(text, insult=1), seed=0, facts={})
    assert before.score([text])[0, wanted] < after.score([text])[0, wanted]
    assert after.score([text])[0, wanted] > after.thresholds["insult"]
    assert np.abs(after.score(NICE) - before.score(NICE))[:, after.columns].max() < 0.2
    np.testing.assert_array_equal(after.intercepts, before.intercepts)


def test_replaying_the_same_gives_the_same_bytes() -> None:
    start, table = load(shipped()), corrected("you are a fool and late", insult=1)
    assert dump(replay(start, table, seed=1, facts={})) == dump(replay(start, table, seed=1, facts={}))


@pytest.mark.parametrize("many", [48, 54])
def test_a_category_the_model_did_not_know_gets_a_head_from_fifty_of_each_class(many: int) -> None:
    start = load(shipped())
    known = tuple(category for category in start.categories if category != "insult")
    columns = [start.categories.index(category) for category in known]
    without = replace(
        start,
        categories=known,
        weights=start.weights[:, columns],
        intercepts=start.intercepts[columns],
        calibration=start.calibration[columns],
        thresholds={category: start.thresholds[category] for category in known},
    )
    said = [f"{text} {n}" for n in range(many // len(NICE)) for text in NICE + RUDE]
    lessons = [Lesson(f"c{n}", text, {"insult": int("fool" in text)}) for n, text in enumerate(said)]
    table = examples([], lessons, correction_weight=3)
    learned = replay(without, table, seed=0, facts={})
    insult = CATEGORIES.index("insult")
    assert np.isnan(without.score(RUDE)[:, insult]).all()
    if many < 50:
        assert learned.categories == without.categories
        return
    assert (learned.score(RUDE)[:, insult] > learned.score(NICE)[:, insult]).all()
