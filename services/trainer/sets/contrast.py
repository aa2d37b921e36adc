"""The contrast rows of the data folder: sentences of our own, one pattern with many fillings. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.trainer.rows import Mark, Row, side_of

SOURCE = "own_contrast"


def contrast(file: str, records: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield contrast rows; a pattern is on one side of the split in both languages, as both say the same."""
    for number, record in enumerate(records, 1):
        pattern = record["id"].split("-")[1]
        yield Row(
            source=SOURCE,
            file=file,
            number=number,
            text=record["text"],
            marks={category: Mark(label) for category, label in record["labels"].items()},
            language=record["lang"],
            split=side_of(f"contrast {pattern}"),
            pattern=f"contrast-{pattern}",
            construct=record["kind"].replace("_", "-"),
        )
