"""From sample rows and corrections to examples: one table with masked labels, NaN where nobody knows.

Invariant: the same text, by its key, never stands on both sides of the split, and a correction always trains.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pandas as pd

from services.trainer.labels import Lesson
from shared.ids import digest
from shared.sample import SampleRow
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

TRAIN, HELD_OUT = "train", "held_out"
SAMPLE, CORRECTION = "sample", "correction"
ONE_IN = 5
"""One text in five is held out."""


def held_out(key: str) -> bool:
    """Return whether a text is kept for judging; always the same answer for the same key."""
    return int(digest(key.encode("utf-8", "replace"))[:8], 16) % ONE_IN == 0


def examples(sample: Iterable[SampleRow], taught: Iterable[Lesson], *, correction_weight: float) -> pd.DataFrame:
    """Return the examples: columns key, text, source, split, weight and one per category (1.0, 0.0 or NaN).

    Rows of the same key become one: known beats unknown and a contradiction in the sample is unknown. Where a
    correction speaks about a sample's text, its word replaces the sample's, and the text moves to training.
    """
    base = _merge_sample(sample)
    corrected = _merge_lessons(taught)
    rows: list[dict[str, Any]] = []
    for key, (text, labels) in corrected.items():
        rows.append(_row(key, text, CORRECTION, TRAIN, correction_weight, labels))
    for key, (text, labels) in base.items():
        spoken = corrected[key][1] if key in corrected else {}
        split = HELD_OUT if held_out(key) and key not in corrected else TRAIN
        rest = {category: label for category, label in labels.items() if category not in spoken}
        if rest:
            rows.append(_row(key, text, SAMPLE, split, 1.0, rest))
    columns = ["key", "text", "source", "split", "weight", *CATEGORIES]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(CATEGORIES, float))
    return table.sort_values(["key", "source"], ignore_index=True)


def data_hash(table: pd.DataFrame) -> str:
    """Return the SHA-256 of what was learned from: every key with its split, labels, weight and source."""
    facts = sorted(
        orjson.dumps([row["key"], row["split"], _known(row), row["weight"], row["source"]])
        for row in table.to_dict("records")
    )
    return digest(b"\n".join(facts))


def _merge_sample(sample: Iterable[SampleRow]) -> dict[str, tuple[str, dict[str, int]]]:
    merged: dict[str, tuple[str, dict[str, int]]] = {}
    contradicted: set[tuple[str, str]] = set()
    for row in sample:
        key = key_of(row.text)
        _, labels = merged.setdefault(key, (row.text, {}))
        for category, label in row.labels.items():
            if labels.setdefault(category, label) != label:
                contradicted.add((key, category))
    for key, category in contradicted:
        del merged[key][1][category]
    return merged


def _merge_lessons(taught: Iterable[Lesson]) -> dict[str, tuple[str, dict[str, int]]]:
    merged: dict[str, tuple[str, dict[str, int]]] = {}
    for lesson in taught:
        _, labels = merged.setdefault(key_of(lesson.text), (lesson.text, {}))
        labels |= lesson.labels  # lessons come oldest first, so the later word stays
    return merged


def _row(key: str, text: str, source: str, split: str, weight: float, labels: Mapping[str, int]) -> dict[str, Any]:
    marks = {category: float(labels[category]) for category in CATEGORIES if category in labels}
    return {"key": key, "text": text, "source": source, "split": split, "weight": float(weight), **marks}


def _known(row: Mapping[Any, Any]) -> dict[str, int]:
    return {category: int(row[category]) for category in CATEGORIES if not pd.isna(row[category])}
