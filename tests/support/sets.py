"""A data folder like the real one, with little files of our own in every upstream layout."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import orjson

HATEMOJI = "entry_id,text,type,target,round.base,round.set,set,split,label_gold,matched_text,matched_id"

HEADERS = {
    "edos/edos_train_dev.csv.gz": "rewire_id,text,label_sexist,label_category,label_vector,split",
    "toxic_spans/comments.csv.gz": "comment_id,comment_text",
    "toxic_spans/annotations.csv.gz": "annotation,comment_id,worker,country,all toxic,not toxic",
    "toxic_spans/spans.csv.gz": "annotation,type,start,end",
    "toxic_spans/tsd_test.csv.gz": "spans,text",
    "hatemoji/train.csv.gz": HATEMOJI,
    "hatemoji/validation.csv.gz": HATEMOJI,
    "surge_toxicity/toxicity_en.csv.gz": "text,is_toxic",
    "convabuse/ConvAbuseEMNLPfull.csv.gz": (
        "example_no,annotator_id,conv_id,prev_agent,prev_user,agent,user,bot,is_abuse.1,is_abuse.0,is_abuse.-1,"
        "is_abuse.-2,is_abuse.-3,type.ableism,type.homophobic,type.intellectual,type.racist,type.sexist,"
        "type.sex_harassment,type.transphobic,target.generalised,target.individual,target.system,direction.explicit,"
        "direction.implicit"
    ),
    "davidson/labeled_data.csv.gz": "Unnamed: 0,count,hate_speech,offensive_language,neither,class,tweet",
    "hatexplain/final_hateXplain.csv.gz": "comment,label,Race,Religion,Gender,Sexual Orientation,Miscellaneous",
    "mlma/en_dataset_with_stop_words.csv.gz": "HITId,tweet,sentiment,directness,annotator_sentiment,target,group",
    "implicit_hate/implicit_hate_v1_stg1_posts.tsv.gz": "post\tclass",
    "implicit_hate/implicit_hate_v1_stg2_posts.tsv.gz": "post\timplicit_class\textra_implicit_class",
    "implicit_hate/implicit_hate_v1_stg3_posts.tsv.gz": "post\ttarget\timplied_statement",
    "own/dutch_words.tsv": "en\tnl",
}
"""File of the data folder -> its header, as published."""


def put(folder: Path, name: str, *rows: Sequence[object] | dict[str, object]) -> None:
    """Write a file of the data folder: rows are values in the order of its header, or named values, the rest empty."""
    tab = "\t" if ".tsv" in name else ","
    columns = HEADERS[name].split(tab)
    text = io.StringIO()
    out = csv.writer(text, delimiter=tab, lineterminator="\n")
    out.writerow(columns)
    for row in rows:
        if isinstance(row, dict):
            assert row.keys() <= set(columns), row.keys() - set(columns)
            out.writerow([row.get(column, "") for column in columns])
        else:
            assert len(row) == len(columns), name
            out.writerow(row)
    _write(folder / name, text.getvalue())


def put_lines(folder: Path, name: str, *lines: str) -> None:
    """Write a file of plain lines."""
    _write(folder / name, "".join(f"{line}\n" for line in lines))


def put_objects(folder: Path, name: str, *objects: dict[str, object]) -> None:
    """Write a file of JSON lines."""
    put_lines(folder, name, *(orjson.dumps(each).decode() for each in objects))


def empty_folder(folder: Path) -> Path:
    """Write every file of the data folder without a single row, and return the folder."""
    for name in HEADERS:
        put(folder, name)
    put_objects(folder, "own/contrast_rows.jsonl")
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
