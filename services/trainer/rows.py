"""One row of a data set as an example: the text and what is known about it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from shared.ids import digest

Split = Literal["train", "dev"]
Record = Mapping[str, str]
"""One line of a file: column name -> text."""

IDENTITIES = ("racism", "antisemitism", "islamophobia", "sexism", "homophobia", "ableism")
"""The categories that name whom an attack is about."""

STRONG, WEAK = 1.0, 0.5
"""Weight of a label as given, and of one read from something near it."""

ONE_IN = 10
"""One key, or one pattern of our own, in ten is kept for judging where the source does not say which."""


class Mark(NamedTuple):
    """What is known about one category: 1 or 0, and how much it counts."""

    label: int
    weight: float = STRONG


@dataclass(frozen=True, slots=True)
class Row:
    """An example. A category without a mark is unknown. `split` is set where the source decides it.

    `file` and `number` (from 1, without the header) say where it stands; `pattern`, `construct` and `group` are those
    of a sentence we wrote ourselves.
    """

    source: str
    file: str
    number: int
    text: str
    marks: Mapping[str, Mark]
    language: str = "en"
    split: Split | None = None
    pattern: str = ""
    construct: str = ""
    group: str = ""


def side_of(name: str) -> Split:
    """Return the side of a key or pattern: always the same one for the same name."""
    return "dev" if int(digest(name.encode("utf-8", "replace"))[:8], 16) % ONE_IN == ONE_IN - 1 else "train"


def yes(*categories: str, weight: float = STRONG) -> dict[str, Mark]:
    """Return marks that say 1 of the categories."""
    return {category: Mark(1, weight) for category in categories}


def no(*categories: str, weight: float = STRONG) -> dict[str, Mark]:
    """Return marks that say 0 of the categories."""
    return {category: Mark(0, weight) for category in categories}


def others(named: Iterable[str]) -> tuple[str, ...]:
    """Return the identity categories that are not named."""
    kept = set(named)
    return tuple(category for category in IDENTITIES if category not in kept)


def weighed(row: Row, factor: float) -> Row:
    """Return a row whose every mark counts `factor` times as much."""
    return replace(row, marks={name: Mark(mark.label, mark.weight * factor) for name, mark in row.marks.items()})


def with_implied(row: Row) -> Row:
    """Return a row with the only zeros we imply: what was judged not toxic is neither a threat nor an insult."""
    judged = row.marks.get("toxic")
    if judged is None or judged.label:
        return row
    return replace(row, marks=no("threat", "insult", weight=WEAK) | dict(row.marks))
