"""Real posts for the tests: the Civil Comments file beside the project, or our own sample with numbered variations."""

import csv
import gzip
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from shared.sample import rows
from tests.support.data import data_folder

VARIATIONS = 2_000


@dataclass(frozen=True)
class Corpus:
    """A CSV file with the columns comment_id and comment_text, and how many rows it has."""

    file: Path
    count: int


def civil_comments() -> Path | None:
    """Return the Civil Comments file below OMBUD_TEST_DATA or ../shared/data, if it is there."""
    file = data_folder() / "toxic_spans" / "comments.csv.gz"
    return file if file.exists() else None


def real_posts(folder: Path) -> Corpus:
    """Return the Civil Comments; where they are absent, the sample's variations, written to `folder`."""
    file = civil_comments()
    return sample_posts(folder) if file is None else Corpus(file, len(read(file)))


def sample_posts(folder: Path, count: int = VARIATIONS) -> Corpus:
    """Write posts of the sample over and over, each with its own number, and return the file."""
    file = folder / "sample.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(("comment_id", "comment_text"))
        for number, row in enumerate(islice(cycle(list(rows("post"))), count), 1):
            lines.writerow((f"{row.id}-{number}", f"{row.text} No. {number}."))
    return Corpus(file, count)


def read(file: Path) -> dict[str, str]:
    """Return external id -> text of a corpus, read independently of the command line."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return {row["comment_id"]: row["comment_text"] for row in csv.DictReader(lines)}
