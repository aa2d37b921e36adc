"""Our own pattern files as they are committed, and the leak check of everything this repository trains on.

OMBUD_HELD_OUT names the files of texts kept for judging, separated as in PATH; without it that check is skipped.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from services.trainer import own_rows
from services.trainer.rows import Row
from services.trainer.sets import leaks
from services.trainer.sets.mix import load_mix
from shared.sample import rows as sample_rows
from tests.support.data import data_folder
from tests.support.sentences import sentences


def test_every_pattern_can_be_read_and_none_is_written_twice() -> None:
    places: dict[str, list[str]] = {}
    for pattern in own_rows.patterns():
        places.setdefault(pattern.id, []).append(f"{pattern.file}:{pattern.number}")
    assert [each for each in places.values() if len(each) > 1] == []


def test_the_same_sentence_never_says_two_things() -> None:
    said: dict[str, dict[str, int]] = {}
    for row in sentences():
        labels = {category: mark.label for category, mark in row.marks.items()}
        known = said.setdefault(row.text, labels)
        both = known.keys() & labels.keys()
        assert {name: known[name] for name in both} == {name: labels[name] for name in both}, (row.file, row.number)


@pytest.mark.parametrize("language", own_rows.LANGUAGES)
def test_no_group_is_spoken_of_with_hate_more_often_than_another(language: str) -> None:
    hostile, all_of_them = Counter[str](), Counter[str]()
    for row in sentences():
        if row.language == language and row.group:
            all_of_them[row.group] += 1
            hostile[row.group] += row.marks.get("hate_speech", (0,))[0]
    shares = {group: hostile[group] / count for group, count in all_of_them.items() if count >= 50}
    if shares:
        assert max(shares.values()) - min(shares.values()) < 0.15, shares


def held_out_files() -> list[Path]:
    named = [Path(each) for each in os.environ.get("OMBUD_HELD_OUT", "").split(os.pathsep) if each]
    if not named:
        pytest.skip("OMBUD_HELD_OUT names no files of held-out texts: nothing is checked against them")
    return named


def test_no_sentence_of_ours_is_a_held_out_text() -> None:
    sample = enumerate(sample_rows("train"), 1)
    ours = [Row("sample", "shared/sample/corpus.jsonl", number, row.text, {}) for number, row in sample]
    ours += sentences()
    leaks.refuse(ours, leaks.pool(held_out_files()))


def test_no_row_of_the_widest_mix_is_a_held_out_text() -> None:
    held_out = held_out_files()
    if not (data_folder() / "own").is_dir():
        pytest.skip("no folder of data sets beside the repository")
    load_mix(data_folder(), "wide", held_out=held_out)
