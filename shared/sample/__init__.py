"""Our own small corpus (CC0): posts for a newcomer's first run, and training rows for the first model.

Written for Ombud, mild on purpose, English and Dutch; every abusive row has a benign twin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import orjson

Split = Literal["post", "train"]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sentence. `labels` holds 1 or 0 for the categories it speaks about; the rest is unknown."""

    id: str
    split: Split
    language: str
    text: str
    labels: dict[str, int]
    twin: str | None


def rows(split: Split) -> Iterator[SampleRow]:
    """Yield the rows of one split in file order."""
    with files(__package__).joinpath("corpus.jsonl").open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            if row["split"] == split:
                yield SampleRow(**row)
