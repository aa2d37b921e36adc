"""What a file is, is said before anything of it is sent; the data sets beside the repository are all told apart."""

import csv
import gzip
from pathlib import Path

import pytest
import typer

from services.cli.layouts import Mapper
from services.cli.recognising import FORMATS, Source, explained, understood
from services.cli.rows import opened, rows_of
from tests.support.data import real


def written(folder: Path, content: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(content, "utf-8")
    return path


def refusal(path: Path, wanted: str = "auto", text: str | None = None, name: str | None = None) -> str:
    with pytest.raises(typer.BadParameter) as refused:
        understood(path, wanted, text, name)
    return refused.value.message


def test_it_says_what_a_file_is_why_and_what_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, ",count,hate_speech,offensive_language,neither,class,tweet\n0,3,0,0,3,2,hello\n")
    said = explained(understood(path, "auto", None, None))
    assert "data.csv: Davidson et al. (fields 'hate_speech', 'offensive_language', 'neither', 'tweet')" in said
    assert "text from 'tweet', external_id from ''" in said
    assert "left out: 'count', 'hate_speech', 'offensive_language', 'neither', 'class'" in said
    path = written(tmp_path, "comment,label\nhello,1\n")
    assert "no ids" in explained(understood(path, "auto", None, None))


def test_a_person_overrules_what_was_recognised(tmp_path: Path) -> None:
    path = written(tmp_path, "id,comment_text,reply\n1,one,two\n")
    assert understood(path, "auto", None, None).layout.name == "jigsaw"
    assert understood(path, "posts", None, None).layout.name == "posts"
    assert understood(path, "civilcomments", None, None).layout.platform == "civilcomments"
    chosen = understood(path, "auto", "Reply", None)
    assert Mapper(chosen.layout, None, "s").post({"id": "1", "comment_text": "one", "reply": "two"}, 1)["text"] == "two"
    assert understood(path, "csv", None, None).shape.kind == "csv"
    assert "no layout" in refusal(path, "tsv").lower()
    assert "no layout" in refusal(path, "davidson").lower()


def test_what_is_not_understood_is_said(tmp_path: Path) -> None:
    assert "`weather`" in refusal(written(tmp_path, "weather,mood\nrain,fine\n"))
    assert "auto" in refusal(written(tmp_path, "text\none\n"), "parquet")
    assert "no field nothing; it has id, text" in refusal(written(tmp_path, "id,text\n1,one\n"), "auto", "nothing")
    assert "empty" in refusal(written(tmp_path, ""))
    packed = tmp_path / "cut.csv.gz"
    packed.write_bytes(gzip.compress(b"id,text\n" + b"1,one\n" * 5000)[:-20])
    assert "cannot be read" in refusal(packed)
    assert "Community Notes" in refusal(written(tmp_path, "noteId\tcurrentStatus\n1\tNEEDS_MORE_RATINGS\n"))


def test_the_same_file_as_otherwise_understood_is_another_one(tmp_path: Path) -> None:
    path = written(tmp_path, "id,comment_text,reply\n1,one,two\n")
    keys = {
        understood(path, wanted, text, None).key
        for wanted, text in [("auto", None), ("posts", None), ("auto", "reply")]
    }
    assert len(keys) == 3
    moved = path.rename(tmp_path / "moved.txt")
    assert understood(moved, "auto", None, None).key in keys
    assert understood(written(tmp_path, "id,comment_text,reply\n1,one,three\n"), "auto", None, None).key not in keys


def counted(source: Source) -> tuple[int, int, int]:
    """Return how many rows a file has, how many ids, and how many rows give no text."""
    mapper, ids, rows, without = Mapper(source.layout, None, source.content[:12]), set(), 0, 0
    with opened(source.path) as file:
        for rows, row in enumerate(rows_of(file, source.shape), 1):
            post = mapper.post(row.value, rows)
            ids.add(post["external_id"] if row.fault is None else row.at)
            without += row.fault is not None or not (post["text"] or "").strip()
    return rows, len(ids), without


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("davidson/labeled_data.csv.gz", "davidson"),
        ("hatexplain/final_hateXplain.csv.gz", "hatexplain"),
        ("perspective_sample/perspective_wikipedia_2k_score_sample_20180829.csv.gz", "jigsaw"),
        ("toxic_spans/comments.csv.gz", "posts"),
        ("toxic_spans/tsd_trial.csv.gz", "posts"),
        ("edos/edos_train_dev.csv.gz", "posts"),
        ("hatemoji/validation.csv.gz", "posts"),
        ("mlma/en_dataset_with_stop_words.csv.gz", "posts"),
        ("implicit_hate/implicit_hate_v1_stg1_posts.tsv.gz", "posts"),
        ("bias_madlibs/toxicity_nonfuzzed_testset.csv.gz", "posts"),
        ("own/contrast_rows.jsonl", "posts"),
    ],
)
def test_a_real_data_set_is_recognised_and_read_to_its_last_row(name: str, layout: str) -> None:
    source = understood(real(name), "auto", None, None)
    assert source.layout.name == layout
    with opened(source.path) as file:
        if source.shape.kind == "csv":
            text = (line.decode("utf-8") for line in file)
            expected = sum(1 for _ in csv.reader(text, delimiter=source.shape.delimiter)) - 1
        else:
            expected = sum(1 for _ in file)
    assert counted(source) == (expected, expected, 0)


@pytest.mark.parametrize("name", ["toxic_spans/spans.csv.gz", "convabuse/ConvAbuseEMNLPfull.csv.gz"])
def test_a_real_file_without_posts_is_refused(name: str) -> None:
    assert "No layout is recognised" in refusal(real(name))


@pytest.mark.parametrize("name", ["round_00/notes.tsv", "round_00/scored_notes.tsv", "history_initial.tsv"])
def test_community_notes_without_texts_are_refused_with_what_to_take_instead(name: str) -> None:
    assert "`summary`" in refusal(real(f"communitynotes/dev/{name}", "fixtures"))


def test_every_format_has_a_name_of_its_own() -> None:
    assert len(FORMATS) == len(set(FORMATS))
