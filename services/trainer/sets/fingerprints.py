"""Which data a model learned from, as a hash: equal hashes, equal examples. No text goes into an answer. Pure."""

from collections.abc import Iterable

import numpy as np
import orjson
import pandas as pd

from shared.ids import digest
from shared.vocabulary import CATEGORIES

ALL = "all"
"""The name under which the hash of every source together stands."""

_WEIGHTS = [f"weight_{category}" for category in CATEGORIES]


def data_hashes(table: pd.DataFrame) -> dict[str, str]:
    """Return source -> SHA-256 over its sorted (key, split, labels, weights, source), and `all` for all together."""
    facts = pd.Series(_lines(table), index=table.index, dtype=object)
    each = {str(source): _hash(lines) for source, lines in facts.groupby(table["source"].to_numpy())}
    return {ALL: _hash(facts), **dict(sorted(each.items()))}


def _lines(table: pd.DataFrame) -> list[bytes]:
    """Return [key, split, labels, weights, source] of each row as JSON.

    Two hundred thousand rows have a few hundred different ends: each is written once.
    """
    marks = np.ascontiguousarray(table[[*CATEGORIES, *_WEIGHTS]].to_numpy(float))
    known: dict[tuple[bytes, str, str], bytes] = {}
    lines = []
    for key, split, source, row in zip(table["key"], table["split"], table["source"], marks, strict=True):
        name = (row.tobytes(), split, source)
        end = known.get(name)
        if end is None:
            end = known[name] = _end(row.tolist(), split, source)
        lines.append(b"[" + orjson.dumps(key) + b"," + end)
    return lines


def _end(marks: list[float], split: str, source: str) -> bytes:
    told = zip(CATEGORIES, marks[: len(CATEGORIES)], marks[len(CATEGORIES) :], strict=True)
    known = [(category, label, weight) for category, label, weight in told if not np.isnan(label)]
    labels = {category: int(label) for category, label, _ in known}
    weights = {category: weight for category, _, weight in known}
    return orjson.dumps([split, labels, weights, source])[1:]


def _hash(lines: Iterable[bytes]) -> str:
    return digest(b"\n".join(sorted(lines)))
