"""The posts of a topic, a search or everything as a table: filtered first, then ordered, then a page of it.

Invariant: a cursor holds the values of the last row, so a page goes on where the last one ended even if rows came or
went meanwhile, and pages together are the whole set, each row once. Source: audits.md section 9.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Corpus, Floats, Judge, Rows, chosen
from services.auditor.audits.decisions import TYPES, Errors, ErrorType, Side, Source, counted, passing, steps
from services.auditor.audits.disagreement import IN_CATEGORY
from services.auditor.audits.placing import STEP, placed
from shared.judgement import CUT, SEVERITIES, is_toxic, severity
from shared.vocabulary import CATEGORIES

SIZES = (5, 10, 25, 100)
"""Rows a page may have."""
MARKS = 500
"""Posts a chart shows at most."""
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Filter:
    """Which posts are wanted: by type of error (only where there is a model), category, and whether labelled."""

    errors: Errors = Errors.BOTH
    category: str | None = None
    labelled: bool | None = None


@dataclass(frozen=True)
class Counts:
    """What a set holds before the error filter: posts, labelled ones, and those of each type (none without a model)."""

    n: int
    labelled: int
    types: Mapping[ErrorType, int]


@dataclass(frozen=True)
class Cursor:
    """The last row seen: (p_disagree, distance) of it, or (system's rating,) without a model, and its post."""

    keys: tuple[float, ...]
    post: str


@dataclass(frozen=True)
class PostRow:
    """What a table says of one post. Everything of the person is None without a model."""

    post: str
    topic: int | None
    categories: tuple[str, ...]
    system: float
    system_toxic: bool
    system_version: str
    severity: str
    prediction: float | None = None
    sd: float | None = None
    tuned: bool | None = None
    p_disagree: float | None = None
    label: float | None = None
    user_toxic: bool | None = None
    source: Source | None = None
    type: ErrorType | None = None
    distance: float | None = None
    signed: float | None = None
    colour: int | None = None


@dataclass(frozen=True)
class Page:
    """Rows in their order, and the cursor of the next page, None at the end."""

    rows: tuple[PostRow, ...]
    following: Cursor | None


@dataclass(frozen=True)
class Mark:
    """One post in a chart: the row and where it stands."""

    row: PostRow
    step: float
    rank: int


@dataclass(frozen=True, eq=False)
class Table:
    """What all tables and charts of one audit read: posts, and the person's side unless there is no model."""

    corpus: Corpus
    judge: Judge | None = None
    side: Side | None = None
    cut: float = CUT

    def selected(self, rows: Rows | None, wanted: Filter) -> tuple[Numbers, Counts]:
        """Return which of `rows` (all: None) pass the filter, ascending, and counts before its error type.

        Raises KeyError for a category that does not exist.
        """
        kept = np.arange(len(self.corpus)) if rows is None else chosen(rows)
        if wanted.category is not None:
            score = self.corpus.scores[:, _CATEGORY[wanted.category]]
            kept = kept[score[kept] > np.float32(IN_CATEGORY)]
        if self.side is None:
            return (kept[:0] if wanted.labelled else kept), Counts(len(kept), 0, {})
        if wanted.labelled is not None:
            kept = kept[self.side.labelled[kept] == wanted.labelled]
        types = self.side.types[kept]
        counts = Counts(len(kept), int(self.side.labelled[kept].sum()), counted(types))
        return kept[passing(types, wanted.errors)], counts

    def page(self, rows: Numbers, size: int, after: Cursor | None = None) -> Page:
        """Return up to `size` of the rows: most surely decided differently first, then the farthest apart, then by id.

        Without a model the mildest by the system come first.
        """
        keys = self._keys(rows)
        if after is not None:
            left = self._left(rows, keys, after)
            rows, keys = rows[left], [key[left] for key in keys]
        first = ordered(rows, keys, size + 1)
        shown = self.rows(first[:size])
        return Page(shown, self._cursor(shown[-1]) if len(first) > size else None)

    def before(self, row: int) -> Cursor:
        """Return the cursor after which a row comes first, if it is in the table."""
        (said,) = self.rows(np.array([row]))
        return Cursor(self._cursor(said).keys, self.corpus.posts[row - 1] if row else "")

    def marks(self, rows: Numbers, most: int = MARKS, step: float = STEP) -> tuple[Mark, ...]:
        """Return the marks of a chart: of the rows those most surely decided differently, ties by id, then by place."""
        keys = self._keys(rows)[:1]
        first = ordered(rows, keys, most)
        rating = self.corpus.system if self.side is None else self.side.user
        at, ranks = placed(rating[first], self.corpus.system[first], first, step)
        order = np.lexsort((ranks, at))
        shown = zip(self.rows(first[order]), at[order].tolist(), ranks[order].tolist(), strict=True)
        return tuple(Mark(row, x, y) for row, x, y in shown)

    def rows(self, rows: Numbers) -> tuple[PostRow, ...]:
        """Return what is said of some posts, in the order given."""
        corpus, system = self.corpus, self.corpus.system[rows]
        scores = corpus.scores[rows] > np.float32(IN_CATEGORY)
        topics = corpus.topics[rows].tolist()
        known = [
            (
                corpus.posts[row],
                topics[at] if topics[at] >= 0 else None,
                tuple(name for name, is_in in zip(CATEGORIES, scores[at].tolist(), strict=True) if is_in),
                float(system[at]),
                bool(is_toxic(float(system[at]), self.cut)),
                corpus.version_names[corpus.versions[row]],
            )
            for at, row in enumerate(rows.tolist())
        ]
        if self.judge is None or self.side is None:
            words = severity(system.astype(np.float64)).tolist()
            return tuple(PostRow(*each, SEVERITIES[word]) for each, word in zip(known, words, strict=True))
        person = self._person(self.judge, self.side, rows)
        return tuple(PostRow(*each, *said) for each, said in zip(known, person, strict=True))

    def _person(self, judge: Judge, side: Side, rows: Numbers) -> list[tuple[Any, ...]]:
        """Return what follows the system in `PostRow`, from the severity of the person's side on."""
        label, distance = judge.label[rows], side.distance[rows]
        return [
            (
                SEVERITIES[word],
                prediction,
                sd,
                tuned,
                p,
                own if mine else None,
                toxic,
                _SOURCE[mine],
                TYPES[code],
                *apart,
            )
            for word, prediction, sd, tuned, p, own, mine, toxic, code, *apart in zip(
                severity(side.user[rows].astype(np.float64)).tolist(),
                judge.prediction[rows].tolist(),
                judge.sd[rows].tolist(),
                judge.tuned[rows].tolist(),
                side.p_disagree[rows].tolist(),
                label.tolist(),
                side.labelled[rows].tolist(),
                side.user_toxic[rows].tolist(),
                side.types[rows].tolist(),
                distance.tolist(),
                side.signed[rows].tolist(),
                steps(distance).tolist(),
                strict=True,
            )
        ]

    def _keys(self, rows: Numbers) -> list[Floats]:
        """Return what rows are ordered by, each ascending."""
        if self.side is None:
            return [self.corpus.system[rows]]
        return [-self.side.p_disagree[rows], -self.side.distance[rows]]

    def _cursor(self, row: PostRow) -> Cursor:
        if row.p_disagree is None or row.distance is None:
            return Cursor((row.system,), row.post)
        return Cursor((row.p_disagree, row.distance), row.post)

    def _left(self, rows: Numbers, keys: list[Floats], after: Cursor) -> NDArray[np.bool_]:
        """Return which rows stand after the cursor. Raises ValueError for the cursor of another order."""
        if len(after.keys) != len(keys):
            raise ValueError("the cursor is of a table in another order")
        sign = 1.0 if self.side is None else -1.0
        # the post itself may have gone: its place among the ids is enough
        left = rows >= bisect_right(self.corpus.posts, after.post)
        for key, value in zip(reversed(keys), reversed(after.keys), strict=True):
            bound = np.float32(sign * value)
            left = (key > bound) | ((key == bound) & left)
        return left


def ordered(rows: Numbers, keys: list[Floats], most: int) -> Numbers:
    """Return the first `most` of rows by their keys, ties by row; only what can be among them is sorted."""
    if most < len(rows):
        near = keys[0] <= np.partition(keys[0], most)[most]
        rows, keys = rows[near], [key[near] for key in keys]
    ties: list[NDArray[Any]] = [rows, *reversed(keys)]
    return rows[np.lexsort(ties)][:most]


_CATEGORY = {name: at for at, name in enumerate(CATEGORIES)}
_SOURCE = {True: Source.LABEL, False: Source.PREDICTION}
