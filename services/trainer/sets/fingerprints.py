"""Which data a model learned from, as a hash: equal hashes, equal examples. No text goes into an answer. Pure."""

from collections.abc import Iterable
from typing import Any

import orjson
import pandas as pd

from shared.ids import digest
from shared.vocabulary import CATEGORIES

ALL = "all"
"""The name under which the hash of every source together stands."""


def data_hashes(table: pd.DataFrame) -> dict[str, str]:
    """Return source -> SHA-256 over its sorted (key, split, labels, weights, source), and `all` for all together."""
    facts = pd.Series([orjson.dumps(_facts(row)) for row in table.to_dict("records")], index=table.index, dtype=object)
    each = {str(source): _hash(lines) for source, lines in facts.groupby(table["source"].to_numpy())}
    return {ALL: _hash(facts), **dict(sorted(each.items()))}


def _facts(row: dict[Any, Any]) -> list[Any]:
    known = [category for category in CATEGORIES if not pd.isna(row[category])]
    labels = {category: int(row[category]) for category in known}
    weights = {category: float(row[f"weight_{category}"]) for category in known}
    return [row["key"], row["split"], labels, weights, row["source"]]


def _hash(lines: Iterable[bytes]) -> str:
    return digest(b"\n".join(sorted(lines)))
