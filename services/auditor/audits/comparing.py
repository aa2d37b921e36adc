"""A person beside other people, and beside the system on what people rated themselves.

Invariant: tests use ratings of people; predictions get intervals and no p. Source: audits.md section 12.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import Corpus
from services.auditor.audits.decisions import OVER, UNDER, Side
from services.auditor.audits.disagreement import IN_CATEGORY, Figure
from services.auditor.audits.sums import sums, toxic_shares, user_means
from shared.chance import Odds, Z, discoveries, odds, paired_odds, score_bound, wilson
from shared.judgement import SEVERITIES, is_toxic, severity
from shared.vocabulary import CATEGORIES

FEWEST_PEOPLE = 15
WIDTH = 0.1
"""Width of a bar of the histogram of people's figures."""


@dataclass(frozen=True)
class Place:
    """Where a person's figure stands among `n` people: the share of them below it, their median, and all as bars.

    `bars` are (lower bound, people), each as wide as the next one begins.
    """

    n: int
    own: float
    below: Figure
    median: Figure
    bars: tuple[tuple[float, int], ...]


def place(own: float, people: Sequence[float], width: float = WIDTH) -> Place | None:
    """Return where a figure stands among those of all people; None for fewer than fifteen of them.

    Those with the very same figure count half. The median's interval is that of ranks (Conover 1999, section 3.2).
    """
    values = np.sort(np.asarray(people, np.float64))
    n = len(values)
    if n < FEWEST_PEOPLE:
        return None
    share = float(np.mean(values < own) + np.mean(values == own) / 2.0)
    low, high = (float(score_bound(np.array(share), np.array(float(n)), z)) for z in (-Z, Z))
    half = Z * np.sqrt(n) / 2.0
    first, last = max(int(np.ceil(n / 2.0 - half)) - 1, 0), min(int(np.ceil(n / 2.0 + half)), n) - 1
    median = Figure(float(np.median(values)), float(values[first]), float(values[last]), n)
    bins = np.floor(values / width + 1e-9).astype(np.int64)
    bars = [(at, int((bins == at).sum())) for at in range(int(bins[0]), int(bins[-1]) + 1)]
    return Place(n, own, Figure(share, low, high, n), median, tuple((round(at * width, 6), c) for at, c in bars))


class By(StrEnum):
    """What posts are sorted into classes by."""

    TOPIC = "topic"
    SEVERITY = "severity"
    CATEGORY = "category"


@dataclass(frozen=True)
class Class:
    """What a person and others say of one class of posts: mean rating and share of toxic.

    Others are the crowd on those of the posts that it has rated, None where there are none.
    """

    by: By
    name: str
    n: int
    mean: Figure
    toxic: Figure
    others_mean: Figure | None
    others_toxic: Figure | None


def classes(side: Side, corpus: Corpus, by: By) -> list[Class]:
    """Return what a person and others say of each class that has posts."""
    parts = _parts(corpus, by)
    if not parts:
        return []
    order = np.concatenate([rows for _, rows in parts])
    starts = np.append(0, np.cumsum([len(rows) for _, rows in parts])[:-1])
    found = sums(side, order, starts)
    flagged = np.add.reduceat(side.system_toxic[order].astype(np.float64), starts)
    columns = [
        zip(each.value.tolist(), each.low.tolist(), each.high.tolist(), found.n.tolist(), strict=True)
        for each in (user_means(found, side.user[order], starts), toxic_shares(found, flagged))
    ]
    return [
        Class(by, name, len(rows), Figure(*mean), Figure(*toxic), *_others(corpus.crowd[rows], side.cut))
        for (name, rows), mean, toxic in zip(parts, *columns, strict=True)
    ]


def _parts(corpus: Corpus, by: By) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the rows of each class."""
    if by is By.TOPIC:
        grouped = corpus.by_topic
        parts = np.split(grouped.order, grouped.starts[1:])
        return [(str(topic), rows) for topic, rows in zip(grouped.topics.tolist(), parts, strict=False)]
    if by is By.SEVERITY:
        of = severity(corpus.system.astype(np.float64))
        every = [(word, np.flatnonzero(of == at)) for at, word in enumerate(SEVERITIES)]
    else:
        inside = corpus.scores > np.float32(IN_CATEGORY)
        every = [(name, np.flatnonzero(inside[:, at])) for at, name in enumerate(CATEGORIES)]
    return [(name, rows) for name, rows in every if len(rows)]


def _others(crowd: NDArray[np.float32], cut: float) -> tuple[Figure | None, Figure | None]:
    rated = crowd[~np.isnan(crowd)].astype(np.float64)
    n = len(rated)
    if not n:
        return None, None
    mean, toxic = float(rated.mean()), int(is_toxic(rated, cut).sum())
    half = Z * float(rated.std(ddof=1)) / n**0.5 if n > 1 else 4.0
    low, high = wilson(toxic, n)
    return Figure(mean, max(mean - half, 0.0), min(mean + half, 4.0), n), Figure(toxic / n, low, high, n)


@dataclass(frozen=True)
class Against:
    """A test on `n` posts people rated. `stands` says whether it is left after false discoveries are held down."""

    n: int
    odds: Odds
    stands: bool


def against_system(side: Side) -> Against | None:
    """Return whether a person calls posts toxic that the system does not more often than the other way round.

    On the person's own ratings only; None without any.
    """
    types = side.types[side.labelled]
    if not len(types):
        return None
    found = paired_odds(int((types == UNDER).sum()), int((types == OVER).sum()))
    return Against(len(types), found, found.p <= 0.05)


def own_calls(side: Side, corpus: Corpus) -> dict[int, tuple[int, int]]:
    """Return of each topic with own ratings how many posts the person calls toxic and not toxic."""
    topics, toxic = corpus.topics[side.labelled], side.user_toxic[side.labelled]
    return {
        int(topic): (int(toxic[topics == topic].sum()), int((~toxic[topics == topic]).sum()))
        for topic in np.unique(topics[topics >= 0])
    }


def against_others(own: Mapping[int, tuple[int, int]], others: Mapping[int, tuple[int, int]]) -> dict[int, Against]:
    """Return by topic how a person's calls (toxic, not toxic) differ from other people's on the same topic."""
    topics = sorted(set(own) & set(others))
    found = [odds(*own[topic], *others[topic]) for topic in topics]
    stand = discoveries(np.array([each.p for each in found]))
    return {
        topic: Against(sum(own[topic]) + sum(others[topic]), each, bool(stands))
        for topic, each, stands in zip(topics, found, stand, strict=True)
    }
