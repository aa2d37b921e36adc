"""Corrections among the examples: they train, replace what others said, and leave the rest as it was."""

import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.trainer.corrected import CORRECTION, with_corrections
from services.trainer.labels import Lesson
from services.trainer.rows import Mark, Row
from services.trainer.sets.fingerprints import ALL, data_hashes
from services.trainer.sets.merging import merged
from services.trainer.sets.mix import COLUMNS, table_of
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES


def row(text: str, split: str = "train", **labels: int) -> Row:
    marks = {category: Mark(label) for category, label in labels.items()}
    return Row("theirs", "a.csv", 1, text, marks, split=split)  # type: ignore[arg-type]


def table(*rows: Row) -> pd.DataFrame:
    return table_of(dict(merged(rows)))


BASE = table(row("You fool!", "dev", insult=1, threat=0), row("nice day", insult=0), row("go away", "dev", toxic=0))


def lesson(text: str, *, weak: bool = False, **labels: int) -> Lesson:
    return Lesson(f"c {text}", text, labels, language="nl", weak=weak)


def known(row: pd.Series) -> dict[str, tuple[int, float]]:
    return {name: (int(row[name]), row[f"weight_{name}"]) for name in CATEGORIES if not math.isnan(row[name])}


def test_a_corrected_text_trains_and_judges_nothing_any_more() -> None:
    found = with_corrections(BASE, [lesson("you FOOL", insult=0)], 3.0)
    mine = found[found["key"] == "you fool"].set_index("source")
    assert set(mine["split"]) == {"train"}
    assert known(mine.loc[CORRECTION]) == {"insult": (0, 3.0)}
    assert known(mine.loc["theirs"]) == {"threat": (0, 1.0)}
    assert list(found[found["split"] == "dev"]["key"]) == ["go away"]


def test_a_row_that_says_nothing_more_is_gone() -> None:
    found = with_corrections(BASE, [lesson("Go away.", toxic=1)], 3.0)
    assert list(found[found["key"] == "go away"]["source"]) == [CORRECTION]


def test_what_nobody_spoke_about_stays_as_it_was() -> None:
    found = with_corrections(BASE, [lesson("a new text", insult=1)], 3.0)
    assert found.iloc[:-1].equals(BASE)
    last = found.iloc[-1]
    assert (last["language"], last["split"], last["text"]) == ("nl", "train", "a new text")
    assert known(last) == {"insult": (1, 3.0)}
    assert list(BASE["split"]) == ["dev", "train", "dev"]


def test_a_guess_weighs_half_and_never_stands_over_a_clear_word() -> None:
    said = [lesson("x y", insult=1), lesson("x y", weak=True, insult=0, threat=1)]
    expected = {"insult": (1, 3.0), "threat": (1, 1.5)}
    assert known(with_corrections(BASE, said, 3.0).iloc[-1]) == expected
    surer = [lesson("x y", weak=True, insult=0, threat=1), lesson("x y", insult=1)]
    assert known(with_corrections(BASE, surer, 3.0).iloc[-1]) == expected


def test_the_later_of_two_clear_words_counts() -> None:
    said = [lesson("x y", insult=1), lesson("X, y!", insult=0)]
    assert known(with_corrections(BASE, said, 1.0).iloc[-1]) == {"insult": (0, 1.0)}


@pytest.mark.parametrize("said", [[], [lesson("a", insult=1)], [lesson("go away", toxic=1)]])
def test_the_shape_of_the_table_stays(said: list[Lesson]) -> None:
    found = with_corrections(BASE, said, 2.0)
    assert list(found.columns) == list(COLUMNS)
    assert found.dtypes.equals(BASE.dtypes)
    assert list(found.index) == list(range(len(found)))


def test_a_correction_shows_up_in_the_data_hash_and_in_that_of_its_source_only() -> None:
    before = data_hashes(BASE)
    after = data_hashes(with_corrections(BASE, [lesson("a new text", insult=1)], 3.0))
    heavier = data_hashes(with_corrections(BASE, [lesson("a new text", insult=1)], 2.0))
    assert after["theirs"] == before["theirs"]
    assert len({before[ALL], after[ALL], heavier[ALL]}) == 3
    assert after[CORRECTION] != heavier[CORRECTION]


TEXTS = st.sampled_from(["you fool", "nice day", "go away", "x", "y z"])
LABELS = st.dictionaries(st.sampled_from(["insult", "toxic", "threat"]), st.integers(0, 1), min_size=1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.builds(Lesson, st.just("c"), TEXTS, LABELS, weak=st.booleans()), max_size=12))
def test_no_key_stands_on_both_sides_and_no_category_of_a_key_has_two_words(said: list[Lesson]) -> None:
    found = with_corrections(BASE, said, 3.0)
    assert found.groupby("key")["split"].nunique().max() == 1
    for category in CATEGORIES:
        told = found[found[category].notna()]
        assert told["key"].is_unique
        assert (told[f"weight_{category}"] > 0).all()
    assert (found[found[list(CATEGORIES)].isna()[list(CATEGORIES)].all(axis=1)]).empty
    for lesson in said:
        if not lesson.weak:
            mine = found[(found["key"] == key_of(lesson.text)) & (found["source"] == CORRECTION)].iloc[0]
            assert set(lesson.labels) <= set(known(mine))
