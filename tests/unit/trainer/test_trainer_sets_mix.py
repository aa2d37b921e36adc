"""The table of a mix: one row per key, sides, weights, Dutch copies, leaks, hashes."""

from pathlib import Path

import pandas as pd
import pytest

from services.trainer.rows import Mark, Row, side_of
from services.trainer.sets import mix
from services.trainer.sets.dutch import in_dutch_words
from services.trainer.sets.fingerprints import data_hashes
from services.trainer.sets.leaks import Leak, pool, variants
from services.trainer.sets.merging import agreed, merged
from services.trainer.sets.mix import COLUMNS, load_mix
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES
from tests.support.sentences import sentences
from tests.support.sets import empty_folder, put, put_lines, put_objects


@pytest.fixture(autouse=True)
def some_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one sentence of ours in five hundred be in a mix: all of them take twenty seconds, and one test has them."""
    monkeypatch.setattr(mix, "own_rows", lambda: sentences()[::500])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return empty_folder(tmp_path / "data")


def theirs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that do not come with Ombud, by text."""
    return table[table["source"] != "own_patterns"].set_index("text")


def known(row: pd.Series) -> dict[str, tuple[int, float]]:
    """Return category -> label and weight of what a row knows."""
    return {name: (int(row[name]), row[f"weight_{name}"]) for name in CATEGORIES if not pd.isna(row[name])}


def surge(folder: Path, *rows: tuple[str, str]) -> None:
    put(folder, "surge_toxicity/toxicity_en.csv.gz", *rows)


def row(text: str, split: str | None = None, **marks: Mark) -> Row:
    return Row("a", "a.csv", 1, text, marks, split=split)  # type: ignore[arg-type]


def test_a_row_judged_not_toxic_is_neither_a_threat_nor_an_insult_and_that_is_all_we_imply(folder: Path) -> None:
    surge(folder, ("what a fine day", "Not Toxic"), ("what a fool", "Toxic"))
    table = theirs(load_mix(folder, "base"))
    fine = known(table.loc["what a fine day"])
    assert fine == {"toxic": (0, 1.0), "threat": (0, 0.5), "insult": (0, 0.5)}
    assert known(table.loc["what a fool"]) == {"toxic": (1, 1.0)}


def test_a_table_holds_every_column_and_no_weight_without_a_label(folder: Path) -> None:
    surge(folder, ("what a fine day", "Not Toxic"))
    table = load_mix(folder, "base")
    assert list(table.columns) == list(COLUMNS)
    assert all(((table[name].isna()) == (table[f"weight_{name}"] == 0)).all() for name in CATEGORIES)
    assert set(table["split"]) <= {"train", "dev"}
    assert table["key"].is_unique
    assert table["key"].is_monotonic_increasing


def test_what_nobody_knows_anything_of_is_left_out(folder: Path) -> None:
    put(folder, "toxic_spans/comments.csv.gz", ("1", "a comment nobody marked"))
    assert theirs(load_mix(folder, "base")).empty


def test_known_beats_unknown_and_a_contradiction_is_unknown() -> None:
    ((key, one),) = merged(
        [
            row("Same words", toxic=Mark(1), threat=Mark(0, 0.5), insult=Mark(1, 0.5)),
            row("same WORDS!", toxic=Mark(0), sexism=Mark(1), insult=Mark(1)),
        ]
    )
    assert key == "same words"
    assert one.marks == {"threat": Mark(0, 0.5), "sexism": Mark(1), "insult": Mark(1)}


def test_a_third_row_does_not_settle_a_contradiction() -> None:
    assert agreed([row("x", toxic=Mark(label)) for label in (1, 0, 1)]) == {}


def test_what_any_source_keeps_for_judging_is_not_trained_on() -> None:
    sides = {row.split for _, row in merged([row("x", "train", toxic=Mark(1)), row("X", "dev", insult=Mark(1))])}
    assert sides == {"dev"}
    kept = next(f"words {n}" for n in range(1000) if side_of(f"words {n}") == "dev")
    sides = [row.split for _, row in merged([row(kept, "train", toxic=Mark(1)), row(f"{kept} no", toxic=Mark(1))])]
    assert sides[0] == "train"
    ((_, free),) = merged([row(kept, toxic=Mark(1))])
    assert free.split == "dev"


def test_about_a_tenth_is_kept_for_judging() -> None:
    share = sum(side_of(f"text {n}") == "dev" for n in range(5000)) / 5000
    assert 0.08 < share < 0.12


def test_comments_that_judge_explanations_do_not_train(folder: Path) -> None:
    put(folder, "toxic_spans/comments.csv.gz", ("1", "You, fool!"), ("2", "you lot"))
    put(
        folder,
        "toxic_spans/annotations.csv.gz",
        *((f"{n}{who}", str(n), "", "", "", "") for n in (1, 2) for who in "ab"),
    )
    put(folder, "toxic_spans/spans.csv.gz", *((f"{n}{who}", "Insult", "0", "3") for n in (1, 2) for who in "ab"))
    put(folder, "toxic_spans/tsd_test.csv.gz", ("[]", "you fool"))
    assert list(theirs(load_mix(folder, "base")).index) == ["you lot"]


def test_weights_of_our_own_rows_and_of_tweets_are_factors(folder: Path) -> None:
    contrast = {"id": "en-b01-01", "lang": "en", "kind": "benign", "text": "we agree", "labels": {"sexism": 0}}
    put_objects(folder, "own/contrast_rows.jsonl", contrast)
    put(folder, "davidson/labeled_data.csv.gz", {"class": 1, "tweet": "some tweet"})
    surge(folder, ("you fool", "Toxic"))
    table = theirs(load_mix(folder, "wide", own_weight=3.0, tweet_weight=0.25))
    assert known(table.loc["we agree"]) == {"sexism": (0, 3.0)}
    assert known(table.loc["some tweet"]) == {"toxic": (1, 0.125)}
    assert known(table.loc["you fool"]) == {"toxic": (1, 1.0)}
    assert "some tweet" not in theirs(load_mix(folder, "base")).index


def test_the_sentences_that_come_with_ombud_are_in_every_mix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "own_rows", sentences)
    table = load_mix(folder, "base")
    assert set(table["key"]) == {key_of(each.text) for each in sentences()}
    assert set(table["source"]) <= {"own_patterns"}
    assert (table[["pattern", "construct"]] != "").all(axis=None)


# -- Dutch copies -------------------------------------------------------------------------------------------

WORDS = {"you": "jij", "are": "bent", "a": "een", "don't": "niet", "know": "weet"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You are a FOOL!", "jij bent een fool!"),
        ("You don't know", "jij niet weet"),
        ("You don\N{RIGHT SINGLE QUOTATION MARK}t know", "jij niet weet"),
        ("you are", None),
        ("you fool of a took", None),
        ("@anna you are a https://you.example/are x you", None),
        ("@anna you are a friend", "@anna jij bent een friend"),
    ],
)
def test_known_words_are_replaced_where_enough_are_known(text: str, expected: str | None) -> None:
    assert in_dutch_words(text, WORDS) == expected


def test_a_training_row_gets_a_dutch_copy_and_a_dev_row_does_not(folder: Path) -> None:
    put(folder, "own/dutch_words.tsv", *WORDS.items())
    post = {"label_sexist": "not sexist", "label_category": "none", "label_vector": "none"}
    put(
        folder,
        "edos/edos_train_dev.csv.gz",
        {"text": "You are a winner", "split": "train", **post},
        {"text": "You are a star", "split": "dev", **post},
    )
    table = theirs(load_mix(folder, "base"))
    assert set(table.index) == {"You are a winner", "You are a star", "jij bent een winner"}
    copy, row = table.loc["jij bent een winner"], table.loc["You are a winner"]
    assert (copy["language"], copy["source"], copy["split"]) == ("nl", "edos:nl", "train")
    assert known(copy) == known(row)
    assert len(theirs(load_mix(folder, "base", dutch_copies=False))) == 2


# -- leaks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good day, you!", "good  day you"),
        ("good day 🌞", "good day"),
        ("🌞!", "🌞"),
        ("g o o d day you", "good day you"),
        ("RT @anna: look at this [URL]", "look at this"),
        ("@anna hello", "hello"),
        ("ok", "OK."),
    ],
)
def test_texts_that_say_the_same_share_a_variant(one: str, other: str) -> None:
    assert variants(one) & variants(other)


@pytest.mark.parametrize(("one", "other"), [("🌞", "🌧"), ("good day", "good days"), ("", "!"), ("?", "!")])
def test_texts_that_differ_share_none(one: str, other: str) -> None:
    assert not variants(one) & variants(other)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("suite.csv", ["case_id,test_case,label", "1,another thing,x", "2,You fool!,x"]),
        ("suite.tsv", ["id\tcomment_text", "1\tanother thing", "2\tYou fool!"]),
        ("suite.jsonl", ['{"text": "another thing"}', '{"text": "You fool!"}']),
    ],
)
def test_a_row_that_is_held_out_is_refused_by_file_and_number_and_its_text_is_not_said(
    folder: Path, name: str, lines: list[str]
) -> None:
    put_lines(folder, name, *lines)
    surge(folder, ("a fine day", "Not Toxic"), ("you, FOOL", "Toxic"))
    with pytest.raises(Leak) as refused:
        load_mix(folder, "base", held_out=[folder / name])
    (hit,) = refused.value.hits
    assert (hit.file, hit.number) == ("surge_toxicity/toxicity_en.csv.gz", 2)
    assert (hit.held_out, hit.held_out_number) == (name, 2)
    assert "fool" not in str(refused.value).lower()


def test_a_dutch_copy_that_is_held_out_is_not_made(folder: Path) -> None:
    put(folder, "own/dutch_words.tsv", *WORDS.items())
    surge(folder, *((f"You are a {name}", "Toxic") for name in ("pest", "bore", "fool", "nuisance")))
    put_lines(folder, "suite.csv", "text", *(f"jij bent een {name}" for name in ("pest", "bore", "fool")))
    made = theirs(load_mix(folder, "base"))
    kept = theirs(load_mix(folder, "base", held_out=[folder / "suite.csv"]))
    assert set(made.index) - set(kept.index) == {
        f"jij bent een {name}" for name in ("pest", "bore", "fool") if side_of(f"you are a {name}") == "train"
    }
    assert len(made) > len(kept)


def test_a_held_out_file_without_texts_is_an_error(tmp_path: Path) -> None:
    put_lines(tmp_path, "suite.csv", "id,label", "1,x")
    with pytest.raises(ValueError, match=r"suite.csv has no column of texts"):
        pool([tmp_path / "suite.csv"])


# -- hashes -------------------------------------------------------------------------------------------------


def test_the_hash_follows_the_data_and_not_its_order(folder: Path) -> None:
    surge(folder, ("a fine day", "Not Toxic"), ("you fool", "Toxic"))
    contrast = {"id": "en-b01-01", "lang": "en", "kind": "benign", "text": "we agree", "labels": {"sexism": 0}}
    put_objects(folder, "own/contrast_rows.jsonl", contrast)
    table = load_mix(folder, "base")
    hashes = data_hashes(table)
    assert data_hashes(table.iloc[::-1]) == hashes == data_hashes(load_mix(folder, "base"))
    assert set(hashes) == {"all", *table["source"]}
    other = data_hashes(load_mix(folder, "base", own_weight=1.0))
    assert other["surge_toxicity"] == hashes["surge_toxicity"]
    assert other["own_contrast"] != hashes["own_contrast"]
    assert other["all"] != hashes["all"]


@pytest.mark.parametrize(("column", "value"), [("toxic", 0.0), ("weight_toxic", 9.0), ("split", "x"), ("key", "k")])
def test_a_change_changes_the_hash(folder: Path, column: str, value: object) -> None:
    surge(folder, ("you fool", "Toxic"))
    table = load_mix(folder, "base")
    changed = table.copy()
    changed.loc[changed["text"] == "you fool", column] = value
    assert data_hashes(changed)["surge_toxicity"] != data_hashes(table)["surge_toxicity"]
