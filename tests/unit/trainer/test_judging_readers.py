"""Which labelled file is which, what its rows ask, and what is refused; never with a text of it."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.trainer.judging.cases import Case, NotUnderstood, categories_of, label, labels_of
from services.trainer.judging.layouts import LAYOUTS, Columns, cases_of, chosen, layout_of
from services.trainer.judging.suites import TERMS
from tests.support import labelled

ALL: dict[str, Callable[[Path], Path]] = {
    "hatecheck": labelled.hatecheck,
    "mhc": labelled.mhc,
    "jigsaw": labelled.jigsaw,
    "civil": labelled.civil,
    "davidson": labelled.davidson,
    "edos": labelled.edos,
    "hatemoji": labelled.hatemoji,
    "hatexplain": labelled.hatexplain,
    "bias_madlibs": labelled.madlibs,
    "toxic_spans": labelled.spans,
    "perspective": labelled.perspective,
}


def records(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    if path.suffix == ".jsonl":
        return [orjson.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read(path: Path, wanted: str = "auto", columns: Columns | None = None) -> list[Case]:
    rows = records(path)
    layout = layout_of(list(rows[0]), wanted, columns or Columns())
    return cases_of(layout, enumerate(rows, 1))


@pytest.mark.parametrize("name", ALL)
def test_every_layout_is_told_by_its_columns(name: str, tmp_path: Path) -> None:
    rows = records(ALL[name](tmp_path / "file.csv"))
    assert layout_of(list(rows[0]), "auto", Columns()).name == name
    assert layout_of(list(rows[0]), name, Columns()).name == name


def test_a_file_of_each_layout_is_tried() -> None:
    assert {layout.name for layout in LAYOUTS} == {*ALL, "own"}


def test_hatecheck_names_functionality_group_and_label(tmp_path: Path) -> None:
    cases = read(labelled.hatecheck(tmp_path / "suite.csv", each=1))
    assert [case.labels for case in cases] == [{"hate_speech": 1}, {"hate_speech": 0}] * 2 + [{"hate_speech": 0}]
    assert [case.functionality for case in cases[:2]] == ["derog_h", "ident_neutral_nh"]
    assert [case.groups for case in cases] == [("women",)] * 2 + [("Muslims",)] * 2 + [()]
    assert {case.language for case in cases} == {"en"}


def test_multilingual_hatecheck_tells_the_language_by_its_ids(tmp_path: Path) -> None:
    cases = read(labelled.mhc(tmp_path / "suite.csv"))
    assert [(case.language, case.labels["hate_speech"]) for case in cases] == [("nl", 1), ("nl", 0)]


def test_masked_labels_of_jigsaw_are_unknown(tmp_path: Path) -> None:
    cases = read(labelled.jigsaw(tmp_path / "train.csv"))
    assert cases[0].labels == {"toxic": 1, "threat": 0, "insult": 1, "hate_speech": 0}
    assert cases[2].labels == {}
    assert categories_of(cases) == ["toxic", "threat", "hate_speech", "insult"]
    assert labels_of(cases, "insult").tolist()[:2] == [1.0, 0.0]


def test_shares_of_raters_become_labels_and_groups(tmp_path: Path) -> None:
    cases = read(labelled.civil(tmp_path / "train.csv"))
    assert [case.labels["toxic"] for case in cases] == [1, 0, 0]
    assert cases[0].labels == {"toxic": 1, "threat": 0, "insult": 1, "hate_speech": 0}
    assert [case.groups for case in cases] == [(), ("muslim",), ()]


def test_offensive_tweets_judge_nothing(tmp_path: Path) -> None:
    cases = read(labelled.davidson(tmp_path / "tweets.csv"))
    assert [case.labels for case in cases] == [{"toxic": 1, "hate_speech": 1}, {}, {"toxic": 0, "hate_speech": 0}]
    assert [case.functionality for case in cases] == ["hate", "offensive", "neither"]


def test_weak_labels_of_edos_judge_nothing(tmp_path: Path) -> None:
    cases = read(labelled.edos(tmp_path / "edos.csv"))
    assert cases[0].labels == {"sexism": 1, "toxic": 1}
    assert cases[2].labels == {"sexism": 0}
    assert [case.split for case in cases] == ["dev", "dev", "dev", "train"]


def test_hatemoji_names_its_types(tmp_path: Path) -> None:
    hateful, twin = read(labelled.hatemoji(tmp_path / "h.csv"))
    assert (hateful.functionality, hateful.labels["sexism"], hateful.labels["racism"]) == ("derogation", 1, 0)
    assert (twin.functionality, twin.labels["hate_speech"]) == ("not hateful", 0)
    assert "toxic" not in twin.labels


def test_hatexplain_is_read_from_the_table_and_from_the_authors_json(tmp_path: Path) -> None:
    flat = read(labelled.hatexplain(tmp_path / "h.csv"))
    document = orjson.loads(labelled.hatexplain_json(tmp_path / "h.json").read_bytes())
    rows = list(document.values())
    whole = cases_of(layout_of(list(rows[0]), "auto", Columns()), enumerate(rows, 1))
    assert flat[0].labels == whole[0].labels == {"toxic": 1, "hate_speech": 1, "islamophobia": 1}
    assert flat[0].groups == whole[0].groups == ("Islam",)
    assert whole[1].labels["hate_speech"] == 0
    assert whole[2].labels == {}, "three annotators, three labels: nobody knows"


def test_identity_sentences_name_the_longest_term_and_their_template(tmp_path: Path) -> None:
    cases = read(labelled.madlibs(tmp_path / "m.csv", each=1))
    assert [case.groups for case in cases] == [("gay",)] * 2 + [("african american",)] * 2 + [()] * 2
    assert [case.labels["toxic"] for case in cases[:2]] == [0, 1]
    assert {case.template for case in cases} == {"name_adj", "you_occupation"}
    assert len(set(TERMS)) == 50


def test_spans_are_code_points(tmp_path: Path) -> None:
    marked, clean = read(labelled.spans(tmp_path / "s.csv"))
    assert marked.spans is not None
    assert "".join(marked.text[at] for at in sorted(marked.spans)) == "stupid fool"
    assert clean.spans == frozenset()
    with pytest.raises(NotUnderstood, match="Row 7"):
        layout_of(["spans", "text"], "auto", Columns()).read(7, {"spans": '["x"]', "text": "secret"})


def test_of_two_versions_of_an_attribute_the_higher_counts(tmp_path: Path) -> None:
    first = read(labelled.perspective(tmp_path / "p.csv"))[0]
    assert first.references == {"TOXICITY": 0.95, "IDENTITY_ATTACK": 0.1, "INSULT": 0.93, "THREAT": 0.1}
    assert first.labels == {}


def test_our_own_contrast_rows_are_read(tmp_path: Path) -> None:
    cases = read(labelled.own(tmp_path / "own.jsonl"))
    assert {case.functionality for case in cases} == {"hateful", "benign-twin"}
    assert {case.split for case in cases} == {"dev", "train"}


def test_a_file_of_another_shape_is_read_by_naming_columns(tmp_path: Path) -> None:
    rows = [["Good day", "no", "0.7", "greeting", "elves | dwarves"], ["Bad day", "yes", "", "other", ""]]
    path = labelled.table(tmp_path / "x.csv", ["said", "rude", "mean", "kind", "who"], rows)
    columns = Columns("said", {"toxic": "rude", "insult": "mean"}, functionality="kind", group="who")
    first, second = read(path, columns=columns)
    assert (first.labels, second.labels) == ({"toxic": 0, "insult": 1}, {"toxic": 1})
    assert (first.groups, first.functionality) == (("elves", "dwarves"), "greeting")


def test_columns_named_like_categories_are_labels(tmp_path: Path) -> None:
    path = labelled.table(tmp_path / "x.csv", ["text", "toxic", "insult"], [["a", 1, ""], ["b", "", 0]])
    assert [case.labels for case in read(path)] == [{"toxic": 1}, {"insult": 0}]


@pytest.mark.parametrize(
    ("names", "wanted", "columns", "said"),
    [
        (["a", "b"], "auto", Columns(), "no text"),
        (["text", "b"], "auto", Columns(), "no labels"),
        (["text", "toxic"], "hatecheck", Columns(), "HateCheck needs the columns"),
        (["text", "toxic"], "csv", Columns(text="body"), "no column body"),
        (["text"], "csv", Columns(labels={"toxic": "rude"}), "no column rude"),
        (["id", "comment_text"], "auto", Columns(), "no labels"),
    ],
)
def test_what_is_no_labelled_file_is_told(names: list[str], wanted: str, columns: Columns, said: str) -> None:
    with pytest.raises(NotUnderstood, match=said):
        layout_of(names, wanted, columns)


@pytest.mark.parametrize("value", ["maybe", "2", "-0.5", "1e9"])
def test_what_is_no_label_is_an_error_without_the_value(value: str) -> None:
    with pytest.raises(NotUnderstood, match=r"Row 3: what stands under `rude` is no label\.$"):
        label(value, 3, "rude")


def test_labels_of_every_spelling_are_read() -> None:
    assert [label(each, 1, "x") for each in (1, "1.0", "True", "hateful", 0.5, "BAD")] == [1] * 6
    assert [label(each, 1, "x") for each in (0, "0", "no", "non-hateful", 0.49, "NOT_BAD")] == [0] * 6
    assert [label(each, 1, "x") for each in (None, "", " ", -1, "-1", "NaN")] == [None] * 6


@pytest.mark.parametrize("name", ["hatecheck", "edos", "hatemoji", "davidson", "hatexplain", "bias_madlibs"])
def test_a_row_with_labels_that_its_set_never_has_is_refused_without_its_text(name: str, tmp_path: Path) -> None:
    rows = records(ALL[name](tmp_path / "f.csv"))
    layout = layout_of(list(rows[0]), name, Columns())
    text = next(value for value in rows[0].values() if len(value) > 15)
    broken = {column: value if value == text else "\x00?" for column, value in rows[0].items()}
    if name in ("edos", "hatexplain"):
        del broken["label_sexist" if name == "edos" else "label"]
    if name == "hatemoji":
        broken["label_gold"] = "1"
    with pytest.raises(NotUnderstood) as refused:
        layout.read(1, broken)
    assert text not in str(refused.value)


def test_training_rows_stay_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    cases = read(labelled.edos(tmp_path / "edos.csv"))
    assert (len(chosen(cases, None, None).cases), chosen(cases, None, None).left_out) == (3, {"split train": 1})
    assert len(chosen(cases, "all", None).cases) == 4
    assert [case.split for case in chosen(cases, "train", None).cases] == ["train"]


def test_rows_of_other_languages_and_without_text_are_left_out() -> None:
    cases = [Case(1, "hoi", language="nl-BE"), Case(2, "hi", language="en"), Case(3, "hallo"), Case(4, " ")]
    found = chosen(cases, None, "nl")
    assert [case.number for case in found.cases] == [1, 3]
    assert found.left_out == {"not in nl": 1, "no text": 1}


def test_a_case_shows_no_text_when_it_is_printed() -> None:
    assert "secret" not in repr(Case(1, "secret", spans=frozenset({1})))
