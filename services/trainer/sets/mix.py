"""The training sets of the data folder and our own sentences as one table: what a model is trained and judged on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from services.trainer import own_patterns
from services.trainer.own_rows import own_rows
from services.trainer.rows import Row, weighed, with_implied
from services.trainer.sets import contrast, dutch, leaks
from services.trainer.sets.folder import MIXES, TWEETS, MixName, contrast_rows, dutch_words, kept_for_spans
from services.trainer.sets.merging import merged
from shared.vocabulary import CATEGORIES

WEIGHTS = tuple(f"weight_{category}" for category in CATEGORIES)
COLUMNS = ("key", "text", "language", "source", "split", "pattern", "construct", "group", *CATEGORIES, *WEIGHTS)
OWN = (own_patterns.SOURCE, contrast.SOURCE)
"""Sources we wrote ourselves; no Dutch copy is made of them, as they are in Dutch already."""


def load_mix(
    folder: Path,
    mix: MixName,
    *,
    own_weight: float = 2.0,
    tweet_weight: float = 1.0,
    dutch_copies: bool = True,
    held_out: Sequence[Path] = (),
) -> pd.DataFrame:
    """Return the examples of a mix and our own sentences, sorted by key.

    Columns: key, text, language, source, split (`train` or `dev`), pattern, construct, group (own sentences), per
    category a label (1.0, 0.0 or NaN) and `weight_<category>` (0.0 where the label is unknown). Raises `leaks.Leak`
    if a row equals a text of the held-out files; a Dutch copy that does is not made.
    """
    pool = leaks.pool(held_out)
    rows = folder_rows(folder, mix, own_weight, tweet_weight)
    rows += [weighed(row, own_weight) for row in own_rows()]
    leaks.refuse(rows, pool)
    by_key = dict(merged(map(with_implied, rows)))
    if dutch_copies:
        by_key |= copies(by_key, dutch_words(folder), pool)
    return table_of(by_key)


def folder_rows(folder: Path, mix: MixName, own_weight: float = 1.0, tweet_weight: float = 1.0) -> list[Row]:
    """Return the rows of a folder's sets, without the sentences that come with Ombud."""
    rows = []
    judged = leaks.pool([kept_for_spans(folder)])
    for name, load in MIXES[mix].items():
        factor = tweet_weight if name in TWEETS else 1.0
        found = load(folder)
        rows += [weighed(row, factor) for row in (leaks.without(found, judged) if name == "toxic_spans" else found)]
    return rows + [weighed(row, own_weight) for row in contrast_rows(folder)]


def copies(by_key: Mapping[str, Row], words: Mapping[str, str], pool: leaks.Pool) -> dict[str, Row]:
    """Return key -> the copy in Dutch words of others' English training rows, where it is no row and no leak."""
    theirs = [row for row in by_key.values() if row.split == "train" and row.source not in OWN]
    made = [copy for row in theirs if row.language == "en" and (copy := dutch.copy_of(row, words)) is not None]
    return {key: row for key, row in merged(leaks.without(made, pool)) if key not in by_key}


def table_of(by_key: Mapping[str, Row]) -> pd.DataFrame:
    """Return merged rows as the table that `load_mix` describes."""
    records = []
    for key in sorted(by_key):
        row = by_key[key]
        facts = (key, row.text, row.language, row.source, row.split, row.pattern, row.construct, row.group)
        marks = [row.marks.get(category) for category in CATEGORIES]
        labels = [float("nan") if mark is None else float(mark.label) for mark in marks]
        records.append((*facts, *labels, *(0.0 if mark is None else mark.weight for mark in marks)))
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))
