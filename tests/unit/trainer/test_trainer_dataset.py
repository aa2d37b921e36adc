"""Examples: masks, the split, the hash."""

import math

from services.trainer.dataset import CORRECTION, HELD_OUT, SAMPLE, TRAIN, data_hash, examples, held_out
from services.trainer.labels import Lesson
from shared.sample import SampleRow
from shared.text_key import key_of

KEPT = next(f"words number {n}" for n in range(100) if held_out(key_of(f"words number {n}")))
"""A text whose key is held out."""


def sample(text: str, name: str = "s", **labels: int) -> SampleRow:
    return SampleRow(name, "train", "en", text, labels, None)


def lesson(text: str, name: str = "c", **labels: int) -> Lesson:
    return Lesson(name, text, labels)


def test_what_nobody_spoke_about_is_unknown() -> None:
    row = examples([sample("hello", insult=0)], [], correction_weight=3).iloc[0]
    assert row["insult"] == 0
    assert math.isnan(row["threat"])


def test_about_a_fifth_is_held_out() -> None:
    share = sum(held_out(f"text {n}") for n in range(5000)) / 5000
    assert 0.18 < share < 0.22


def test_the_same_text_never_stands_on_both_sides() -> None:
    rows = [sample(f"words number {n}", insult=n % 2) for n in range(200)]
    rows += [sample(f"Words, number {n}!", threat=0) for n in range(200)]
    table = examples(rows, [], correction_weight=3)
    assert set(table["split"]) == {TRAIN, HELD_OUT}
    assert table.groupby("key")["split"].nunique().max() == 1
    assert len(table) == 200


def test_a_correction_always_trains_and_takes_its_text_out_of_the_held_out_rows() -> None:
    assert set(examples([sample(KEPT, insult=0, threat=0)], [], correction_weight=3)["split"]) == {HELD_OUT}
    table = examples([sample(KEPT, insult=0, threat=0)], [lesson(KEPT.upper(), insult=1)], correction_weight=3)
    assert set(table["split"]) == {TRAIN}
    by_source = table.set_index("source")
    assert by_source.loc[CORRECTION, "insult"] == 1
    assert by_source.loc[CORRECTION, "weight"] == 3
    assert math.isnan(by_source.loc[SAMPLE, "insult"])
    assert by_source.loc[SAMPLE, "threat"] == 0


def test_a_contradiction_in_the_sample_is_unknown() -> None:
    rows = [sample("same words", insult=0, threat=0), sample("Same words.", insult=1)]
    row = examples(rows, [], correction_weight=3).iloc[0]
    assert math.isnan(row["insult"])
    assert row["threat"] == 0


def test_the_later_lesson_about_the_same_words_counts() -> None:
    table = examples([], [lesson("you lot", "a", insult=1), lesson("You lot!", "b", insult=0)], correction_weight=3)
    assert list(table["insult"]) == [0]


def test_the_hash_follows_the_data_and_not_its_order() -> None:
    rows = [sample("one", insult=0), sample("two", threat=1)]
    one = data_hash(examples(rows, [], correction_weight=3))
    assert one == data_hash(examples(rows[::-1], [], correction_weight=3))
    told = [lesson("three", insult=1)]
    others = {
        data_hash(examples([sample("one", insult=1), rows[1]], [], correction_weight=3)),
        data_hash(examples(rows, told, correction_weight=3)),
        data_hash(examples(rows, told, correction_weight=2)),
    }
    assert len({one, *others}) == 4
