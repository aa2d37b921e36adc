"""What a run starts from: our own sentences, the sample, the operator's sets; kept in a file, checked for leaks."""

import os
from pathlib import Path

import orjson
import pandas as pd
import pytest

from services.trainer import dataset, table_file
from services.trainer.labels import Lesson
from services.trainer.rows import Mark, Row
from services.trainer.sets.leaks import Leak
from services.trainer.sets.lines import BadLine
from services.trainer.sets.mix import COLUMNS
from services.trainer.settings import TrainerSettings
from tests.support.sets import empty_folder, put

OURS = [
    Row("own_patterns", "own/en/a.tsv", 1, "a sentence of ours", {"insult": Mark(0)}, split="train", pattern="p1"),
    Row("own_patterns", "own/en/a.tsv", 2, "a kept sentence", {"insult": Mark(1)}, split="dev", pattern="p2"),
]


@pytest.fixture(autouse=True)
def expanded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let two sentences of ours count, as expanding all takes seconds; return a list with an entry per expansion."""
    times: list[int] = []

    def ours() -> list[Row]:
        times.append(1)
        return OURS

    monkeypatch.setattr(dataset, "own_rows", ours)
    return times


def written(path: Path, *records: object) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def line(text: str, **fields: object) -> dict[str, object]:
    return {"text": text, "labels": {"insult": 1}, "source": "platform_feedback"} | fields


def test_our_sentences_the_sample_and_the_operators_files_become_one_table(tmp_path: Path) -> None:
    more = written(
        tmp_path / "more.jsonl", line("theirs", split="dev", weights={"insult": 0.5}), line("A sentence of ours!")
    )
    table = dataset.base([more])
    assert list(table.columns) == list(COLUMNS)
    assert set(table["source"]) == {"own_patterns", "sample", "platform_feedback"}
    by_key = table.set_index("key")
    assert (by_key.loc["theirs", "split"], by_key.loc["theirs", "weight_insult"]) == ("dev", 0.5)
    assert "a sentence of ours" not in by_key.index  # two sources contradict each other, and nothing else is known
    assert by_key.loc["a kept sentence", "split"] == "dev"
    sample = table[table["source"] == "sample"]
    assert 0.1 < (sample["split"] == "dev").mean() < 0.3


def test_a_folder_of_public_sets_counts_with_its_copies_in_dutch_words(tmp_path: Path) -> None:
    folder = empty_folder(tmp_path / "data")
    put(folder, "surge_toxicity/toxicity_en.csv.gz", *((f"what a fool you are {n}", "Toxic") for n in range(30)))
    put(
        folder, "own/dutch_words.tsv", ("what", "wat"), ("a", "een"), ("fool", "dwaas"), ("you", "jij"), ("are", "bent")
    )
    table = dataset.base([folder])
    theirs = table[table["source"].str.startswith("surge")]
    assert set(theirs["source"]) == {"surge_toxicity", "surge_toxicity:nl"}
    assert set(theirs["split"]) == {"train", "dev"}
    assert theirs[theirs["source"] == "surge_toxicity:nl"]["split"].eq("train").all()


def test_the_table_is_made_once_and_again_when_a_source_changes(tmp_path: Path, expanded: list[int]) -> None:
    more = written(tmp_path / "more.jsonl", line("one"))
    cache = tmp_path / "cache"
    first = dataset.base([more], cache=cache)
    again = dataset.base([more], cache=cache)
    assert len(expanded) == 1
    pd.testing.assert_frame_equal(first, again)
    written(more, line("one"), line("two"))
    assert len(dataset.base([more], cache=cache)) == len(first) + 1
    assert len(expanded) == 2
    dataset.base([more], cache=cache, held_out=[written(tmp_path / "held.jsonl", {"text": "else"})])
    assert len(expanded) == 3  # what was not checked against a file is not taken for checked


def test_a_broken_file_of_a_table_is_made_anew_and_old_ones_go(tmp_path: Path, expanded: list[int]) -> None:
    cache = tmp_path / "cache"
    table = dataset.base(cache=cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    pd.testing.assert_frame_equal(dataset.base(cache=cache), table)
    assert len(expanded) == 2
    for number in range(5):
        old = cache / f"base-{number}.npz"
        old.write_bytes(b"")
        os.utime(old, (number, number))
    dataset.base([written(tmp_path / "more.jsonl", line("one"))], cache=cache)
    assert len(list(cache.iterdir())) == dataset.KEPT


def test_a_row_that_equals_a_held_out_text_fails_the_run_and_is_named_without_its_text(tmp_path: Path) -> None:
    more = written(tmp_path / "more.jsonl", line("fine"), line("Kept for judging"))
    held = written(tmp_path / "held.jsonl", {"text": "kept for judging!"})
    with pytest.raises(Leak) as raised:
        dataset.base([more], held_out=[held])
    assert "more.jsonl row 2" in str(raised.value)
    assert "judging" not in str(raised.value)


def test_a_correction_of_a_held_out_text_teaches_nothing_and_stops_nobody(tmp_path: Path) -> None:
    held = written(tmp_path / "held.jsonl", {"text": "kept for judging!"})
    said = [Lesson("a", "KEPT for judging", {"insult": 1}), Lesson("b", "something else", {"insult": 1})]
    found = dataset.allowed(said, [held])
    assert ([each.correction_id for each in found.lessons], found.held_out) == (["b"], ("a",))
    assert dataset.allowed(said, []).lessons == tuple(said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {"insult": 2}},
        {"labels": {"insult": True}},
        {"labels": {"rudeness": 1}},
        {"labels": [1]},
        {"text": " "},
        {"source": None},
        {"weights": {"insult": 0}},
        {"split": "test"},
        {"language": 7},
    ],
)
def test_a_line_that_is_no_training_line_is_named_by_file_and_number(wrong: dict[str, object], tmp_path: Path) -> None:
    more = written(tmp_path / "more.jsonl", line("fine"), line("secret words") | wrong)
    with pytest.raises(BadLine, match=r"more\.jsonl line 2: ") as raised:
        dataset.base([more])
    assert "secret" not in str(raised.value)


def test_a_table_comes_back_from_its_bytes_as_it_was() -> None:
    table = dataset.base()
    pd.testing.assert_frame_equal(table_file.load(table_file.dump(table)), table)
    pd.testing.assert_frame_equal(table_file.load(table_file.dump(table.iloc[:0])), table.iloc[:0], check_dtype=False)


def test_paths_are_written_like_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMBUD_TRAINER_TRAINING_SETS", f"a.jsonl{os.pathsep}b")
    monkeypatch.setenv("OMBUD_HELD_OUT", "h.csv")
    found = TrainerSettings()
    assert found.training_sets == (Path("a.jsonl"), Path("b"))
    assert found.held_out == (Path("h.csv"),)
