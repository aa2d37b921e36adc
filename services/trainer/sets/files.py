"""The files of a data folder, line by line: CSV, TSV, JSON lines and plain sentences, compressed or not."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

csv.field_size_limit(2**24)


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, unpacked where its name ends in .gz."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as text:
        yield from text


def table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the records of a CSV or TSV file with a header; which of the two its name says."""
    tabs = ".tsv" in path.suffixes
    yield from csv.DictReader(lines(path), delimiter="\t" if tabs else ",")


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON lines file."""
    for line in lines(path):
        if line.strip():
            yield orjson.loads(line)
