"""Topics as an audit lists and draws them: what person and system say of each in the middle, and how often they differ.

Invariant: a topic with few posts is listed and never drawn. Source: audits.md section 8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from services.auditor.audits.columns import Corpus, Judge
from services.auditor.audits.decisions import OVER, TYPES, Errors, ErrorType, Side, passing, steps, types_of
from services.auditor.audits.disagreement import Disagreement, Figure, by_topic
from services.auditor.audits.placing import STEP, placed
from shared.judgement import CUT, is_toxic

FEWEST_POSTS = 5
"""Posts from which on a topic is drawn."""


class Statistic(StrEnum):
    """What stands for all ratings of a topic."""

    MEDIAN = "median"
    MEAN = "mean"


@dataclass(frozen=True)
class TopicRow:
    """A topic: the middle ratings of person and system, and their type. `user` and what follows of it are None
    without a model. `step` and `rank` say where its mark is, None for a topic too small to be drawn.

    `error` is the share decided differently, whose lower bound says how sure that is.
    """

    topic: int
    n: int
    labelled: int
    tuned: bool
    system: float
    system_toxic: bool
    user: float | None = None
    type: ErrorType | None = None
    distance: float | None = None
    colour: int | None = None
    error: Figure | None = None
    disagreement: Disagreement | None = None
    step: float | None = None
    rank: int | None = None


@dataclass(frozen=True)
class TopicMap:
    """Topics that pass a filter, by id: those that are drawn, those that are too small, and the counts of all drawn."""

    statistic: Statistic
    large: tuple[TopicRow, ...]
    small: tuple[TopicRow, ...]
    counts: Mapping[ErrorType, int]


def topic_map(
    corpus: Corpus,
    judge: Judge | None,
    side: Side | None,
    *,
    statistic: Statistic = Statistic.MEDIAN,
    errors: Errors = Errors.BOTH,
    step: float = STEP,
    fewest: int = FEWEST_POSTS,
    cut: float = CUT,
) -> TopicMap:
    """Return the map of all topics; without a model (None for `judge` and `side`) every topic passes."""
    rows = topic_rows(corpus, judge, side, statistic=statistic, cut=cut)
    drawn = [row for row in rows if row.n >= fewest]
    counts = {each: sum(row.type is each for row in drawn) for each in TYPES}
    large = [row for row in drawn if _passes(row, errors)]
    small = tuple(row for row in rows if row.n < fewest and _passes(row, errors))
    at, ranks = placed(
        np.array([row.system if row.user is None else row.user for row in large], np.float32),
        np.array([row.system for row in large], np.float32),
        np.array([row.topic for row in large], np.int64),
        step,
    )
    marks = zip(large, at.tolist(), ranks.tolist(), strict=True)
    return TopicMap(statistic, tuple(replace(row, step=x, rank=y) for row, x, y in marks), small, counts)


def topic_rows(
    corpus: Corpus,
    judge: Judge | None,
    side: Side | None,
    *,
    statistic: Statistic = Statistic.MEDIAN,
    cut: float = CUT,
) -> list[TopicRow]:
    """Return all topics that have posts, by id."""
    grouped = corpus.by_topic
    median = statistic is Statistic.MEDIAN
    system = corpus.system_medians if median else grouped.means(corpus.system)
    sizes = grouped.sizes
    toxic = is_toxic(system, cut)
    if judge is None or side is None:
        columns = (each.tolist() for each in (grouped.topics, sizes, system, toxic))
        return [TopicRow(topic, n, 0, False, *rest) for topic, n, *rest in zip(*columns, strict=True)]
    user = grouped.medians(side.user) if median else grouped.means(side.user)
    types = types_of(is_toxic(user, cut), toxic)
    distance = np.where(passing(types, Errors.BOTH), np.abs(user - system), np.float32(0.0))
    tuned = np.logical_or.reduceat(judge.tuned[grouped.order], grouped.starts) if len(sizes) else sizes
    found = by_topic(side, corpus)
    rows = zip(
        *(each.tolist() for each in (grouped.topics, tuned, system, toxic, user, types, distance, steps(distance))),
        strict=True,
    )
    return [
        TopicRow(
            topic,
            found[topic].n,
            found[topic].labelled,
            bool(tuned),
            theirs,
            flagged,
            mine,
            TYPES[code],
            apart,
            colour,
            error_share(found[topic]),
            found[topic],
        )
        for topic, tuned, theirs, flagged, mine, code, apart, colour in rows
    ]


def error_share(found: Disagreement) -> Figure:
    """Return the share of posts that person and system decide differently."""
    agree = found.agree
    return Figure(1.0 - agree.value, 1.0 - agree.high, 1.0 - agree.low, agree.n)


def _passes(row: TopicRow, errors: Errors) -> bool:
    wanted = {Errors.UNDER: (ErrorType.UNDER,), Errors.OVER: (ErrorType.OVER,), Errors.BOTH: TYPES[: OVER + 1]}
    return row.type is None or row.type in wanted.get(errors, TYPES)
