"""The rows a gate judges on: what the base keeps for judging, and sentences of our own that only judge. Pure.

Invariant: the same rows in any order give the same frozen rows. A text that was corrected teaches, so it judges no
more; a label that was guessed (weight below one) judges nothing.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.figures import rows_of
from services.trainer.own_patterns import PROBES
from services.trainer.own_patterns import SOURCE as OWN
from services.trainer.rows import Row
from services.trainer.shipping import strong
from shared.ids import digest
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

FAST = 5_000
"""Rows the guard of the fast path looks at (learning.md section 9)."""
NO_GROUP = -1

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Names = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Frozen:
    """`n` rows sorted by key: labels (n, 12) of 1.0 and 0.0, NaN where nobody knows for sure, and what each belongs to.

    `patterns`, `constructs` and `groups` are those of our own sentences, empty for others.
    """

    keys: Names
    texts: Names
    labels: Numbers
    languages: Names
    sources: Names
    patterns: Names
    constructs: Names
    groups: Names

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def known(self) -> Flags:
        """Return which labels are known, (n, 12)."""
        return ~np.isnan(self.labels)

    @cached_property
    def own(self) -> Flags:
        """Return which rows are sentences of our own: they say little about what a probability means."""
        return np.array([source in (OWN, PROBES) for source in self.sources], bool)

    @cached_property
    def benign(self) -> Flags:
        """Return which rows are our own benign sentences about somebody: not toxic, and nothing they are said to be."""
        harmless = (self.labels[:, CATEGORIES.index("toxic")] == 0) & ~(self.labels == 1).any(axis=1)
        benign: Flags = harmless & (self.group_of[1] != NO_GROUP)
        return benign

    @cached_property
    def group_of(self) -> tuple[Names, Places]:
        """Return the groups in the order of their names, and of each row the place of its group, -1 for none."""
        names = tuple(sorted({*self.groups} - {""}))
        place = {name: at for at, name in enumerate(names)}
        return names, np.array([place.get(name, NO_GROUP) for name in self.groups], np.int64)

    @cached_property
    def units(self) -> Places:
        """Return of each row the number of what it was drawn with, (n,): its pattern, or itself.

        Eight fillings of one pattern fall together, so they are one piece of evidence and not eight.
        """
        names = [pattern or f"key {key}" for pattern, key in zip(self.patterns, self.keys, strict=True)]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def families(self) -> Mapping[str, Places]:
        """Return template family, as `nl people`, -> its benign rows: each of its sentences is said of every group."""
        return self._probed(self.benign, by_slot=True)

    @cached_property
    def benign_probes(self) -> Mapping[str, Places]:
        """Return language -> the benign rows of all its families."""
        return self._probed(self.benign, by_slot=False)

    @cached_property
    def hostile_probes(self) -> Mapping[str, Places]:
        """Return language -> the hostile sentences that are said of every group."""
        return self._probed(self.labels[:, CATEGORIES.index("hate_speech")] == 1, by_slot=False)

    def _probed(self, mask: Flags, *, by_slot: bool) -> Mapping[str, Places]:
        mine = np.flatnonzero(mask & np.array([source == PROBES for source in self.sources], bool))
        slots = [f" {self.constructs[at].split('-')[0]}" if by_slot else "" for at in mine]
        named = [[self.languages[at] + slot] for at, slot in zip(mine, slots, strict=True)]
        return {name: mine[places] for name, places in rows_of(named).items()}

    @cached_property
    def functional(self) -> Mapping[str, Places]:
        """Return functionality-like group and language, as `nl question` -> its rows.

        Sentences said of every group are few, so they are groups by slot and stance only.
        """
        named = []
        for language, construct, source in zip(self.languages, self.constructs, self.sources, strict=True):
            name = "-".join(construct.split("-")[: 1 + ("hostile" in construct)]) if source == PROBES else construct
            named.append((f"{language} {name}",) if name else ())
        return rows_of(named)

    @cached_property
    def slices(self) -> Mapping[str, Places]:
        """Return every other slice: a language, a source, a source in a language, sentences about one group."""
        named = [
            (f"language {language}", f"source {source}", *((f"about {group}",) if group else ()))
            for language, source, group in zip(self.languages, self.sources, self.groups, strict=True)
        ]
        return rows_of(named)

    def only(self, places: Places) -> "Frozen":
        """Return some of the rows."""

        def some(names: Names) -> Names:
            return tuple(names[at] for at in places)

        return Frozen(
            some(self.keys),
            some(self.texts),
            self.labels[places],
            some(self.languages),
            some(self.sources),
            some(self.patterns),
            some(self.constructs),
            some(self.groups),
        )

    def sample(self, most: int = FAST) -> "Frozen":
        """Return at most so many rows, always the same by the hashes of their keys, and all sentences that only judge.

        Those catch an attack on a group, and each group needs all of them.
        """
        probes = np.array([source == PROBES for source in self.sources], bool)
        others = np.flatnonzero(~probes)
        if len(others) <= most:
            return self
        hashed = np.array([digest(self.keys[at].encode("utf-8", "replace")) for at in others])
        return self.only(np.sort(np.concatenate((np.flatnonzero(probes), others[np.argsort(hashed)[:most]]))))


def freeze(table: pd.DataFrame, probes: Iterable[Row] = (), corrected: Set[str] = frozenset()) -> Frozen:
    """Return the frozen rows of a base and of sentences that only judge.

    `table` is what services.trainer.sets.mix gives; its rows of side `dev` judge, but for texts that stand on the other
    side too or whose key is in `corrected`. Where a probe is such a text or stands in the table, the table counts.
    """
    taught = {*table.loc[table["split"] == "train", "key"], *corrected}
    dev = table[(table["split"] == "dev") & ~table["key"].isin(taught)].drop_duplicates("key")
    seen = taught | {*dev["key"]}
    mine: dict[str, Row] = {}
    for row in sorted(probes, key=lambda each: each.text):
        key = key_of(row.text)
        if key not in seen:
            mine.setdefault(key, row)
    facts = [
        *zip(
            *(dev[name] for name in ("key", "text", "language", "source", "pattern", "construct", "group")),
            _labels(dev),
            strict=True,
        ),
        *(
            (key, row.text, row.language, PROBES, row.pattern, row.construct, row.group, _marks(row))
            for key, row in mine.items()
        ),
    ]
    facts.sort(key=lambda each: each[0])
    *names, labels = zip(*facts, strict=True) if facts else ((),) * 8
    keys, texts, languages, sources, patterns, constructs, groups = names
    known = np.array(labels, float).reshape(len(keys), len(CATEGORIES))
    return Frozen(keys, texts, known, languages, sources, patterns, constructs, groups)


def _labels(rows: pd.DataFrame) -> Numbers:
    """Return the labels that may judge, (rows, 12)."""
    sure = np.stack([strong(rows, category) for category in CATEGORIES], axis=1)
    return np.where(sure, rows[list(CATEGORIES)].to_numpy(float), np.nan)


def _marks(row: Row) -> list[float]:
    return [float(row.marks[name].label) if name in row.marks else float("nan") for name in CATEGORIES]
