"""Rows of the same key become one, and each key gets its side of the split. Pure.

Invariant: known beats unknown, a contradiction is unknown, and what any source keeps for judging is never trained on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from services.trainer.rows import Mark, Row, Split, side_of
from shared.text_key import key_of


def merged(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Yield (key, row) once per key in the order keys first appear, each with a side and at least one mark."""
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(key_of(row.text), []).append(row)
    for key, same in by_key.items():
        marks = agreed(same)
        if marks:
            yield key, replace(same[0], marks=marks, split=_side(key, same))


def agreed(rows: Iterable[Row]) -> dict[str, Mark]:
    """Return what rows say together: of marks that agree the strongest, none where they contradict each other."""
    said: dict[str, Mark] = {}
    contradicted: set[str] = set()
    for row in rows:
        for category, mark in row.marks.items():
            known = said.setdefault(category, mark)
            if known.label != mark.label:
                contradicted.add(category)
            elif mark.weight > known.weight:
                said[category] = mark
    return {category: mark for category, mark in said.items() if category not in contradicted}


def _side(key: str, rows: Iterable[Row]) -> Split:
    said = {row.split for row in rows}
    if "dev" in said:
        return "dev"
    return "train" if "train" in said else side_of(key)
