"""What an audit looks at: posts as columns, and one judgement beside them.

Invariant: rows stand in ascending order of the posts' ids, so that a tie by id is a tie by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.judgement import CUT, LOWEST, system_rating
from shared.vocabulary import CATEGORIES

Floats = NDArray[np.float32]
Rows = NDArray[np.integer[Any]] | NDArray[np.bool_]
"""Which rows: their numbers, ascending, or one yes or no for each."""

NO_TOPIC = -1
ABOUT = 8
"""Components that say what a post's words are about."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Rows by topic: `topics` (k,) ascending, `order` (m,) the rows, each topic's from one of `starts` (k,) on.

    `codes` (n,) say which of the topics a row has, k for none.
    """

    topics: NDArray[np.int32]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    codes: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return how many rows each topic has, (k,)."""
        return np.diff(np.append(self.starts, len(self.order)))

    def means(self, values: Floats) -> Floats:
        """Return the mean of each topic's values (n,)."""
        total = np.bincount(self.codes, values, len(self.topics) + 1)[:-1]
        return (total / np.maximum(self.sizes, 1)).astype(np.float32)

    def medians(self, values: Floats) -> Floats:
        """Return the median of each topic's values (n,), which are 0 or more."""
        # of numbers without a sign the bits are in the numbers' order: one sort of whole numbers, topic first
        bits = (values + np.float32(0.0)).view(np.uint32)
        ordered, sizes = np.sort((self.codes << 32) | bits), self.sizes
        low, high = (ordered[self.starts + half] & 0xFFFFFFFF for half in ((sizes - 1) // 2, sizes // 2))
        lower, upper = (half.astype(np.uint32).view(np.float32) for half in (low, high))
        return np.asarray((lower + upper) / np.float32(2.0), np.float32)

    def rows_of(self, topic: int) -> NDArray[np.int64]:
        """Return the rows of a topic, ascending; none if it has no posts."""
        at = int(np.searchsorted(self.topics, topic))
        if at == len(self.topics) or self.topics[at] != topic:
            return np.array([], np.int64)
        end = self.starts[at + 1] if at + 1 < len(self.starts) else len(self.order)
        return self.order[self.starts[at] : end]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Posts as an audit sees them, n rows in ascending order of ids. Nothing of a person, no text.

    `system` (n,) is the system's rating 0 to 4, `scores` (n, 12) its scores 0 to 1 in the order of CATEGORIES, NaN
    unknown, `topics` (n,) -1 for none, `crowd` (n,) the crowd's mean 0 to 4, NaN unknown, `about` (n, 8) components of
    the words, zeros unknown, `versions` (n,) which of `version_names` scored the post.
    Raises ValueError for columns of another shape and for ids out of order.
    """

    posts: tuple[str, ...]
    system: Floats
    scores: Floats
    topics: NDArray[np.int32]
    crowd: Floats
    about: Floats
    versions: NDArray[np.int16]
    version_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.posts)
        shapes = {"system": (n,), "scores": (n, len(CATEGORIES)), "topics": (n,), "crowd": (n,), "about": (n, ABOUT)}
        for name, shape in {**shapes, "versions": (n,)}.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has the shape {getattr(self, name).shape}, not {shape}")
        if not all(before < after for before, after in pairwise(self.posts)):
            raise ValueError("posts are in ascending order of their ids, each once")

    def __len__(self) -> int:
        return len(self.posts)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Return the row of each post."""
        return {post: row for row, post in enumerate(self.posts)}

    @cached_property
    def by_topic(self) -> "Grouped":
        """Return the rows topic by topic; sorted once for every view."""
        order = np.argsort(self.topics, kind="stable")
        order = order[self.topics[order] > NO_TOPIC]
        starts = np.flatnonzero(np.diff(self.topics[order], prepend=NO_TOPIC))
        topics = self.topics[order][starts]
        codes = np.where(self.topics > NO_TOPIC, np.searchsorted(topics, self.topics), len(topics))
        return Grouped(topics, order, starts, codes)

    @cached_property
    def system_medians(self) -> Floats:
        """Return the median of the system's ratings of each topic."""
        return self.by_topic.medians(self.system)

    def rows(self, posts: "tuple[str, ...] | list[str]") -> NDArray[np.int64]:
        """Return the rows of posts, ascending; posts that are not there are left out."""
        return np.array(sorted({self.places[post] for post in posts if post in self.places}), np.int64)

    def at(self, rows: Rows) -> "Corpus":
        """Return some of the rows, in ascending order."""
        places = chosen(rows)
        return replace(
            self,
            posts=tuple(self.posts[row] for row in places.tolist()),
            system=self.system[places],
            scores=self.scores[places],
            topics=self.topics[places],
            crowd=self.crowd[places],
            about=self.about[places],
            versions=self.versions[places],
        )


@dataclass(frozen=True)
class Basis:
    """What a judgement stands on: a person's or group's model, the version of it, and what that is worth in a word.

    `errors` and `baselines` are the model's figures as its event tells them (`loo_mae`, `crowd_mae`, ...).
    """

    model: str
    version: int
    status: str
    labels: int
    unsure: int = 0
    errors: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Judge:
    """Whose judgement the system is compared with, on the rows of one corpus. Without a model there is none.

    `prediction` (n,) is 0 to 4, `sd` the posterior deviation of the person's mean, `sd_of_one` of one rating, `toxic`
    the probability that they would rate the post toxic; `label` (n,) their own rating, NaN where they gave none;
    `tuned` (n,) whether an offset of the post's topic is in the prediction. All at the audit's cut. `detectable`:
    the topics where a group can be told from the crowd; None for a person.
    Raises ValueError for columns of different lengths.
    """

    prediction: Floats
    sd: Floats
    sd_of_one: Floats
    toxic: Floats
    label: Floats
    tuned: NDArray[np.bool_]
    basis: Basis
    detectable: frozenset[int] | None = None

    def __post_init__(self) -> None:
        columns = (self.prediction, self.sd, self.sd_of_one, self.toxic, self.label, self.tuned)
        if len({each.shape for each in columns}) > 1:
            raise ValueError("the columns of a judgement have different lengths")

    def __len__(self) -> int:
        return len(self.prediction)

    def at(self, rows: Rows) -> "Judge":
        """Return some of the rows, in ascending order."""
        places = chosen(rows)
        return replace(
            self,
            prediction=self.prediction[places],
            sd=self.sd[places],
            sd_of_one=self.sd_of_one[places],
            toxic=self.toxic[places],
            label=self.label[places],
            tuned=self.tuned[places],
        )


def chosen(rows: Rows) -> NDArray[np.int64]:
    """Return rows as ascending numbers."""
    found = np.asarray(rows)
    return np.flatnonzero(found) if found.dtype == np.bool_ else np.sort(found.astype(np.int64))


def system_column(overall: NDArray[np.float64], threshold: float, cut: float = CUT) -> Floats:
    """Return the system's ratings of overall scores (n,) as a column: toxic exactly where the system itself flags.

    Rounding would move a score just under the threshold, or at it, to the other side of the cut.
    """
    found: Floats = system_rating(overall, threshold, cut).astype(np.float32)
    flagged, edge = overall >= threshold, np.float32(cut)
    under = np.nextafter(edge, np.float32(LOWEST))
    return np.where(flagged, np.maximum(found, edge), np.minimum(found, under))
