"""The rows a gate judges on: which they are, what they belong to, and that their order decides nothing."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trainer.gate.frozen import Frozen, freeze
from services.trainer.own_patterns import PROBES, SOURCE
from services.trainer.own_rows import probes
from services.trainer.rows import Mark, Row
from services.trainer.sets.mix import table_of
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES
from tests.support.sentences import sentences

TOXIC, THREAT = CATEGORIES.index("toxic"), CATEGORIES.index("threat")


def post(text: str, split: str = "dev", weight: float = 1.0, **more: str) -> Row:
    return Row("people", "f", 1, text, {"toxic": Mark(0, weight)}, split=split, **more)  # type: ignore[arg-type]


def table(*rows: Row) -> pd.DataFrame:
    return table_of({key_of(row.text): row for row in rows})


def test_only_development_rows_judge_and_a_corrected_text_judges_no_more() -> None:
    rows = table(post("a tram"), post("a bus", "train"), post("a boat"))
    assert freeze(rows).texts == ("a boat", "a tram")
    assert freeze(rows, corrected={key_of("a boat")}).texts == ("a tram",)
    assert len(freeze(table())) == 0


def test_a_guess_judges_nothing_but_the_zeros_that_follow_from_a_benign_post_do() -> None:
    implied = Row("people", "f", 1, "a tram", {"toxic": Mark(0), "threat": Mark(0, 0.5)}, split="dev")
    labels = freeze(table(post("a boat", weight=0.5), implied)).labels
    assert np.isnan(labels[0]).all()
    assert (labels[1, TOXIC], labels[1, THREAT]) == (0, 0)


def test_a_probe_that_is_taught_or_stands_in_the_table_is_none() -> None:
    rows = table(post("a bus", "train"), post("a tram"))
    found = freeze(rows, [post("a bus"), post("A tram!"), post("a boat")])
    assert found.texts == ("a boat", "a tram")
    assert found.sources == (PROBES, "people")


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_probes_decides_nothing(random: object) -> None:
    rows = [post(f"tram number {number}") for number in range(30)]
    said = [post(f"boat number {number}", group="sailors", construct="people-news") for number in range(5)]
    whole = table(*rows)
    random.shuffle(said)  # type: ignore[attr-defined]
    mixed = freeze(whole.sample(frac=1, random_state=random.randrange(1000)), said)  # type: ignore[attr-defined]
    same = freeze(whole, sorted(said, key=lambda row: row.text))
    assert (mixed.keys, mixed.groups) == (same.keys, same.groups)
    assert mixed.sample(10).keys == same.sample(10).keys
    assert len(mixed.sample(10)) == 10 + len(said)


def test_rows_are_found_by_what_they_belong_to() -> None:
    own = Row(SOURCE, "f", 1, "hallo", {"toxic": Mark(0)}, "nl", "dev", "nl-1", "question", "women")
    twin = Row(SOURCE, "f", 1, "hallo daar", {"toxic": Mark(0)}, "nl", "dev", "nl-1", "question", "men")
    rows: Frozen = freeze(table(post("a tram"), own, twin))
    assert list(rows.functional) == ["nl question"]
    assert {"language nl", "source people", "about women"} <= set(rows.slices)
    assert rows.group_of[0] == ("men", "women")
    assert rows.own.tolist() == [False, True, True]
    assert len({*rows.units.tolist()}) == 2
    assert rows.benign.tolist() == [False, True, True]


def test_every_probe_is_said_of_every_group_and_none_was_taught() -> None:
    said = probes()
    assert {row.split for row in said} == {"dev"}
    assert {row.source for row in said} == {PROBES}
    groups = {row.group for row in said}
    patterns = {(row.language, row.pattern) for row in said}
    assert len(said) == len(groups) * len(patterns)
    english, dutch = (sorted(row.construct for row in said if row.language == code) for code in ("en", "nl"))
    assert len(english) == len(dutch)
    assert not {key_of(row.text) for row in said} & {key_of(row.text) for row in sentences()}
