"""What people said, put into the examples of a run. Pure.

Invariant: a correction always trains, it replaces what others said about the categories it speaks about, and its text
judges no model any more. What nobody spoke about stays as it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.trainer.labels import Lesson
from services.trainer.rows import Mark
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

WEIGHTS = tuple(f"weight_{category}" for category in CATEGORIES)
CORRECTION = "correction"
"""The source of rows that people corrected."""
WEAK_SHARE = 0.5
"""How much a guess weighs against a person's clear word (learning.md section 2)."""
NO_LANGUAGE = "und"
"""The BCP 47 tag of a text whose language nobody named."""


@dataclass(frozen=True, slots=True)
class Word:
    """What people say about the text of one key; `firm` are the categories where it is no guess."""

    text: str
    language: str | None
    labels: dict[str, int]
    firm: frozenset[str]


def with_corrections(base: pd.DataFrame, taught: Iterable[Lesson], weight: float) -> pd.DataFrame:
    """Return the examples `base` with lessons, oldest first, as rows of the source `correction` behind them.

    The table has the columns of services.trainer.sets.mix; each corrected label weighs `weight`, a guess half of it.
    `base` stays as it is.
    """
    said = words(taught)
    if not said:
        return base.copy()
    keys = base["key"].to_numpy()
    places = np.flatnonzero(base["key"].isin(said.keys()).to_numpy())
    spoken = np.zeros((len(base), len(CATEGORIES)), bool)
    for place in places:
        spoken[place] = [category in said[keys[place]].labels for category in CATEGORIES]
    rest = _without(base, places, spoken)
    languages = dict(zip(keys[places], base["language"].to_numpy()[places], strict=True))
    records = [_record(key, said[key], weight, languages.get(key, NO_LANGUAGE)) for key in sorted(said)]
    rows = pd.DataFrame.from_records(records, columns=list(base.columns)).astype(base.dtypes.to_dict())
    return pd.concat([rest, rows], ignore_index=True)


def words(taught: Iterable[Lesson]) -> dict[str, Word]:
    """Return key -> what lessons, oldest first, say of it together: the later word counts, but no guess over a word."""
    found: dict[str, Word] = {}
    for lesson in taught:
        key = key_of(lesson.text)
        known = found.get(key)
        labels, firm = ({}, frozenset[str]()) if known is None else (known.labels, known.firm)
        new = {name: label for name, label in lesson.labels.items() if not (lesson.weak and name in firm)}
        language = lesson.language or (known.language if known else None)
        firm = firm if lesson.weak else firm | new.keys()
        found[key] = Word(lesson.text, language, labels | new, firm)
    return found


def _without(base: pd.DataFrame, places: NDArray[np.intp], spoken: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the rows with the labels people spoke about taken out; what is left of the rows at `places` trains."""
    labels = np.where(spoken, np.nan, base[list(CATEGORIES)].to_numpy(float))
    weights = np.where(spoken, 0.0, base[list(WEIGHTS)].to_numpy(float))
    split = base["split"].to_numpy(object, copy=True)
    split[places] = "train"
    columns = {**dict(zip(CATEGORIES, labels.T, strict=True)), **dict(zip(WEIGHTS, weights.T, strict=True))}
    changed = base.assign(split=split, **columns).astype({"split": base["split"].dtype})
    gone = places[np.isnan(labels[places]).all(axis=1)]
    return changed.drop(index=changed.index[gone])


def _record(key: str, word: Word, weight: float, language: str) -> dict[str, Any]:
    marks = {
        category: Mark(label, weight if category in word.firm else weight * WEAK_SHARE)
        for category, label in word.labels.items()
    }
    facts = {"key": key, "text": word.text, "language": word.language or language, "source": CORRECTION}
    silent = {"split": "train", "pattern": "", "construct": "", "group": ""}
    labels = {category: float(marks[category].label) if category in marks else np.nan for category in CATEGORIES}
    weights = {f"weight_{name}": marks[name].weight if name in marks else 0.0 for name in CATEGORIES}
    return {**facts, **silent, **labels, **weights}
