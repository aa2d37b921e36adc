"""How far the system is from a person, over all posts or some: never how well a model knows them.

Invariant: every figure has its number of posts, the set they are of, and an interval; signs are kept.
Source: audits.md section 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.auditor.audits.columns import Corpus, Rows, chosen
from services.auditor.audits.decisions import TYPES, ErrorType, Side
from services.auditor.audits.sums import (
    Bounded,
    Sums,
    mean_absolute,
    mean_square,
    shares,
    signed_mean,
    sums,
    topic_sums,
)
from shared.vocabulary import CATEGORIES

IN_CATEGORY = 0.3
"""Scores above which a post counts to a category; upstream asks the share of raters who named it."""


class Set(StrEnum):
    """Of which posts a figure is."""

    ALL_POSTS = "all_posts"
    OWN_LABELS = "own_labels"
    TOPIC = "topic"
    CATEGORY = "category"
    SEARCH = "search"


@dataclass(frozen=True)
class Figure:
    """A number of n posts with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Disagreement:
    """A person against the system on `n` posts of a set, of which they `labelled` so many.

    `signed` is the mean of user less system (above 0: the person is stricter), `under`, `over` and `agree` are shares
    as the model expects them, `counts` the posts of each type as they are decided.
    """

    of: Set
    n: int
    labelled: int
    counts: Mapping[ErrorType, int]
    signed: Figure
    mae: Figure
    mse: Figure
    rmse: Figure
    under: Figure
    over: Figure
    agree: Figure

    def named(self) -> dict[str, float]:
        """Return the figures by the names that are known elsewhere, with their family before them."""
        return {
            "system_mae": self.mae.value,
            "system_mse": self.mse.value,
            "system_rmse": self.rmse.value,
            "system_avg_diff": self.signed.value,
            "system_fn_proportion": self.under.value,
            "system_fp_proportion": self.over.value,
        }


def disagreement(side: Side, rows: Rows | None = None, of: Set = Set.ALL_POSTS) -> Disagreement | None:
    """Return the figures of all posts or of `rows`; None of no posts."""
    order = np.arange(len(side)) if rows is None else chosen(rows)
    if not len(order):
        return None
    return figures(sums(side, order, np.array([0])), of)[0]


def by_topic(side: Side, corpus: Corpus) -> dict[int, Disagreement]:
    """Return the figures of each topic that has posts."""
    grouped = corpus.by_topic
    if not len(grouped.topics):
        return {}
    found = figures(topic_sums(side, grouped), Set.TOPIC)
    return dict(zip(grouped.topics.tolist(), found, strict=True))


def by_category(side: Side, corpus: Corpus) -> dict[str, Disagreement | None]:
    """Return the figures of each of the twelve categories; a post may be in several, None where none is."""
    rows = [np.flatnonzero(corpus.scores[:, at] > np.float32(IN_CATEGORY)) for at in range(len(CATEGORIES))]
    present = [at for at, each in enumerate(rows) if len(each)]
    found: dict[str, Disagreement | None] = dict.fromkeys(CATEGORIES)
    if present:
        starts = np.append(0, np.cumsum([len(rows[at]) for at in present])[:-1])
        told = figures(sums(side, np.concatenate([rows[at] for at in present]), starts), Set.CATEGORY)
        found |= {CATEGORIES[at]: each for at, each in zip(present, told, strict=True)}
    return found


def of_own_labels(side: Side) -> Disagreement | None:
    """Return the figures of the posts the person rated themselves; None if there are none."""
    return disagreement(side, side.labelled, Set.OWN_LABELS)


def figures(found: Sums, of: Set) -> list[Disagreement]:
    """Return the figures of each group of posts."""
    square = mean_square(found)
    root = Bounded(np.sqrt(square.value), np.sqrt(square.low), np.sqrt(square.high))
    columns = [
        _figures(each, found) for each in (signed_mean(found), mean_absolute(found), square, root, *shares(found))
    ]
    counts = [dict(zip(TYPES, row, strict=True)) for row in found.types.tolist()]
    return [
        Disagreement(of, n, labelled, types, *row)
        for n, labelled, types, row in zip(
            found.n.tolist(), found.labelled.tolist(), counts, zip(*columns, strict=True), strict=True
        )
    ]


def _figures(bounded: Bounded, found: Sums) -> list[Figure]:
    rows = zip(bounded.value.tolist(), bounded.low.tolist(), bounded.high.tolist(), found.n.tolist(), strict=True)
    return [Figure(*row) for row in rows]
