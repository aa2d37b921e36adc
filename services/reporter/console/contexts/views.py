"""Saved views: the addresses of review queues that somebody gave a name."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 80
PATH = "/views/"


@dataclass(frozen=True, slots=True)
class View:
    """A saved view: where it leads, whether it is what is shown now, how many posts wait in it where that was counted.

    `mine`: the reader may remove it.
    """

    slug: str
    name: str
    query: str
    team: bool
    mine: bool
    here: bool
    waiting: int | None = None

    @property
    def link(self) -> str:
        """Return the address that leads there."""
        return PATH + self.slug


def slug_of(name: str, chance: str) -> str:
    """Return what a view is called in an address: its name in plain letters, and a little chance."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-")
    return f"{words or 'view'}-{chance}"


def views(
    rows: Iterable[Any], reader: str, query: str, *, lead: bool = False, waiting: Mapping[str, int] | None = None
) -> tuple[View, ...]:
    """Return views as the reader sees them; a lead may also remove those of the team."""
    known = waiting or {}
    return tuple(
        View(
            row.slug,
            row.name,
            row.query,
            row.team,
            row.person_id == reader or (row.team and lead),
            row.query == query,
            known.get(row.slug),
        )
        for row in rows
    )
