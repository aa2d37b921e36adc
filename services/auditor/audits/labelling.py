"""Which posts a person is shown to rate: of every severity first, then those the model is least sure to decide.

Invariant: a draw is a value: same person, model, number and posts, same draw, and nothing in it was rated before.
Source: audits.md section 2.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Corpus, Judge
from shared.ids import digest
from shared.judgement import CUT, DRAWN, severity, stratified

FIRST, MORE, REPLACEMENT = sum(DRAWN), 5, 1
"""Posts of the first draw, of each further one, and in place of one a person is unsure of."""


class Way(StrEnum):
    """How posts were chosen."""

    STRATIFIED = "stratified"
    REPLACEMENT = "replacement"
    INFORMATIVE = "informative"


@dataclass(frozen=True)
class Draw:
    """Posts in the order they are shown. `short` says that fewer were left than were asked for."""

    seed: int
    way: Way
    posts: tuple[str, ...]
    asked: int

    @property
    def short(self) -> bool:
        """Return whether there were too few posts left."""
        return len(self.posts) < self.asked


def seed_of(person: str, model: str, number: int) -> int:
    """Return the seed of a person's draw for a model, numbered from 1."""
    return int(digest(f"{person}\0{model}\0{number}".encode())[:16], 16)


def first_draw(
    corpus: Corpus, seed: int, seen: Collection[str], topic: int | None = None, counts: tuple[int, ...] = DRAWN
) -> Draw:
    """Return posts of every severity by the system's rating, so many each, scarce ones filled up from the nearest.

    `seen` are the posts the person rated or was unsure of. Shown in an order of their own: not from mild to severe.
    """
    rows, random = _left(corpus, seen, topic), np.random.default_rng(seed)
    at = stratified(corpus.system[rows].astype(np.float64), random.permutation(len(rows)), counts)
    shown = rows[random.permutation(np.array(at, np.int64))]
    return Draw(seed, Way.STRATIFIED, _ids(corpus, shown), sum(counts))


def replacement(corpus: Corpus, seed: int, seen: Collection[str], unsure: str, topic: int | None = None) -> Draw:
    """Return one post in place of one the person is unsure of: of the same severity or the nearest that has one."""
    row = corpus.places.get(unsure)
    middle = len(DRAWN) // 2
    of = middle if row is None else int(severity(float(corpus.system[row])))
    counts = tuple(int(each == of) * REPLACEMENT for each in range(len(DRAWN)))
    found = first_draw(corpus, seed, {*seen, unsure}, topic, counts)
    return Draw(seed, Way.REPLACEMENT, found.posts, REPLACEMENT)


def next_draw(
    corpus: Corpus,
    judge: Judge,
    seed: int,
    seen: Collection[str],
    topic: int | None = None,
    count: int = MORE,
    cut: float = CUT,
) -> Draw:
    """Return the posts whose rating would tell most: high posterior variance, near the cut; ties by id."""
    rows = _left(corpus, seen, topic)
    worth = informative(judge, cut)[rows]
    if count < len(rows):
        rows = rows[worth >= np.partition(worth, len(worth) - count)[len(worth) - count]]
        worth = informative(judge, cut)[rows]
    shown = rows[np.lexsort((rows, -worth))][:count]
    return Draw(seed, Way.INFORMATIVE, _ids(corpus, shown), count)


def informative(judge: Judge, cut: float = CUT) -> NDArray[np.float64]:
    """Return the posterior variance of each post times how near its prediction is to the cut (ours: a normal curve)."""
    near = (judge.prediction.astype(np.float64) - cut) / judge.sd_of_one
    return np.asarray(judge.sd.astype(np.float64) ** 2 * np.exp(-0.5 * near * near), np.float64)


def _left(corpus: Corpus, seen: Collection[str], topic: int | None) -> NDArray[np.int64]:
    """Return the rows nobody asked the person about, of the topic if there is one."""
    free = np.ones(len(corpus), np.bool_)
    free[corpus.rows(list(seen))] = False
    rows = np.arange(len(corpus)) if topic is None else corpus.by_topic.rows_of(topic)
    return rows[free[rows]]


def _ids(corpus: Corpus, rows: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(corpus.posts[row] for row in rows.tolist())
